package workloads

import "time"

// CreateStorm makes small files as fast as the file system lets it, each under a name that was never used before, and hardly looks at them: what a mail server
// or an unpacked archive does. Directories grow, and in those that all share every client has new names all the time. Now and then a file is
// removed; it must stay away, and none of the others may.
func CreateStorm() Workload {
	return blend{
		name: "create-storm", workers: 3, think: 4 * time.Millisecond,
		doc:     "every client makes as many small files as it can, each under a name of its own, in directories of one process each and in shared ones",
		weights: map[string]int64{"create": 30, "mkdir": 1, "list": 1, "stat": 3, "read": 3, "remove": 4},
		presets: map[string]int64{"fresh": 100, "shared": 40, "directories": 2, "size": 512, "sync": 2, "operations": 2000},
	}
}
