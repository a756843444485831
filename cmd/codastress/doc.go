// Command codastress runs faults and load against a Coda-style distributed file system, and says whether it kept its promises.
//
// One static binary plays every role: the harness, and below `codastress node` the agent, the daemons and the proxy of a cluster.
package main
