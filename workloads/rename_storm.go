package workloads

import "time"

// RenameStorm gives files, symlinks and directories other names, within a directory and from one to another, in the directories of each process and in those that all
// share. Many of the new names are taken: what had them is gone then, and never for a moment may nothing have such a name. Contents follow the
// names, and nothing may have two names, or none.
func RenameStorm() Workload {
	return blend{
		name: "rename-storm", workers: 3, think: 10 * time.Millisecond,
		doc:     "every client gives files other names, within and between directories of its own and shared ones, often names that are taken",
		weights: map[string]int64{"create": 6, "write": 2, "mkdir": 3, "symlink": 1, "rename": 30, "rename-directory": 4, "read": 8, "stat": 8, "list": 6, "readlink": 1, "remove": 2, "rmdir": 1},
		presets: map[string]int64{"directories": 4, "size": 512},
	}
}
