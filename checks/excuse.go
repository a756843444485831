package checks

import (
	"slices"

	"github.com/codastress/codastress/harness/history"
)

// An excuse is why an acknowledged change need not show in the final tree.
type excuse int

const (
	none         excuse = iota
	keptConflict        // its client keeps it, or what it put in its place
	powerLost           // a loss of power may have taken it
	stillPending        // it is in a modify log
	notObserved         // its client may keep it
)

func (l *lostData) excuse(m *history.Row, path uint32) excuse {
	switch node := l.operations.Node(m.Worker); {
	case l.conflicts.keeps(l, m, path), m.Kind.Writes() && l.keptLater(m):
		return keptConflict
	case l.power.took(l.operations, m) && !l.safe(m):
		return powerLost
	case l.conflicts.pending[node]:
		return stillPending
	case !l.conflicts.known[node]:
		return notObserved
	}
	return none
}

// excused says whether an acknowledged change need not show, and counts why.
func (l *lostData) excused(m *history.Row, path uint32) bool {
	why := l.excuse(m, path)
	switch why {
	case keptConflict:
		l.kept++
	case powerLost:
		l.taken++
	case stillPending:
		l.pending++
	case notObserved:
		l.doubt("%s may have kept %s as a conflict: it could not be observed", l.operations.Node(m.Worker), l.operations.Path(path))
	}
	return why != none
}

// keptLater says whether the client of a write keeps something as a conflict that it put in its place: a modify log has only the last of several
// contents of a file.
func (l *lostData) keptLater(row *history.Row) bool {
	node := l.operations.Node(row.Worker)
	for nonce, nodes := range l.conflicts.of {
		if !slices.Contains(nodes, node) {
			continue
		}
		content, _ := l.operations.FindNonce(nonce)
		kept := l.contents.write(content)
		if kept != nil && l.operations.Node(kept.Worker) == node && l.contents.by[content] > row.Invoked &&
			l.groups.reaches(row.Path, l.operations.Path(kept.Path)) {
			return true
		}
	}
	return false
}
