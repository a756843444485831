package checks

import "github.com/codastress/codastress/harness/history"

// groups joins the names that renames and links connect: only within a group can a content get from one name to another.
type groups struct {
	parents map[uint32]uint32 // of names that are connected to others
	linked  map[uint32]bool   // groups in which a file may have several names
	moved   map[string]bool   // directories that were renamed, and their new names
}

func newGroups(operations *history.Packed) *groups {
	g := &groups{parents: map[uint32]uint32{}, linked: map[uint32]bool{}, moved: map[string]bool{}}
	var renames, links []*history.Row
	for _, row := range operations.Rows() {
		switch {
		case row.Outcome == history.Failed || row.Kind != history.Rename && row.Kind != history.Link:
			continue
		case row.Kind == history.Link:
			links = append(links, row)
		default:
			renames = append(renames, row)
		}
		g.parents[g.find(row.Path)] = g.find(operations.Target(row))
	}
	for _, row := range links {
		g.linked[g.find(row.Path)] = true
	}
	if len(renames) > 0 {
		g.findMoved(operations, renames)
	}
	return g
}

// findMoved finds the directories among what was renamed.
func (g *groups) findMoved(operations *history.Packed, renames []*history.Row) {
	directories := map[uint32]bool{} // groups of names
	for _, row := range operations.Rows() {
		if row.Kind == history.MakeDirectory && row.Outcome != history.Failed {
			directories[g.find(row.Path)] = true
		}
	}
	for _, row := range renames {
		if directories[g.find(row.Path)] {
			g.moved[operations.Path(row.Path)], g.moved[operations.Path(operations.Target(row))] = true, true
		}
	}
}

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

// same says whether two names are connected.
func (g *groups) same(a, b uint32) bool {
	return a == b || len(g.parents) > 0 && g.find(a) == g.find(b)
}

// shared says whether a file of the name may have other names.
func (g *groups) shared(name uint32) bool { return len(g.linked) > 0 && g.linked[g.find(name)] }

// below says whether a path is in a directory that was renamed: its names were others before.
func (g *groups) below(path string) bool {
	if len(g.moved) == 0 {
		return false
	}
	for i := len(path) - 1; i > 0; i-- {
		if path[i] == '/' && g.moved[path[:i]] {
			return true
		}
	}
	return false
}
