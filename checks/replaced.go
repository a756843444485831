package checks

import (
	"cmp"
	"slices"

	"github.com/codastress/codastress/harness/history"
)

// replacements are the acknowledged changes of a name by their begin, each with the first end of it and all that follow.
type replacements []replacement

type replacement struct{ invoked, first history.Time }

// replaced is by when a content had certainly been replaced at the name that it was written to.
func (l *lostData) replaced(content, path uint32) history.Time {
	all, ok := l.replacements[path]
	if !ok {
		all = l.replacementsOf(path)
		l.replacements[path] = all
	}
	i, _ := slices.BinarySearchFunc(all, l.contents.by[content]+1, func(r replacement, t history.Time) int {
		return cmp.Compare(r.invoked, t)
	})
	if i == len(all) {
		return history.Forever
	}
	return all[i].first
}

func (l *lostData) replacementsOf(path uint32) replacements {
	var all replacements
	for _, i := range l.mutations.of(path) {
		if m := l.operations.Row(int(i)); m.Outcome == history.OK && l.changes(m, path) {
			all = append(all, replacement{m.Invoked, m.Completed})
		}
	}
	slices.SortFunc(all, func(a, b replacement) int { return cmp.Compare(a.invoked, b.invoked) })
	for i := len(all) - 2; i >= 0; i-- {
		all[i].first = min(all[i].first, all[i+1].first)
	}
	return all
}
