package checks

import (
	"cmp"
	"slices"

	"github.com/codastress/codastress/harness/history"
)

// faultsAround are the steps of at most three faults that were there in an interval, or, where none was, of the first that came after it
// began.
func faultsAround(run *history.Run, from, to history.Time) []int {
	faults := slices.Clone(run.Faults)
	slices.SortStableFunc(faults, func(a, b history.Fault) int { return cmp.Compare(a.Injecting, b.Injecting) })
	var during []int
	after := 0
	for _, fault := range faults {
		window := fault.Window()
		switch {
		case window.From < to && window.To > from && len(during) < 3:
			during = append(during, fault.Step)
		case window.From >= to && after == 0:
			after = fault.Step
		}
	}
	if len(during) == 0 && after != 0 {
		return []int{after}
	}
	return during
}

// byWorker spreads what is known of nodes over their workers, so that a look needs no map.
func byWorker[T any](operations *history.Packed, ofNode map[string]T) []T {
	all := make([]T, operations.Workers())
	for worker := range all {
		all[worker] = ofNode[operations.Node(uint32(worker))]
	}
	return all
}
