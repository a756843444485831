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
	c.merges = newMerges(run, c.contents)
	c.power = newPowerLosses(run)
	c.findRefused()
	c.quotas = newQuotas(run)
	c.findOverQuota()
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
	c.figure("conflicts that a quota has made", float64(c.quotaMade), "")
	if kept+repaired == 0 {
		return c.verdict("no client keeps a conflict")
	}
	if c.quotaMade > 0 {
		return c.verdict("%s kept or repaired, %d since a fault had left no room, and each other after a change by another client", count(kept+repaired, "conflict"), c.quotaMade)
	}
	return c.verdict("%s kept or repaired, each after a change by another client", count(kept+repaired, "conflict"))
}

type falseConflicts struct {
	*judgement
	operations *history.Packed
	contents   *contents
	changes    *byPath
	groups     *groups
	merges     *merges
	power      *powerLosses
	refusals   map[uint32]bool // contents that clients keep, or kept, which changed nothing on a server
	looks      *byPath         // what saw contents; nil until it is asked for
	unjudged   int
	quotas     *quotas
	quotaMade  int
	refusedAt  map[string]map[string]bool         // the names of what each node keeps because of quotas
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
	if c.overQuota(node, name, conflict, c.operations.Row(own)) {
		c.quotaMade++
		return
	}
	if !conflict.OverQuota && c.foreign(node, name, c.operations.Row(own)) { // no change by anybody else makes a quota
		return
	}
	if c.inconsistent(name) {
		return // what the replicas have in conflict takes no change by anybody, and is judged by itself
	}
	if number, _ := c.operations.FindPath(name); c.groups.all(number) == nil {
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
			node, conflict.Operation, name, conflict.Why) + c.history(c.operations.Row(own)),
		Operations: append([]history.Operation{op}, c.behind(own)...), Faults: faultsAround(c.run, op.Invoked, max(op.Invoked, op.Completed)),
	})
}

// behind are the operations that made the versions from which a refused one was edited, the last one first.
func (c *falseConflicts) behind(own int) (made []history.Operation) {
	for len(made) < mostLinks {
		parent := parentOf(c.operations, c.operations.Row(own))
		if parent == 0 || c.contents.write(parent) == nil {
			break
		}
		own = int(c.contents.writer[parent]) - 1
		made = append(made, c.operations.At(own))
	}
	return made
}

// inconsistent says whether the replicas were seen to have in conflict what has a name.
func (c *falseConflicts) inconsistent(name string) bool {
	for i := range c.run.Observations {
		o := &c.run.Observations[i]
		if o.Source == history.SourceServer && slices.ContainsFunc(o.Conflicts, func(conflict history.Conflict) bool {
			return conflict.Operation == history.Inconsistent && conflict.Path == name
		}) {
			return true
		}
	}
	return false
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
	// Renames and links carry the reason for a conflict from one name to another.
	for _, number := range c.connected(name) {
		for above := path.Dir(c.operations.Path(number)); above != "." && above != "/"; above = path.Dir(above) {
			directory, ok := c.operations.FindPath(above)
			if ok && c.unseen(node, directory, own, true) {
				return true
			}
		}
		if c.unseen(node, number, own, false) {
			return true
		}
	}
	if own.Kind.Writes() || own.Kind == history.Remove || own.Kind == history.Symlink {
		return false // nothing is below it
	}
	connected := c.connected(name)
	for number := range uint32(c.changes.paths()) {
		below := slices.ContainsFunc(connected, func(above uint32) bool {
			return strings.HasPrefix(c.operations.Path(number), c.operations.Path(above)+"/")
		})
		if below && c.unseen(node, number, own, false) {
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
func (c *falseConflicts) unseen(node string, name uint32, own *history.Row, above bool) bool {
	cause := c.causes(node, name, own)
	for _, i := range c.changes.of(name) {
		row := c.operations.Row(int(i))
		switch {
		case c.operations.Node(row.Worker) == node:
		case above && row.Kind == history.MakeDirectory && c.firstOwn(node, name) < 0:
		case cause(row):
			return true
		}
	}
	return false
}

// causes returns what says whether a change by another node can be why a node's own was refused: the node did not know of it, and it came before the refusal.
// What a content was edited from was known to whoever edited it. Of a name that was that of one file all the time, so were the versions before any that was
// known, since all that a server took are in one order; and the refusal was over when the node saw a version that does not follow its own.
func (c *falseConflicts) causes(node string, name uint32, own *history.Row) func(*history.Row) bool {
	if own.Content == 0 {
		return func(row *history.Row) bool { return row.Content == 0 || c.firstSeen(node, row.Content) >= own.Invoked }
	}
	behind := c.merges.ancestors(own.Content)
	knows := func(content uint32) bool { return behind[content] || c.firstSeen(node, content) < own.Invoked }
	if !c.isOneFile(name) || len(c.power.dark[node]) > 0 { // what it saw may be what it had forgotten to be older
		return func(row *history.Row) bool { return row.Content == 0 || !knows(row.Content) }
	}
	var newest history.Time
	for _, i := range c.changes.of(name) {
		if row := c.operations.Row(int(i)); row.Content != 0 && c.operations.Node(row.Worker) != node && knows(row.Content) {
			newest = max(newest, row.Invoked)
		}
	}
	refused := c.refusedBy(node, name, own)
	return func(row *history.Row) bool {
		switch {
		case row.Content == 0:
			return true
		case c.refusals[row.Content], knows(row.Content), c.contents.by[row.Content] < newest, row.Invoked > refused:
			return false
		}
		return !c.followsLater(node, row, own)
	}
}

// findRefused notes the contents that servers refused, but for those of files that they may have made all the same.
func (c *falseConflicts) findRefused() {
	c.refusals = map[uint32]bool{}
	c.eachOfClients(func(_ string, conflict *history.Conflict) {
		content, _ := c.operations.FindNonce(conflict.Content)
		if write := c.contents.write(content); write != nil && conflict.Operation != history.Inconsistent && len(c.operations.Parents(write)) > 0 {
			c.refusals[content] = true
		}
	})
}

// eachOfClients calls do for each conflict that a client keeps, or kept until it was repaired.
func (c *falseConflicts) eachOfClients(do func(node string, conflict *history.Conflict)) {
	for i := range c.run.Observations {
		o := &c.run.Observations[i]
		for k := range o.Conflicts {
			if o.Source != history.SourceServer {
				do(o.Node, &o.Conflicts[k])
			}
		}
	}
	for i := range c.run.Loads {
		for k := range c.run.Loads[i].Conflicts {
			do(c.run.Loads[i].Node, &c.run.Loads[i].Conflicts[k])
		}
	}
}

// isOneFile says whether a name was that of one file from its creation on.
func (c *falseConflicts) isOneFile(name uint32) bool {
	if c.groups.shared(name) || c.groups.below(c.operations.Path(name)) || len(c.groups.connected(name)) > 0 {
		return false
	}
	return !slices.ContainsFunc(c.changes.of(name), func(i uint32) bool { return takesAway(c.operations.Row(int(i))) })
}

// refusedBy is by when a node's version had been refused: it saw one that does not follow it. Forever where it did not.
func (c *falseConflicts) refusedBy(node string, name uint32, own *history.Row) history.Time {
	if c.looks == nil {
		c.looks = newByPath(c.operations, false, func(row *history.Row) bool {
			return row.Outcome == history.OK && (row.Kind == history.Read || row.Kind == history.Edit || row.Kind == history.Append)
		})
	}
	by := history.Forever
	for _, i := range c.looks.of(name) {
		row := c.operations.Row(int(i))
		saw := row.Content
		if row.Kind != history.Read {
			saw = parentOf(c.operations, row)
		}
		if c.operations.Node(row.Worker) == node && row.Invoked > own.Completed && own.Completed != 0 && saw != 0 && !c.merges.ancestors(saw)[own.Content] &&
			!c.replacedBy(node, saw, own) {
			by = min(by, row.Completed)
		}
	}
	return by
}

// replacedBy says whether a content follows one that the node itself put in the place of its own without saying what was there before.
func (c *falseConflicts) replacedBy(node string, content uint32, own *history.Row) bool {
	for ancestor := range c.merges.ancestors(content) {
		write := c.contents.write(ancestor)
		if write == nil || c.operations.Node(write.Worker) == node && write.Kind == history.Write && (write.Completed == 0 || write.Completed >= own.Invoked) {
			return true
		}
	}
	return false
}

// followsLater says whether a change follows a version that the node made after its own: that one was sent after its own had been refused.
func (c *falseConflicts) followsLater(node string, row, own *history.Row) bool {
	if own.Completed == 0 {
		return false
	}
	for ancestor := range c.merges.ancestors(row.Content) {
		write := c.contents.write(ancestor)
		if write != nil && write != own && c.operations.Node(write.Worker) == node && write.Invoked > own.Completed && len(c.operations.Parents(write)) < 2 {
			return true
		}
	}
	return false
}

// history says in words from which versions a refused one was edited, "" where it was not.
func (c *falseConflicts) history(own *history.Row) string {
	if own.Content == 0 || parentOf(c.operations, own) == 0 {
		return ""
	}
	return ": it has " + strings.Join(chain(c.contents, own.Content), ", which edited ")
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
			if c.operations.Node(row.Worker) != node {
				continue
			}
			for _, parent := range c.operations.Parents(row) {
				if at, ok := first[parent]; !ok || readBy(row) < at {
					first[parent] = readBy(row)
				}
			}
			if row.Content == 0 || row.Outcome != history.OK {
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
