package workloads

import "time"

// HardLinks gives files second and third names, mostly in the same directory as Coda demands, and then uses all of them: a file is written by one name and must have
// the same contents by the others, a name is removed and the file stays, the last one is removed and it is gone, and one name is renamed over
// another one of the same file, which changes nothing.
func HardLinks() Workload {
	return blend{
		name: "hard-links", workers: 3, think: 10 * time.Millisecond,
		doc:     "files with several names, which are written, renamed and removed by one name and read by another",
		weights: map[string]int64{"create": 8, "link": 18, "write": 6, "append": 4, "edit": 4, "rename": 6, "remove": 10, "chmod": 2, "read": 12, "stat": 8, "list": 5},
		presets: map[string]int64{"names": 4},
	}
}
