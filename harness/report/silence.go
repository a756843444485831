package report

import "github.com/codastress/codastress/harness/history"

// A silence is a time in which calls of a client were pending and none returned.
type silence struct {
	node       string
	from, till history.Time
}

func (s silence) length() history.Time { return s.till - s.from }

// longestSilence finds the longest one of a node from the times of its calls. A completion of zero is a call that never returned: it is
// pending until the end of the record.
func longestSilence(node string, invoked, completed []history.Time, end history.Time) silence {
	longest := history.LongestSilence(invoked, completed, end)
	return silence{node: node, from: longest.From, till: longest.To}
}
