package checks

import (
	"strings"
	"syscall"

	"github.com/codastress/codastress/harness/history"
)

// withinQuota looks for changes that were refused for want of room in their volume although no fault bounded that.
func withinQuota(run *history.Run) history.Verdict {
	j := judge(run, "quota")
	if run.Meta.Foreign() {
		return j.skipped("what a file system that is not ours has room for is not known")
	}
	if problem := notWhole(run); problem != "" {
		return j.undecided("%s", problem)
	}
	bounded := newQuotas(run)
	refused := 0
	for i, row := range run.Operations.Rows() {
		if row.Completed == 0 || syscall.Errno(row.Errno) != syscall.EDQUOT {
			continue
		}
		refused++
		if node := run.Operations.Node(row.Worker); bounded.mayRefuse(node, row.Invoked, row.Completed) {
			continue
		}
		op := run.Operations.At(i)
		j.fail(history.Evidence{
			Text:       describe(&op) + " was refused for want of room, although nothing bounded the volume",
			Operations: []history.Operation{op}, Faults: faultsAround(run, op.Invoked, op.Completed),
		})
	}
	j.figure("refused for want of room", float64(refused), "operations")
	return j.verdict("%s refused for want of room, each while a fault left none", count(refused, "operation"))
}

// quotas is when faults left volumes no room.
type quotas struct {
	run    *history.Run
	faults []*history.Fault
	cut    map[string]history.Intervals
}

func newQuotas(run *history.Run) *quotas {
	q := &quotas{run: run, cut: map[string]history.Intervals{}}
	for i := range run.Faults {
		if fault := &run.Faults[i]; fault.Name == "quota" && fault.Injecting > 0 {
			q.faults = append(q.faults, fault)
		}
	}
	if len(q.faults) > 0 {
		for _, client := range run.Meta.Clients {
			q.cut[client] = cutOff(run, client)
		}
	}
	return q
}

// mayRefuse says whether a client may refuse a change that was made in an interval. A fault is healed when all clients know that can be told; one that
// something stood in the way of has the time that it has to notice that it is cut off.
func (q *quotas) mayRefuse(node string, from, to history.Time) bool {
	for _, fault := range q.faults {
		window := fault.Window()
		if window.From < to && window.To > from {
			return true
		}
		since := history.Interval{From: fault.Recovering, To: from}
		if window.To <= from && q.cut[node].Overlap(since) > 0 && since.Length() <= q.run.Meta.Limits.Hang {
			return true
		}
	}
	return false
}

// mayRefuseLater says whether the servers may refuse a change of a client that was made at some time and sent later. They may not before a fault when the
// client had nothing to send any more, and not after it.
func (q *quotas) mayRefuseLater(node string, change *history.Row) bool {
	for _, fault := range q.faults {
		if change.Invoked < fault.Window().To && !q.sentBefore(node, change, fault.Injecting) {
			return true
		}
	}
	return false
}

// sentBefore says whether a client had sent a change by a certain time.
func (q *quotas) sentBefore(node string, change *history.Row, by history.Time) bool {
	if change.Completed == 0 {
		return false
	}
	for i := range q.run.Statuses {
		said := &q.run.Statuses[i]
		if said.Node == node && said.Pending == 0 && !history.Disconnected(said.State) && said.Time > change.Completed && said.Time < by {
			return true
		}
	}
	return false
}

// A conflict that began with a quota is excused where a fault left no room. So is what depends on one without saying so: a name, a directory above or something
// below that the server does not have as the client believed, since it had refused that.

// overQuota says whether a conflict is what a bounded volume has refused, or the consequence of that.
func (c *falseConflicts) overQuota(node, name string, conflict *history.Conflict, own *history.Row) bool {
	if len(c.quotas.faults) == 0 || !c.mayBeRefused(node, name, conflict, own) {
		return false
	}
	if conflict.OverQuota {
		return true
	}
	for _, number := range c.connected(name) {
		if c.besideOverQuota(node, c.operations.Path(number)) {
			return true
		}
	}
	return c.besideOverQuota(node, name) || c.besideOverQuota(node, conflict.Path)
}

// mayBeRefused says whether a fault may have had the change refused that a conflict is about. Where no content tells which that was, it may be any that the
// node made of the name.
func (c *falseConflicts) mayBeRefused(node, name string, conflict *history.Conflict, own *history.Row) bool {
	if c.quotas.mayRefuseLater(node, own) {
		return true
	}
	if !conflict.Content.IsZero() {
		return false
	}
	for _, number := range c.connected(name) {
		for _, i := range c.changes.of(number) {
			if row := c.operations.Row(int(i)); c.operations.Node(row.Worker) == node && c.quotas.mayRefuseLater(node, row) {
				return true
			}
		}
	}
	return false
}

// besideOverQuota says whether a client keeps a conflict that began with a quota at a name, above or below it.
func (c *falseConflicts) besideOverQuota(node, name string) bool {
	for at := range c.refusedAt[node] {
		if at == name || strings.HasPrefix(at, name+"/") || strings.HasPrefix(name, at+"/") {
			return true
		}
	}
	return false
}

// findOverQuota notes what clients keep because of quotas, by the names of then and of the contents.
func (c *falseConflicts) findOverQuota() {
	c.refusedAt = map[string]map[string]bool{}
	c.eachOfClients(func(node string, conflict *history.Conflict) {
		if !conflict.OverQuota {
			return
		}
		if c.refusedAt[node] == nil {
			c.refusedAt[node] = map[string]bool{}
		}
		c.refusedAt[node][conflict.Path] = true
		if name, _, known := c.refused(node, conflict); known {
			c.refusedAt[node][name] = true
		}
	})
}
