package checks

import (
	"fmt"
	pathpkg "path"
	"slices"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// cachedReads holds against Limits.Cached how long a client takes for what it has: a read that began when the client was cut off from every server, of a
// content that it had read before, has nothing to wait for until it is not cut off any more.
type cachedReads struct {
	*judgement
	bound   time.Duration
	apart   map[string][]history.Intervals // of each client, when it was cut off from each of the servers
	harmed  map[string]history.Intervals   // when another fault was there that was done to the client
	faulty  map[string]history.Intervals   // when any was that hinders the client
	looks   *byPath                        // reads by their path; nil until they are asked for
	changes *byPath                        // changes by the directories of what they change
}

// separating are the faults that let nothing through while they are there.
func separating() []string {
	return []string{
		"partition", "partition-up", "partition-down", "isolate", "split", "blackhole", "blackhole-up", "blackhole-down", "kill-codasrv", "pause-codasrv",
	}
}

func newCachedReads(j *judgement) *cachedReads {
	c := &cachedReads{
		judgement: j, bound: j.run.Meta.Limits.Cached, apart: map[string][]history.Intervals{}, harmed: map[string]history.Intervals{},
		faulty: map[string]history.Intervals{},
	}
	for _, client := range j.run.Meta.Clients {
		for _, server := range j.run.Meta.Servers {
			c.apart[client] = append(c.apart[client], history.Union(c.windows(func(fault *history.Fault) bool {
				return slices.Contains(separating(), fault.Name) && slices.ContainsFunc(fault.Cuts, func(cut history.Cut) bool {
					return cut.Node == server && (cut.Peer == "" || cut.Peer == client) || cut.Node == client && cut.Peer == server
				})
			}, func(fault *history.Fault) history.Interval {
				return history.Interval{From: fault.Proven, To: fault.Recovering}
			})))
		}
		c.faulty[client] = hindrances(j.run, client)
		c.harmed[client] = history.Union(c.windows(func(fault *history.Fault) bool {
			separates := slices.Contains(separating(), fault.Name)
			return !separates && (slices.Contains(fault.Nodes, client) || slices.ContainsFunc(fault.Cuts, func(cut history.Cut) bool {
				return cut.Node == client || cut.Peer == client
			}))
		}, (*history.Fault).Window))
	}
	return c
}

// windows are the times of some of the faults that took effect.
func (c *cachedReads) windows(of func(*history.Fault) bool, when func(*history.Fault) history.Interval) (all []history.Interval) {
	for i := range c.run.Faults {
		if fault := &c.run.Faults[i]; fault.Proven != 0 && of(fault) {
			all = append(all, when(fault))
		}
	}
	return all
}

// look judges one operation.
func (c *cachedReads) look(i int, row *history.Row) {
	if c.bound <= 0 || row.Kind != history.Read || row.Outcome != history.OK || row.Content == 0 || time.Duration(row.Completed-row.Invoked) <= c.bound {
		return
	}
	node := c.run.Operations.Node(row.Worker)
	waited := c.cutOff(node, row)
	if waited <= c.bound {
		return
	}
	before := c.had(node, row)
	if before < 0 {
		return
	}
	op := c.run.Operations.At(i)
	c.fail(history.Evidence{
		Text: fmt.Sprintf("%s took %v while no server could be waited for, and may take %v: %s had the content, and nobody had changed it",
			describe(&op), round(waited), c.bound, node),
		Operations: []history.Operation{c.run.Operations.At(before), op}, Faults: faultsAround(c.run, op.Invoked, op.Completed),
	})
}

// cutOff is how much of a read, from its begin on, its client was cut off from every server.
func (c *cachedReads) cutOff(node string, row *history.Row) time.Duration {
	until := row.Completed
	for _, cuts := range c.apart[node] {
		left := cuts.Subtract(history.Interval{From: row.Invoked, To: until})
		if len(left) > 0 {
			until = left[0].From
		}
	}
	if len(c.apart[node]) == 0 {
		return 0
	}
	return time.Duration(until - row.Invoked)
}

// had is an earlier read by which a client had what it reads now, in the same life and connected until it was cut off, and since when nobody changed
// anything in that directory or those above it; -1 where there is none.
func (c *cachedReads) had(node string, row *history.Row) int {
	if c.looks == nil {
		c.looks = newByPath(c.run.Operations, false, func(row *history.Row) bool { return row.Kind == history.Read && row.Outcome == history.OK })
		c.changes = mutations(c.run.Operations)
	}
	for _, i := range c.looks.of(row.Path) {
		before := c.run.Operations.Row(int(i))
		if before.Content != row.Content || before.Completed == 0 || before.Completed >= row.Invoked || c.run.Operations.Node(before.Worker) != node {
			continue
		}
		since := history.Interval{From: before.Invoked, To: row.Completed}
		if c.harmed[node].Overlap(since) == 0 && c.connected(node, before, row) && !c.changed(c.run.Operations.Path(row.Path), since) {
			return int(i)
		}
	}
	return -1
}

// connected says whether nothing hindered a client from one read on until what is there in the begin of another: what it had was valid then.
func (c *cachedReads) connected(node string, before, row *history.Row) bool {
	for _, fault := range c.faulty[node] {
		if fault.To > row.Invoked {
			return true // as the last of them
		}
		if fault.To > before.Invoked {
			return false
		}
	}
	return true
}

// changed says whether anything may have been changed meanwhile in the directory of a path, or in one above it.
func (c *cachedReads) changed(path string, meanwhile history.Interval) bool {
	for number := range uint32(c.changes.paths()) {
		if rows := c.changes.of(number); len(rows) == 0 || !holds(pathpkg.Dir(c.run.Operations.Path(number)), path) {
			continue
		}
		for _, i := range c.changes.of(number) {
			if row := c.run.Operations.Row(int(i)); row.Invoked <= meanwhile.To && doneBy(row) >= meanwhile.From {
				return true
			}
		}
	}
	return false
}

// holds says whether a directory holds a path, at any depth.
func holds(directory, path string) bool {
	for above := pathpkg.Dir(path); ; above = pathpkg.Dir(above) {
		if above == directory {
			return true
		}
		if above == "." || above == "/" {
			return false
		}
	}
}
