package workloads

import "time"

// SharedDirectory has every process of every client make and remove files, directories and symlinks in one directory, each only those that it made itself. So the
// directory changes everywhere at once, and nothing in it is in dispute: there is no conflict to be had, each name must be at every moment what its
// owner made of it, and after the last removal every client has the same names.
func SharedDirectory() Workload {
	return blend{
		name: "shared-directory", workers: 3, think: 10 * time.Millisecond,
		doc:     "all clients make and remove names in one directory, each its own",
		weights: map[string]int64{"create": 12, "mkdir": 4, "symlink": 3, "remove": 11, "rmdir": 3, "write": 3, "rename": 4, "list": 8, "stat": 5, "read": 4, "readlink": 2},
		presets: map[string]int64{"shared": 100, "directories": 1, "apart": 100, "fresh": 100, "size": 512},
	}
}
