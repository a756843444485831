package checks

import (
	"cmp"
	pathpkg "path"
	"slices"
	"strings"

	"github.com/codastress/codastress/harness/history"
)

// groups joins the names that renames and links connect: only within a group can a content get from one name to another.
type groups struct {
	parents map[uint32]uint32          // of names that are connected to others
	linked  map[uint32]bool            // groups in which a file may have several names
	next    map[uint32][]uint32        // where a rename or a link can bring what is at a name
	reached map[uint32]map[string]bool // the names that can be reached from one, nil for too many
	deepest int                        // the most slashes in a name
	renamed map[uint32][]uint32        // the names that what has one may have had before or after, or besides
	undone  map[uint32]bool            // what was renamed and may have its old name all the same
	moved   map[string]bool            // what was renamed, and its new names: perhaps directories
	inside  map[string]bool            // what is known of below

	members map[uint32][]uint32 // of each group

	operations *history.Packed
}

func newGroups(run *history.Run) *groups {
	operations := run.Operations
	g := &groups{
		parents: map[uint32]uint32{}, linked: map[uint32]bool{}, moved: map[string]bool{},
		next: map[uint32][]uint32{}, reached: map[uint32]map[string]bool{}, inside: map[string]bool{},
		undone: map[uint32]bool{}, renamed: map[uint32][]uint32{}, operations: operations,
	}
	var links []uint32
	for _, row := range operations.Rows() {
		if row.Outcome == history.OK {
			g.deepest = max(g.deepest, strings.Count(operations.Path(row.Path), "/"), strings.Count(operations.Path(operations.Target(row)), "/"))
		}
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
		g.renamed[row.Path], g.renamed[target] = append(g.renamed[row.Path], target), append(g.renamed[target], row.Path)
	}
	for i := range run.Observations {
		for k := range run.Observations[i].Objects {
			g.deepest = max(g.deepest, strings.Count(run.Observations[i].Objects[k].Path, "/"))
		}
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

// mostReached bounds the search for what can be reached from a name. Where there is more, every name counts as reached.
const mostReached = 1000

// mostDeeper is how much deeper than any name of the record one can have been that nobody ever used. It bounds the search where directories were
// renamed into each other.
const mostDeeper = 4

// reaches says whether what was written to one name may be found at another: they may have been names of one file, by renames and links of it or of the
// directories that it was in, at any time. A client writes by the name that it knows, and the file may have got another one meanwhile.
func (g *groups) reaches(from uint32, to string) bool {
	if g.operations.Path(from) == to {
		return true
	}
	if len(g.next) == 0 {
		return false
	}
	all := g.all(from)
	_, found := all[to]
	return all == nil || found
}

// all are the names of which reaches says so, nil for too many.
func (g *groups) all(from uint32) map[string]bool {
	all, known := g.reached[from]
	if !known {
		all = g.search(g.operations.Path(from), true)
		g.reached[from] = all
	}
	return all
}

// connected are the other names of the record that may have been names of the same file: those of its group, and those that directories carried it to.
func (g *groups) connected(name uint32) []uint32 {
	if g.members == nil {
		g.members = map[uint32][]uint32{}
		for member := range g.next {
			root := g.find(member)
			g.members[root] = append(g.members[root], member)
		}
	}
	names := slices.Clone(g.members[g.find(name)])
	for other := range g.all(name) {
		if number, known := g.operations.FindPath(other); known && number != name {
			names = append(names, number)
		}
	}
	return names
}

// A way is another name to which what is at one may have been brought.
type way struct {
	to      uint32
	carried bool // perhaps only with a directory that it is in, and not by a rename to that very name
}

// ways are the names of a record that what is at one may have been brought to by renames and links that came later. bounded is false where there are too
// many to know.
func (g *groups) ways(from uint32) (ways []way, bounded bool) {
	if len(g.next) == 0 {
		return nil, true
	}
	all := g.search(g.operations.Path(from), false)
	for name, carried := range all {
		if number, known := g.operations.FindPath(name); known && number != from {
			ways = append(ways, way{number, carried})
		}
	}
	slices.SortFunc(ways, func(a, b way) int { return cmp.Compare(a.to, b.to) })
	return ways, all != nil
}

// search finds all names that what is at one may have been brought to, and whether it may have been carried there; nil for too many. With back,
// names that it may have had before, and others of the same file, are found too.
func (g *groups) search(from string, back bool) map[string]bool {
	all := map[string]bool{from: false}
	for left := []string{from}; len(left) > 0; {
		name := left[len(left)-1]
		left = left[:len(left)-1]
		for above := name; above != "." && above != "/"; above = pathpkg.Dir(above) {
			number, known := g.operations.FindPath(above)
			if !known {
				continue
			}
			nexts := g.next[number]
			if above != name || back {
				nexts = g.renamed[number]
			}
			for _, next := range nexts {
				to := g.operations.Path(next) + name[len(above):]
				if strings.Count(to, "/") > g.deepest+mostDeeper {
					continue
				}
				carried, seen := all[to]
				all[to] = carried || above != name
				if !seen {
					left = append(left, to)
				}
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
