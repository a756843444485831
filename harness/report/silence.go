package report

import (
	"slices"

	"github.com/codastress/codastress/harness/history"
)

// A silence is a time in which calls of a client were pending and none returned.
type silence struct {
	node       string
	from, till history.Time
}

func (s silence) length() history.Time { return s.till - s.from }

// longestSilence finds the longest one of a node from the times of its calls. A completion of zero is a call that never returned: it is
// pending until the end of the record.
func longestSilence(node string, invoked, completed []history.Time, end history.Time) silence {
	starts, ends := slices.Clone(invoked), make([]history.Time, 0, len(completed))
	for _, t := range completed {
		if t != 0 {
			ends = append(ends, t)
		}
	}
	slices.Sort(starts)
	slices.Sort(ends)
	longest := silence{node: node}
	var from history.Time // since when calls have been pending without one returning
	pending, next := 0, 0
	advance := func(to history.Time) {
		for ; next < len(starts) && starts[next] <= to; next++ {
			if pending == 0 {
				from = max(from, starts[next])
			}
			pending++
		}
		if pending > 0 && to-from > longest.length() {
			longest.from, longest.till = from, to
		}
	}
	for _, t := range ends {
		advance(t)
		pending--
		from = t
	}
	advance(end)
	return longest
}
