package checks

import (
	"cmp"
	"slices"

	"github.com/codastress/codastress/harness/history"
)

// replacements are the acknowledged changes of a name by their begin, each with the first end of it and all that follow.
type replacements []replacement

type replacement struct{ invoked, first history.Time }

// replaced is by when a content had certainly been replaced for ever at the name that it was written to.
func (l *lostData) replaced(content, path uint32) history.Time {
	by := l.contents.by[content]
	if by == history.Forever {
		return history.Forever // it may take effect yet
	}
	all, ok := l.replacements[path]
	if !ok {
		all = l.replacementsOf(path)
		l.replacements[path] = all
	}
	i, _ := slices.BinarySearchFunc(all, by+1, func(r replacement, t history.Time) int {
		return cmp.Compare(r.invoked, t)
	})
	if i == len(all) {
		return history.Forever
	}
	return all[i].first
}

// mayBeRefused says whether an acknowledged change may not have happened for anybody but its client.
func (l *lostData) mayBeRefused(m *history.Row, path uint32) bool {
	node := l.operations.Node(m.Worker)
	return l.conflicts.pending[node] || !l.conflicts.known[node] || l.conflicts.keeps(l, m, path)
}

func (l *lostData) replacementsOf(path uint32) replacements {
	var all replacements
	for _, i := range l.mutations.of(path) {
		m := l.operations.Row(int(i))
		if m.Kind == history.Rename && l.operations.Target(m) == path && l.groups.reaches(path, m.Path) {
			return nil // what had gone may have come back
		}
		if m.Outcome == history.OK && l.changes(m, path) && !l.mayBeRefused(m, path) {
			all = append(all, replacement{m.Invoked, m.Completed})
		}
	}
	slices.SortFunc(all, func(a, b replacement) int { return cmp.Compare(a.invoked, b.invoked) })
	for i := len(all) - 2; i >= 0; i-- {
		all[i].first = min(all[i].first, all[i+1].first)
	}
	return all
}
