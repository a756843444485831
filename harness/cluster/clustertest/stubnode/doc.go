// Command stubnode plays the nodes of a cluster without a file system, so that a driver can be tested without the system. The agent and the proxy
// are the real ones. Its codasrv answers a word with its own name; its venus says that word to every server at the begin of its link, over and over;
// its web accepts connections.
package main
