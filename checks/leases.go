package checks

import (
	pathpkg "path"
	"slices"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// leases is how long clients of a file system of ours may not know of what others did: in Limits.Stale after it reached the servers, whoever is connected must.
// That time begins anew when something was healed that hindered the one or the other.
type leases struct {
	run       *history.Run
	contents  *contents
	conflicts *conflicts
	bound     time.Duration
	reached   *reintegrations
	hindered  map[string]history.Intervals // of each client
	pairs     map[[2]string]history.Intervals
	aliased   map[string]bool // names beside which replicas put another one
}

func newLeases(run *history.Run, contents *contents) *leases {
	l := &leases{
		run: run, contents: contents, conflicts: newConflicts(run), bound: run.Meta.Limits.Stale, reached: newReintegrations(run),
		hindered: map[string]history.Intervals{}, pairs: map[[2]string]history.Intervals{}, aliased: map[string]bool{},
	}
	alone := disconnections(run)
	for _, client := range run.Meta.Clients {
		l.hindered[client] = history.Union(slices.Concat(hindrances(run, client), alone[client]))
	}
	for i := range run.Observations {
		for k := range run.Observations[i].Objects {
			if beside, ok := aliasOf(run, run.Observations[i].Objects[k].Path); ok {
				l.aliased[beside] = true
			}
		}
	}
	return l
}

// by is by when a change was on the servers, Forever where nobody knows.
func (l *leases) by(row *history.Row) history.Time {
	return l.reached.by(l.run.Operations.Node(row.Worker), doneBy(row))
}

// late is for how long a change could have been known to who looked: 0 while something was in the way of that.
func (l *leases) late(change *deed, look *history.Row) time.Duration {
	pair := [2]string{l.run.Operations.Node(l.run.Operations.Row(change.row).Worker), l.run.Operations.Node(look.Worker)}
	hindered, known := l.pairs[pair]
	if !known {
		hindered = history.Union(slices.Concat(l.hindered[pair[0]], l.hindered[pair[1]]))
		l.pairs[pair] = hindered
	}
	if hindered.Overlap(history.Interval{From: look.Invoked, To: look.Completed + 1}) > 0 {
		return 0
	}
	from := change.by
	for _, one := range hindered {
		if one.To <= look.Invoked {
			from = max(from, one.To)
		}
	}
	return time.Duration(max(0, look.Invoked-from))
}

// leftOut says whether it is open what is at a name: something about it or about what holds it was refused, or several clients changed it before each was
// sure to know of the others.
func (l *leases) leftOut(name uint32, changes []uint32) bool {
	path := l.run.Operations.Path(name)
	if l.aliased[path] || l.conflicts.about(l.contents, name) {
		return true
	}
	for above := pathpkg.Dir(path); above != "." && above != "/"; above = pathpkg.Dir(above) {
		if l.conflicts.paths[above] || l.conflicts.bases[pathpkg.Base(above)] {
			return true
		}
	}
	return l.disputed(changes)
}

func (l *leases) disputed(changes []uint32) bool {
	operations := l.run.Operations
	rows := slices.Clone(changes)
	slices.SortFunc(rows, func(a, b uint32) int {
		return int(operations.Row(int(a)).Invoked - operations.Row(int(b)).Invoked)
	})
	reached := map[string]history.Time{} // by when all that each client did so far was on the servers
	for _, i := range rows {
		row := operations.Row(int(i))
		node := operations.Node(row.Worker)
		for other, by := range reached {
			if other != node && (by >= row.Invoked-history.Time(l.bound) ||
				l.hindered[node].Overlap(history.Interval{From: by, To: row.Invoked}) > 0) {
				return true
			}
		}
		reached[node] = max(reached[node], l.by(row))
	}
	return false
}
