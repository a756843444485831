// Package processes runs nodes as child processes of the harness on this machine.
//
// Every node has loopback addresses of its own: one that its daemons listen on, which only the proxy is told, and one that the proxy listens on
// for its links. A process of the machine could go around the proxy; those of the system are not told how.
//
// Where it may, a client node gets a mount namespace of its own, so that its mount goes away with its last process. Nodes are not in the
// harness's process group, are told when the harness dies, and carry the run's name in their environment, by which they are found again.
package processes
