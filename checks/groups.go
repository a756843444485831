package checks

import (
	pathpkg "path"

	"github.com/codastress/codastress/harness/history"
)

// groups joins the names that renames and links connect: only within a group can a content get from one name to another.
type groups struct {
	parents map[uint32]uint32          // of names that are connected to others
	linked  map[uint32]bool            // groups in which a file may have several names
	next    map[uint32][]uint32        // where a rename or a link can bring what is at a name
	reached map[uint32]map[uint32]bool // the names that can be reached from one, nil for too many
	undone  map[uint32]bool            // what was renamed and may have its old name all the same
	moved   map[string]bool            // what was renamed, and its new names: perhaps directories
	inside  map[string]bool            // what is known of below

	operations *history.Packed
}

func newGroups(run *history.Run) *groups {
	operations := run.Operations
	g := &groups{
		parents: map[uint32]uint32{}, linked: map[uint32]bool{}, moved: map[string]bool{},
		next: map[uint32][]uint32{}, reached: map[uint32]map[uint32]bool{}, inside: map[string]bool{},
		undone: map[uint32]bool{}, operations: operations,
	}
	var links []uint32
	for _, row := range operations.Rows() {
		if row.Outcome == history.Failed || row.Kind != history.Rename && row.Kind != history.Link {
			continue
		}
		target := operations.Target(row)
		g.parents[g.find(row.Path)] = g.find(target)
		g.next[row.Path] = append(g.next[row.Path], target)
		back := g.next[target] // every name has an entry
		if row.Kind == history.Link {
			back = append(back, row.Path) // what is written by the new name is there by the old one too
			links = append(links, target)
		} else {
			g.moved[operations.Path(row.Path)], g.moved[operations.Path(target)] = true, true
		}
		g.next[target] = back
	}
	for _, name := range links {
		g.linked[g.find(name)] = true
	}
	g.addUndone(run)
	return g
}

// addUndone takes in that a rename between two names of one file leaves both as they are, and that of a rename that is kept as a conflict only what the
// client wrote by the new name afterwards may have arrived, by the old one.
func (g *groups) addUndone(run *history.Run) {
	refused := map[string]bool{} // nodes with a rename among the conflicts
	for i := range run.Observations {
		for _, conflict := range run.Observations[i].Conflicts {
			refused[run.Observations[i].Node] = refused[run.Observations[i].Node] || conflict.Operation == "rename"
		}
	}
	if len(g.linked) == 0 && len(refused) == 0 {
		return
	}
	operations := run.Operations
	for _, row := range operations.Rows() {
		if row.Kind == history.Rename && row.Outcome != history.Failed && (g.shared(row.Path) || refused[operations.Node(row.Worker)]) {
			target := operations.Target(row)
			g.next[target] = append(g.next[target], row.Path)
			g.undone[row.Path] = true
		}
	}
}

// find is the name that stands for a group.
func (g *groups) find(name uint32) uint32 {
	for {
		parent, ok := g.parents[name]
		if !ok || parent == name {
			return name
		}
		if above, ok := g.parents[parent]; ok {
			g.parents[name] = above // halves the way for the next time
		}
		name = parent
	}
}

// mostReached bounds the search for what can be reached from a name. Where there is more, everything that is connected counts as reached.
const mostReached = 1000

// reaches says whether what is at one name may have been brought to another.
func (g *groups) reaches(from, to uint32) bool {
	if from == to {
		return true
	}
	if len(g.moved) > 0 && (g.below(g.operations.Path(from)) || g.below(g.operations.Path(to))) {
		return true // with its directory
	}
	if len(g.parents) == 0 || g.find(from) != g.find(to) {
		return false
	}
	all, known := g.reached[from]
	if !known {
		all = g.search(from)
		g.reached[from] = all
	}
	return all == nil || all[to]
}

func (g *groups) search(from uint32) map[uint32]bool {
	all := map[uint32]bool{from: true}
	for left := []uint32{from}; len(left) > 0; {
		name := left[len(left)-1]
		left = left[:len(left)-1]
		for _, next := range g.next[name] {
			if !all[next] {
				all[next] = true
				left = append(left, next)
			}
		}
		if len(all) > mostReached {
			return nil
		}
	}
	return all
}

// shared says whether a file of the name may have other names.
func (g *groups) shared(name uint32) bool { return len(g.linked) > 0 && g.linked[g.find(name)] }

// below says whether a path is in a directory that was renamed: its names were others before.
func (g *groups) below(path string) bool {
	if len(g.moved) == 0 {
		return false
	}
	directory := pathpkg.Dir(path)
	if directory == "." || directory == "/" {
		return false
	}
	inside, known := g.inside[directory]
	if !known {
		inside = g.moved[directory] || g.below(directory)
		g.inside[directory] = inside
	}
	return inside
}
