package checks

import (
	"slices"

	"github.com/codastress/codastress/harness/history"
)

// apart is when clients cannot have heard of each other, whatever the file system did: faults that are proven to let nothing pass had cut every way
// between them. It knows of faults of the network alone. What a daemon does that was told to be alone, or that stood still, is the file system's own word.
type apart struct {
	run  *history.Run
	cuts map[link]history.Intervals
}

// A link joins two nodes, of which the first has the smaller name.
type link struct{ one, other string }

func linkOf(a, b string) link { return link{min(a, b), max(a, b)} }

func newApart(run *history.Run) *apart {
	a := &apart{run: run, cuts: map[link]history.Intervals{}}
	windows := map[link][]*history.Fault{}
	for i := range run.Faults {
		for _, cut := range run.Faults[i].Cuts {
			if cut.Peer != "" {
				windows[linkOf(cut.Node, cut.Peer)] = append(windows[linkOf(cut.Node, cut.Peer)], &run.Faults[i])
			}
		}
	}
	for at, faults := range windows {
		var cut []history.Interval
		for _, fault := range faults {
			// What heals another fault of the link may heal this one.
			alone := !slices.ContainsFunc(faults, func(other *history.Fault) bool {
				return other != fault && other.Window().From < fault.Window().To && fault.Window().From < other.Window().To
			})
			if alone && stopsAll(fault.Name) && fault.Proven != 0 && fault.Recovering != 0 {
				cut = append(cut, history.Interval{From: fault.Proven, To: fault.Recovering})
			}
		}
		if union := history.Union(cut); len(union) > 0 {
			a.cuts[at] = union
		}
	}
	return a
}

// stopsAll says whether nothing passes the links that a fault cuts, in either direction, while it is there.
func stopsAll(fault string) bool {
	return slices.Contains([]string{"partition", "blackhole", "isolate", "split"}, fault)
}

// A separation is a time in which two clients cannot have heard of what the other did in it.
type separation struct {
	one, other string
	history.Interval
}

// separations are the longest of each two clients.
func (a *apart) separations() []separation {
	var begins, ends []history.Time
	for _, cuts := range a.cuts {
		for _, cut := range cuts {
			begins, ends = append(begins, cut.From), append(ends, cut.To)
		}
	}
	slices.Sort(begins)
	slices.Sort(ends)
	var all []separation
	for i, one := range a.run.Meta.Clients {
		for _, other := range a.run.Meta.Clients[i+1:] {
			var last history.Time
			for _, from := range slices.Compact(begins) {
				for _, to := range slices.Backward(ends) {
					if to > max(from, last) && a.unheard(one, other, history.Interval{From: from, To: to}) {
						all, last = append(all, separation{one, other, history.Interval{From: from, To: to}}), to
						break
					}
				}
			}
		}
	}
	return all
}

// unheard says whether nothing can have come from one client to another in all of a time.
func (a *apart) unheard(one, other string, in history.Interval) bool {
	reached := map[string]bool{one: true}
	for left := []string{one}; len(left) > 0; left = left[1:] {
		for _, next := range slices.Concat(a.run.Meta.Servers, a.run.Meta.Clients) {
			joined := slices.Contains(a.run.Meta.Servers, left[0]) || slices.Contains(a.run.Meta.Servers, next) // clients talk to servers alone
			if joined && !reached[next] && len(a.cuts[linkOf(left[0], next)].Subtract(in)) > 0 {
				reached[next] = true
				left = append(left, next)
			}
		}
	}
	return !reached[other]
}
