package checks

import (
	"fmt"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// A logProgress is what became of a modify log that was not empty yet when a client said so last: whether it is slow, or stuck.
type logProgress struct {
	node      string
	from, to  uint64        // records, when it was first asked after everything was healed, and last
	standing  time.Duration // how long nothing had left it by then
	watched   time.Duration
	shrinking bool // something left it in the latter half of the time
}

// logsSince is of each client that has records left how they went since a moment.
func logsSince(run *history.Run, since history.Time) []logProgress {
	var all []logProgress
	for _, client := range run.Meta.Clients {
		var first, last, shrank *history.Status
		for i := range run.Statuses {
			now := &run.Statuses[i]
			if now.Node != client || now.Time < since {
				continue
			}
			if first == nil {
				first, shrank = now, now
			} else if now.Pending < last.Pending {
				shrank = now
			}
			last = now
		}
		if last == nil || last.Pending == 0 {
			continue
		}
		one := logProgress{node: client, from: first.Pending, to: last.Pending}
		one.standing, one.watched = time.Duration(last.Time-shrank.Time), time.Duration(last.Time-first.Time)
		one.shrinking = shrank != first && one.standing < one.watched/2
		all = append(all, one)
	}
	return all
}

func (p *logProgress) describe() string {
	if p.shrinking {
		return fmt.Sprintf("the modify log of %s is slow: it went from %s to %d in %v", p.node, count(int(p.from), "record"), p.to, round(p.watched))
	}
	return fmt.Sprintf("the modify log of %s is stuck: it has %s, and none has left it for %v", p.node, count(int(p.to), "record"), round(p.standing))
}
