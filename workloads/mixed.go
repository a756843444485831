package workloads

import "time"

// Mixed does everything that one can do with files and names, at random. Each process has a directory in which nobody but it changes
// anything, so that checks know exactly what must be there; and all change what is in some shared directories, under few names, so that they meet.
func Mixed() Workload {
	return blend{
		name: "mixed", workers: 3, think: 10 * time.Millisecond,
		doc: "random operations on files and names of every kind, in directories of one process each and in some that all share",
	}
}
