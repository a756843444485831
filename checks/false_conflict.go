package checks

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/codastress/codastress/harness/history"
)

// noFalseConflict looks for what can have caused each conflict that a client keeps: a change by another client, of the same object or of what
// holds it, that the client did not know when it made its own.
func noFalseConflict(run *history.Run) history.Verdict {
	c := &falseConflicts{judgement: judge(run, "no-false-conflict"), operations: run.Operations}
	if run.Meta.Foreign() {
		return c.skipped("a file system that is not ours does not say what it has in conflict")
	}
	if problem := notWhole(run); problem != "" {
		return c.undecided("%s", problem)
	}
	if unknown := newConflicts(run).unknown(run); unknown != "" {
		c.doubt("the conflicts of %s are not known", unknown)
	}
	var err error
	if c.contents, err = newContents(run); err != nil {
		return c.undecided("%v", err)
	}
	c.changes = mutations(c.operations)
	c.groups = newGroups(run)
	kept := 0
	for i := range run.Observations {
		o := &run.Observations[i]
		if o.Source == history.SourceServer {
			continue
		}
		for k := range o.Conflicts {
			c.judge(o.Node, &o.Conflicts[k])
			kept++
		}
	}
	kept += c.judgeReplicas()
	repaired := 0
	for i := range run.Loads {
		for k := range run.Loads[i].Conflicts {
			c.judge(run.Loads[i].Node, &run.Loads[i].Conflicts[k])
			repaired++
		}
	}
	c.figure("conflicts", float64(kept), "")
	c.figure("conflicts in renamed directories, not judged", float64(c.unjudged), "")
	c.figure("conflicts repaired", float64(repaired), "")
	if kept+repaired == 0 {
		return c.verdict("no client keeps a conflict")
	}
	return c.verdict("%s kept or repaired, each after a change by another client", count(kept+repaired, "conflict"))
}

type falseConflicts struct {
	*judgement
	operations *history.Packed
	contents   *contents
	changes    *byPath
	groups     *groups
	unjudged   int
	known      map[string]map[uint32]history.Time // when a node first had seen a content
}

// unknown names a client that should have been observed and was not.
func (c *conflicts) unknown(run *history.Run) string {
	for _, client := range run.Meta.Clients {
		if !c.known[client] {
			return client
		}
	}
	return ""
}

func (c *falseConflicts) judge(node string, conflict *history.Conflict) {
	name, own, known := c.refused(node, conflict)
	switch {
	case (!known || own < 0) && c.moved(conflict.Path):
		c.unjudged++
		return
	case !known:
		c.doubt("what the conflict on %s is about, %s of %s, is not known any more", node, conflict.Operation, conflict.Path)
		return
	case own < 0:
		c.doubt("%s keeps a conflict, %s of %s, and is not known to have changed that", node, conflict.Operation, name)
		return
	}
	if c.foreign(node, name, c.operations.Row(own)) {
		return
	}
	if c.moved(name) || c.moved(conflict.Path) || slices.ContainsFunc(c.connected(name), func(n uint32) bool { return c.moved(c.operations.Path(n)) }) {
		c.unjudged++ // what others did may have been done by names that are not known
		return
	}
	if c.failures >= mostEvidence {
		c.fail(history.Evidence{}) // it counts, and is not kept
		return
	}
	op := c.operations.At(own)
	c.fail(history.Evidence{
		Text: fmt.Sprintf("%s keeps a conflict, %s of %s (%s), although no other client had changed that without its knowledge",
			node, conflict.Operation, name, conflict.Why),
		Operations: []history.Operation{op}, Faults: faultsAround(c.run, op.Invoked, max(op.Invoked, op.Completed)),
	})
}

// judgeReplicas looks for two clients that have changed what the replicas have in conflict without knowing of each other. It returns how much is in
// conflict.
func (c *falseConflicts) judgeReplicas() int {
	judged := map[string]bool{}
	for i := range c.run.Observations {
		o := &c.run.Observations[i]
		if o.Source != history.SourceServer {
			continue
		}
		for _, conflict := range o.Conflicts {
			if judged[conflict.Path] {
				continue
			}
			judged[conflict.Path] = true
			c.judgeReplicated(o.Node, conflict.Path)
		}
	}
	return len(judged)
}

// judgeReplicated judges one name that the replicas have in conflict.
func (c *falseConflicts) judgeReplicated(server, name string) {
	moved := c.moved(name)
	var rows []*history.Row
	var ops []history.Operation
	for _, number := range c.connected(name) {
		moved = moved || c.moved(c.operations.Path(number))
		for _, i := range c.changes.of(number) {
			rows = append(rows, c.operations.Row(int(i)))
			if len(ops) < 3 {
				ops = append(ops, c.operations.At(int(i)))
			}
		}
	}
	switch {
	case c.anyPairUnseen(rows):
	case moved:
		c.unjudged++
	case c.failures >= mostEvidence:
		c.fail(history.Evidence{}) // it counts, and is not kept
	default:
		evidence := history.Evidence{
			Text:       fmt.Sprintf("the replicas have %s in conflict, as on %s, although no two clients changed it without knowing of each other", name, server),
			Operations: ops,
		}
		if len(ops) > 0 {
			evidence.Faults = faultsAround(c.run, ops[0].Invoked, max(ops[0].Invoked, ops[0].Completed))
		}
		c.fail(evidence)
	}
}

// anyPairUnseen says whether two clients made changes without either having seen the other's.
func (c *falseConflicts) anyPairUnseen(rows []*history.Row) bool {
	unseen := func(of, by *history.Row) bool {
		return of.Content == 0 || c.firstSeen(c.operations.Node(by.Worker), of.Content) >= by.Invoked
	}
	for i, one := range rows {
		for _, other := range rows[i+1:] {
			if c.operations.Node(one.Worker) != c.operations.Node(other.Worker) && unseen(one, other) && unseen(other, one) {
				return true
			}
		}
	}
	return false
}

// refused finds the name that a conflict is about, and the node's change that was refused, -1 where there is none. Of several that it can be, the
// first is taken: then most was unknown to the node.
func (c *falseConflicts) refused(node string, conflict *history.Conflict) (name string, own int, known bool) {
	if content, ok := c.operations.FindNonce(conflict.Content); ok {
		if write := c.contents.write(content); write != nil && c.operations.Node(write.Worker) == node {
			return c.operations.Path(write.Path), int(c.contents.writer[content]) - 1, true
		}
	}
	number, ok := c.operations.FindPath(conflict.Path)
	if !ok {
		return "", -1, false
	}
	own = c.firstOwn(node, number)
	for _, other := range c.connected(conflict.Path) {
		if first := c.firstOwn(node, other); own < 0 || first >= 0 && c.operations.Row(first).Invoked < c.operations.Row(own).Invoked {
			own = first // it had another name then
		}
	}
	return conflict.Path, own, true
}

// moved says whether nobody can know the name that something had when it was changed: it is in a directory that was renamed, or that its client has
// forgotten.
func (c *falseConflicts) moved(name string) bool {
	return len(c.groups.moved) > 0 && (strings.HasPrefix(name, "[") || c.groups.below(name))
}

// firstOwn is the node's first change of a name, -1 where there is none.
func (c *falseConflicts) firstOwn(node string, name uint32) int {
	first := -1
	for _, i := range c.changes.of(name) {
		row := c.operations.Row(int(i))
		if c.operations.Node(row.Worker) == node && (first < 0 || row.Invoked < c.operations.Row(first).Invoked) {
			first = int(i)
		}
	}
	return first
}

// foreign says whether another node changed the name, a directory above it or what it holds, and the node did not know when it made its own
// change.
func (c *falseConflicts) foreign(node, name string, own *history.Row) bool {
	for above := path.Dir(name); above != "." && above != "/"; above = path.Dir(above) {
		number, ok := c.operations.FindPath(above)
		if ok && c.unseen(node, number, own.Invoked, true) {
			return true
		}
	}
	// Renames and links carry the reason for a conflict from one name to another.
	for _, number := range c.connected(name) {
		if c.unseen(node, number, own.Invoked, false) {
			return true
		}
	}
	if own.Kind.Writes() || own.Kind == history.Remove || own.Kind == history.Symlink {
		return false // nothing is below it
	}
	for number := range uint32(c.changes.paths()) {
		if strings.HasPrefix(c.operations.Path(number), name+"/") && c.unseen(node, number, own.Invoked, false) {
			return true
		}
	}
	return false
}

// connected are the names that renames and links, of directories too, connect with one, and that one.
func (c *falseConflicts) connected(name string) []uint32 {
	number, ok := c.operations.FindPath(name)
	if !ok {
		return nil
	}
	return append([]uint32{number}, c.groups.connected(number)...)
}

// unseen says whether another node changed a name without the node's knowledge. Of a directory above, what is made of it does not count,
// unless the node made it too.
func (c *falseConflicts) unseen(node string, name uint32, at history.Time, above bool) bool {
	for _, i := range c.changes.of(name) {
		row := c.operations.Row(int(i))
		switch {
		case c.operations.Node(row.Worker) == node:
		case above && row.Kind == history.MakeDirectory && c.firstOwn(node, name) < 0:
		case row.Content == 0 || c.firstSeen(node, row.Content) >= at:
			return true
		}
	}
	return false
}

// firstSeen is when a node first had seen a content, Forever where it never did.
func (c *falseConflicts) firstSeen(node string, content uint32) history.Time {
	if c.known == nil {
		c.known = map[string]map[uint32]history.Time{}
	}
	first := c.known[node]
	if first == nil {
		first = map[uint32]history.Time{}
		for _, row := range c.operations.Rows() {
			if row.Content == 0 || row.Outcome != history.OK || c.operations.Node(row.Worker) != node {
				continue
			}
			if at, ok := first[row.Content]; !ok || row.Completed < at {
				first[row.Content] = row.Completed
			}
		}
		c.known[node] = first
	}
	if at, ok := first[content]; ok {
		return at
	}
	return history.Forever
}
