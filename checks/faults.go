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
		window := faultTime(&fault)
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

// faultTime is when a fault was there: it is empty for one that was never injected, and has no end for one that was never healed.
func faultTime(fault *history.Fault) history.Interval {
	if fault.Injecting == 0 {
		return history.Interval{}
	}
	to := fault.Recovered
	if to == 0 {
		to = history.Forever
	}
	return history.Interval{From: fault.Injecting, To: to}
}

// standstills is when the own daemon of each node could not work, by the cuts of the faults. A link that is cut is no excuse: calls must
// return all the same.
func standstills(run *history.Run) map[string]history.Intervals {
	cuts := map[string][]history.Interval{}
	for i := range run.Faults {
		for _, cut := range run.Faults[i].Cuts {
			if cut.Peer == "" {
				cuts[cut.Node] = append(cuts[cut.Node], faultTime(&run.Faults[i]))
			}
		}
	}
	still := make(map[string]history.Intervals, len(cuts))
	for node, windows := range cuts {
		still[node] = history.Union(windows)
	}
	return still
}

// byWorker spreads what is known of nodes over their workers, so that a look needs no map.
func byWorker[T any](operations *history.Packed, ofNode map[string]T) []T {
	all := make([]T, operations.Workers())
	for worker := range all {
		all[worker] = ofNode[operations.Node(uint32(worker))]
	}
	return all
}
