// Package containers runs nodes as containers, through testcontainers. It is the only package that imports it.
//
// The image is the codastress executable and a few empty folders, made in memory: nothing is ever pulled, the library's own reaper
// included.
//
// Each node of the system is alone with the proxy in an internal network. Such a network has no route to anywhere, and the host has no address in
// it, so that the only way from one node to another is through the proxy, which forwards no packets. The harness reaches
// the proxy's agent on a port published on the loopback interface, and the agents of the others through relays in the proxy, which are published
// likewise: what is published leads to agents only, who want the harness's certificate, never to a daemon.
//
// The harness can lose the engine in the middle of a run. The nodes go on in their containers, and clear themselves as always when their agents are
// asked to, or do not hear from the harness any more; the engine removes each container with its volume when it ends. Networks it removes only when
// it is told to, which the janitor does once it is back.
//
// The data of a node is in a volume without a name, because the root of a container may be a file system on top of others, which is slow and
// which FUSE cannot pass reads through to.
package containers
