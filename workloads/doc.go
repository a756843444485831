// Package workloads has the work that is done on the file system under test, and the record of it.
//
// A workload plans its tasks from a seed and carries each out on one node: on a Directory, which is a mounted directory or the file
// system's own socket, and on the node's web server. Everything it does goes into a history.Recorder. It knows nothing of clusters, so
// it runs on a plain directory too.
package workloads
