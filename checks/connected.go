package checks

import (
	"fmt"
	"slices"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// connected holds against Limits.Hang for how long a client works without a server although nothing is in the way of one. Time counts from when
// the last fault was healed that stood between them: in the bound the client has to notice.
func connected(run *history.Run) history.Verdict {
	c := &connections{judgement: judge(run, "connected"), bound: run.Meta.Limits.Hang}
	if run.Meta.Foreign() {
		return c.skipped("the clients of the file system are not ours to ask")
	}
	byNode := map[string][]*history.Status{}
	for i := range run.Statuses {
		s := &run.Statuses[i]
		byNode[s.Node] = append(byNode[s.Node], s)
	}
	switch {
	case c.bound <= 0:
		return c.undecided("the run has no bound for hangs")
	case len(byNode) == 0:
		return c.undecided("no client has said how it was doing")
	}
	for _, client := range run.Meta.Clients {
		if len(byNode[client]) == 0 {
			c.doubt("%s has never said how it was doing", client)
		}
		c.look(client, byNode[client])
	}
	if run.Truncated != "" {
		c.doubt("clients may have been disconnected later: %s", run.Truncated)
	}
	c.figure("longest time without a server", c.longest.Seconds(), "s")
	return c.verdict("%s said %s how they were doing, and were without a server that was there for %v at most",
		count(len(byNode), "client"), count(len(run.Statuses), "time"), round(c.longest))
}

type connections struct {
	*judgement
	bound   time.Duration
	longest time.Duration
}

// look judges what one client said, in order.
func (c *connections) look(client string, said []*history.Status) {
	excused := cutOff(c.run, client)
	var first, last *history.Status // of a time without a server
	alone := time.Duration(0)
	end := func() {
		if alone > c.bound {
			c.fail(history.Evidence{
				Text: fmt.Sprintf("%s was disconnected for %v although its server was there, and may be for %v: its volume was %s, with %s in its modify log",
					client, round(alone), c.bound, last.State, count(int(last.Pending), "record")),
				Operations: c.changesOf(client, first.Time, last.Time), Faults: faultsAround(c.run, first.Time, last.Time),
			})
		}
		c.longest = max(c.longest, alone)
		first, last, alone = nil, nil, 0
	}
	for _, now := range said {
		if !history.Disconnected(now.State) {
			end()
			continue
		}
		if last != nil {
			between := history.Interval{From: last.Time, To: now.Time}
			if over := excused.Overlap(between); over > 0 {
				end() // a time of its own begins when that is over
			} else {
				alone += between.Length()
			}
		}
		if first == nil {
			first = now
		}
		last = now
	}
	end()
}

// changesOf are the first and the last change that a client made between two times: they had to wait in its modify log.
func (c *connections) changesOf(client string, from, to history.Time) []history.Operation {
	first, last := -1, -1
	for i, row := range c.run.Operations.Rows() {
		if !row.Kind.Mutates() || row.Outcome != history.OK || row.Invoked < from || row.Completed > to || c.run.Operations.Node(row.Worker) != client {
			continue
		}
		if first < 0 || row.Invoked < c.run.Operations.Row(first).Invoked {
			first = i
		}
		if last < 0 || row.Completed > c.run.Operations.Row(last).Completed {
			last = i
		}
	}
	switch first {
	case -1:
		return nil
	case last:
		return []history.Operation{c.run.Operations.At(first)}
	}
	return []history.Operation{c.run.Operations.At(first), c.run.Operations.At(last)}
}

// cutOff is when something stood between a client and a server, the client's own daemon included.
func cutOff(run *history.Run, client string) history.Intervals {
	var all []history.Interval
	for _, times := range run.CutTimes(func(_ *history.Fault, cut history.Cut) bool {
		return cut.Node == client && cut.Daemon == "" || cut.Peer == client || cut.Peer == "" && slices.Contains(run.Meta.Servers, cut.Node)
	}) {
		all = append(all, times...)
	}
	return history.Union(all)
}
