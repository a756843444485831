// Package agent is process 1 of a node: it supervises the node's daemons, carries out tasks on the node's mount, observes and
// collects evidence, and clears the node when it is told to, or when the harness's heartbeat stops (a dead man's switch).
//
// It knows the daemons only as processes, and everything else by the function values of Hooks.
package agent
