// Package history is the record of a run: the operations that workloads did, the faults that were injected, what happened to the
// nodes, and what was observed at the end. It is written as it happens and is good up to the place where it breaks off.
package history
