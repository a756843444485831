package checks

import (
	"github.com/codastress/codastress/harness/history"
)

// nameChanges are the changes of one name, as far as they decide which of them its final state leaves room for. A server takes the changes of a client
// in their order, and those of several in any: what was acknowledged to a client that was cut off may reach it long after what others did later. But it
// takes none that was made for something else than it finds: a removal is of the object that the client had seen there.
type nameChanges struct {
	*lostData
	path  uint32
	final state
	cause int          // the last that can have put the final state there, -1 where nothing can
	by    history.Time // when that had certainly been done
	wrote history.Time // when the final content had certainly been written

	puts     map[string]putting      // what can have put the final state there, of each node
	made     map[string]history.Time // when each node first put anything there
	all      int                     // how often anything was put there
	takes    history.Time            // when names were taken away, the last
	arrivals [2]ending               // when renames and links had brought something, the last two
	taken    [2]beginning            // when names began to be taken away, the first two
}

// putting is what one node did that can have put the final state at a name.
type putting struct {
	by   history.Time // the last of it was certainly done
	seen history.Time // another node had seen it: the server had it then
	over bool         // it may have taken the place of something that was there
}

type ending struct {
	by  history.Time
	row *history.Row
}

type beginning struct {
	at  history.Time
	row *history.Row
}

// changesOf reads the changes of a name.
func (l *lostData) changesOf(path uint32, final state) *nameChanges {
	n := &nameChanges{
		lostData: l, path: path, final: final, cause: -1, by: -1, puts: map[string]putting{}, made: map[string]history.Time{},
		taken: [2]beginning{{at: history.Forever}, {at: history.Forever}},
	}
	for _, i := range l.mutations.of(path) {
		row := l.operations.Row(int(i))
		n.read(row)
		if !l.puts(row, path, final) {
			continue
		}
		maker, seen := row, history.Forever
		if row.Kind.Writes() && final.kind == file {
			maker = n.makerOf(row)
			seen = l.placings.abroad[maker.Content]
		}
		n.put(int(i), maker, seen)
	}
	if final.kind == file {
		n.wrote = l.contents.by[final.content]
		// A file with several names, or with its old one.
		if write := l.contents.write(final.content); write.Path != path && (l.groups.shared(path) || l.groups.undone[path]) {
			n.put(l.rowOf(final.content), write, history.Forever)
		}
	}
	return n
}

// makerOf is the write that made the file of a content: the first of those that were edited one after the other until there was this one.
func (n *nameChanges) makerOf(row *history.Row) *history.Row {
	for range n.operations.Nonces() {
		parent := n.contents.write(parentOf(n.operations, row))
		if parent == nil || parent.Path != n.path {
			break
		}
		row = parent
	}
	return row
}

// put notes that a change can have put the final state there, for which a row stands.
func (n *nameChanges) put(i int, row *history.Row, seen history.Time) {
	by, node := n.contents.takenEffect(row), n.operations.Node(row.Worker)
	over := row.Kind == history.Rename
	if before, again := n.puts[node]; again {
		n.puts[node] = putting{max(by, before.by), max(seen, before.seen), over || before.over}
	} else {
		n.puts[node] = putting{by, seen, over}
	}
	if by > n.by || n.cause < 0 {
		n.by, n.cause = by, i
	}
}

// read takes in what a change did to the name.
func (n *nameChanges) read(row *history.Row) {
	ended := n.contents.takenEffect(row)
	arrives := arrivesAt(n.operations, row, n.path)
	if arrives {
		n.arrivals = later(n.arrivals, ending{ended, row})
	}
	switch {
	case takesAway(row) && !arrives:
		n.takes = max(n.takes, ended)
		if row.Invoked < n.taken[0].at {
			n.taken = [2]beginning{{row.Invoked, row}, n.taken[0]}
		} else if row.Invoked < n.taken[1].at {
			n.taken[1] = beginning{row.Invoked, row}
		}
	case arrives || row.Kind != history.Link:
		n.all++
		node := n.operations.Node(row.Worker)
		if first, ok := n.made[node]; !ok || row.Invoked < first {
			n.made[node] = row.Invoked
		}
	}
}

// later keeps the last two endings.
func later(two [2]ending, one ending) [2]ending {
	switch {
	case one.by > two[0].by:
		return [2]ending{one, two[0]}
	case one.by > two[1].by:
		two[1] = one
	}
	return two
}

// arrivesAt says whether a rename or a link puts something at a path.
func arrivesAt(operations *history.Packed, row *history.Row, path uint32) bool {
	return (row.Kind == history.Rename || row.Kind == history.Link) && operations.Target(row) == path
}

// takesAway says whether a change takes the name away that is its path.
func takesAway(row *history.Row) bool {
	return row.Kind == history.Remove || row.Kind == history.RemoveDirectory || row.Kind == history.Rename
}

// allows says whether the final state leaves room for an acknowledged change.
func (n *nameChanges) allows(m *history.Row) bool {
	arrives := arrivesAt(n.operations, m, n.path)
	switch {
	case takesAway(m) && !arrives:
		return n.final.kind == absent || n.putAfter(m)
	case n.final.kind == absent && m.Kind.Writes():
		// What became of its content is judged by itself. It may have been written to a file that another client had renamed.
		return n.takes != 0 || n.arrivals[0].row != nil || !n.accounted[m.Content]
	case n.final.kind == absent:
		return n.takes > m.Invoked
	case m.Kind.Writes(), n.lostData.puts(m, n.path, n.final):
		return true
	}
	last := n.arrivals[0]
	if last.row == m {
		last = n.arrivals[1]
	}
	return max(n.takes, last.by) > m.Invoked || arrives && n.wrote > m.Invoked
}

// putAfter says whether the final state can have come after something was taken away. Where it was certainly put there before, that can have
// been a put that reached the server later, if there was something else that can have been taken away.
func (n *nameChanges) putAfter(m *history.Row) bool {
	if m.Invoked <= n.by {
		return true
	}
	node := n.operations.Node(m.Worker)
	for by, put := range n.puts {
		if by != node && put.seen > m.Invoked && n.another(m, by, put) {
			return true
		}
	}
	return false
}

// another says whether there was something else at the name than what a node had put there, when a change took it away.
func (n *nameChanges) another(m *history.Row, node string, put putting) bool {
	if put.over && n.all > 1 {
		return true // what it replaced
	}
	for other, first := range n.made {
		if other != node && first < max(m.Completed, m.Invoked+1) {
			return true
		}
	}
	taken := n.taken[0]
	if taken.row == m {
		taken = n.taken[1]
	}
	return taken.at < put.by
}
