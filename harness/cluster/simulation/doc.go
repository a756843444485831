// Package simulation runs a whole cluster inside one process: servers and clients, the network between them and their disks, all in one
// testing/synctest bubble, where time passes only when everything waits.
//
// A Runtime is used as those of package cluster are: the same scenarios, workloads, faults and checks run on it. It knows nothing of the
// system under test but what Software says; what a daemon is given instead of a machine is a Life: a network Stack and a Disk that can be taken
// from it.
//
// A process that is killed cannot be taken off a bubble. It becomes a zombie: from the moment of its death nothing that it does reaches the disk
// or the network, or who waits for it; then it is closed, and whoever closes the cluster waits for it.
package simulation
