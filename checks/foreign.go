package checks

import (
	"cmp"
	"slices"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// skipped is the verdict of a check that has nothing to say of a run.
func (j *judgement) skipped(format string, args ...any) history.Verdict {
	v := j.undecided(format, args...)
	v.Result, v.Evidence, v.Figures = history.Skipped, nil, nil
	return v
}

// blackBox is what may be demanded of a file system that is not ours, of which nothing is known but what its mounts show. A write is no single step
// there: whoever reads meanwhile may see a part of it, and of two writes at once a mixture may stay. There are no conflicts either: of what two clients
// change at the same time one takes the place of the other. Its methods say no for a file system of ours.
type blackBox struct {
	operations *history.Packed
	changes    *byPath
	groups     *groups
	staleness  staleness
	torn       map[uint32]bool // what is known of disputed
	nodeOf     []uint32
	seen       map[sight]history.Time // by when a node had first seen a content; nil until it is asked for
	foreign    bool
	open       int // how often something was left open for that
}

// A sight is a content that a node has seen.
type sight struct{ node, content uint32 }

func newBlackBox(run *history.Run, changes *byPath, groups *groups) *blackBox {
	b := &blackBox{operations: run.Operations, changes: changes, groups: groups, foreign: run.Meta.Foreign(), staleness: newStaleness(run), torn: map[uint32]bool{}}
	if b.foreign {
		_, b.nodeOf = nodesOf(run.Operations)
	}
	return b
}

// disputed says whether several clients may have changed a name, or another name of the same file, at the same time.
func (b *blackBox) disputed(name uint32) bool {
	if !b.foreign || name == 0 {
		return false
	}
	known, ok := b.torn[name]
	if !ok {
		known = b.overlaps(b.changesOf(name))
		b.torn[name] = known
	}
	if known {
		b.open++
	}
	return known
}

// changesOf are the changes of a name and of those that it is connected with, by their begin.
func (b *blackBox) changesOf(name uint32) []*history.Row {
	var rows []*history.Row
	for _, one := range append([]uint32{name}, b.groups.connected(name)...) {
		if int(one) >= b.changes.paths() {
			continue
		}
		for _, i := range b.changes.of(one) {
			rows = append(rows, b.operations.Row(int(i)))
		}
	}
	slices.SortFunc(rows, func(x, y *history.Row) int { return cmp.Compare(x.Invoked, y.Invoked) })
	return rows
}

// overlaps says whether a change began before that of another client was sure to be seen, and had not been seen.
func (b *blackBox) overlaps(rows []*history.Row) bool {
	for i, row := range rows {
		for _, before := range rows[:i] {
			if b.nodeOf[before.Worker] != b.nodeOf[row.Worker] && !b.staleness.over(before, row.Invoked) && !b.knows(row, before) {
				return true
			}
		}
	}
	return false
}

// knows says whether the client of a change had seen what an earlier one of another client had written, when that was done.
func (b *blackBox) knows(row, before *history.Row) bool {
	if before.Content == 0 || doneBy(before) >= row.Invoked {
		return false
	}
	if b.seen == nil {
		b.seen = map[sight]history.Time{}
		for _, look := range b.operations.Rows() {
			if look.Content == 0 || look.Outcome != history.OK || look.Kind.Writes() {
				continue
			}
			at := sight{b.nodeOf[look.Worker], look.Content}
			if first, ok := b.seen[at]; !ok || look.Completed < first {
				b.seen[at] = look.Completed
			}
		}
	}
	first, ok := b.seen[sight{b.nodeOf[row.Worker], before.Content}]
	return ok && first < row.Invoked
}

// meanwhile says whether somebody else may have been seen at work on what an operation saw.
func (b *blackBox) meanwhile(row *history.Row) bool {
	if !b.foreign {
		return false
	}
	for _, change := range b.changesOf(row.Path) {
		if change != row && change.Invoked <= row.Completed && !b.staleness.over(change, row.Invoked) {
			b.open++
			return true
		}
	}
	return false
}

// staleness is how long changes may be unseen: the time in which faults were there does not count.
type staleness struct {
	longest time.Duration
	bounded bool
	hurt    history.Intervals // when any fault was there
}

func newStaleness(run *history.Run) staleness {
	s := staleness{}
	s.longest, s.bounded = run.Meta.Consistency.Staleness()
	var windows []history.Interval
	for i := range run.Faults {
		windows = append(windows, run.Faults[i].Window())
	}
	s.hurt = history.Union(windows)
	return s
}

// over says whether a change is over at a moment, and whoever looks then must see it.
func (s *staleness) over(change *history.Row, at history.Time) bool {
	return s.bounded && s.since(doneBy(change), at) > s.longest
}

// since is the time from one moment to a later one without faults.
func (s *staleness) since(from, to history.Time) time.Duration {
	if from >= to {
		return 0
	}
	return time.Duration(to-from) - s.hurt.Overlap(history.Interval{From: from, To: to})
}

// doneBy is when a change had certainly been made: Forever where that is not certain.
func doneBy(row *history.Row) history.Time {
	if row.Outcome == history.OK && row.Completed != 0 {
		return row.Completed
	}
	return history.Forever
}
