package checks

import (
	"slices"
	"sort"

	"github.com/codastress/codastress/harness/history"
)

// reintegrations is by when the changes of each client had reached the servers: a client that says, when it is asked after a change, that nothing is left in
// its modify log has sent it. A log that may have been lost meanwhile says nothing of the sort.
type reintegrations struct {
	empty  map[string][]*history.Status // what each client said when its log was empty, in order
	losses map[string]history.Intervals // when the log of each may have been lost
}

func newReintegrations(run *history.Run) *reintegrations {
	r := &reintegrations{empty: map[string][]*history.Status{}, losses: map[string]history.Intervals{}}
	for i := range run.Statuses {
		if s := &run.Statuses[i]; s.Pending == 0 && s.Asked != 0 {
			r.empty[s.Node] = append(r.empty[s.Node], s)
		}
	}
	lost := map[string][]history.Interval{}
	for i := range run.Faults {
		if fault := &run.Faults[i]; wipesClient(fault) || darkensClient(fault) {
			for _, cut := range fault.Cuts {
				lost[cut.Node] = append(lost[cut.Node], fault.Window())
			}
		}
	}
	for node, windows := range lost {
		r.losses[node] = history.Union(windows)
	}
	return r
}

// by is by when a change of a client had certainly reached the servers, that had been made at a moment: Forever where nobody knows. It may have been
// refused there.
func (r *reintegrations) by(node string, made history.Time) history.Time {
	if made == history.Forever {
		return history.Forever
	}
	said := r.empty[node]
	i := sort.Search(len(said), func(i int) bool { return said[i].Asked > made })
	if i == len(said) || r.losses[node].Overlap(history.Interval{From: made, To: said[i].Time + 1}) > 0 {
		return history.Forever
	}
	return said[i].Time
}

// disconnections is when each client said that it worked without a server, and the time until it said something else.
func disconnections(run *history.Run) map[string]history.Intervals {
	windows := map[string][]history.Interval{}
	before := map[string]*history.Status{}
	for i := range run.Statuses {
		now := &run.Statuses[i]
		last := before[now.Node]
		before[now.Node] = now
		if last != nil && (history.Disconnected(now.State) || history.Disconnected(last.State)) {
			windows[now.Node] = append(windows[now.Node], history.Interval{From: last.Time, To: now.Time + 1})
		}
	}
	for node, last := range before {
		if history.Disconnected(last.State) {
			windows[node] = append(windows[node], history.Interval{From: last.Time, To: history.Forever})
		}
	}
	all := make(map[string]history.Intervals, len(windows))
	for node, each := range windows {
		all[node] = history.Union(slices.Clone(each))
	}
	return all
}
