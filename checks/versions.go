package checks

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/codastress/codastress/harness/history"
)

// versions accounts for the contents that were acknowledged. A content is accounted for when it is in the final tree, or when something that is
// accounted for took its place: an edit that read it, a write that replaced whatever was there and ended after it began, or the removal of a name
// that it could have. So the account goes from the final tree and the removals back to what these had before them. In which order the
// changes of several clients reached the server nobody knows, and nobody has to.
type versions struct {
	*lostData
	writes    *byPath             // that did not fail, of each path by their begin
	next      []int               // of each path the first write that is not accounted for
	before    []history.Time      // of each path: what was written to it before that is accounted for
	places    map[uint32][]uint32 // of a content that was no edit: the other paths at which its file was known to be
	sources   map[uint32][]way    // from which other paths contents can come to one
	anywhere  []uint32            // from which contents can come to more paths than are looked at
	accounted []bool              // by content
	final     map[uint32]bool     // the contents of the final tree
	left      []uint32            // contents of which is still to be looked what they replaced
	merges    *merges
	told      map[uint32]bool // the paths of which a loss is told

	separations []separation
}

// lostContents finds the acknowledged contents that no way from the final tree leads back to.
func (l *lostData) lostContents() {
	v := &versions{
		lostData: l, sources: map[uint32][]way{}, places: map[uint32][]uint32{}, accounted: make([]bool, l.operations.Nonces()), final: map[uint32]bool{},
		merges: newMerges(l.run, l.contents), told: map[uint32]bool{},
		writes: newByPath(l.operations, false, func(row *history.Row) bool { return row.Kind.Writes() && row.Outcome != history.Failed }),
	}
	v.next, v.before = make([]int, v.writes.paths()), make([]history.Time, v.writes.paths())
	v.sortWrites()
	v.findPlaces()
	v.startFromRemovals()
	unknown := v.startFromTheEnd()
	v.goBack()
	l.accounted = v.accounted
	for i, row := range l.operations.Rows() {
		if !row.Kind.Writes() || row.Outcome != history.OK || row.Content == 0 || v.accounted[row.Content] {
			continue
		}
		// It is told elsewhere that nobody knows what is there.
		mayBeThere := slices.ContainsFunc(unknown, func(name string) bool { return l.groups.reaches(row.Path, name) })
		if !mayBeThere && !v.removedMeanwhile(row) && !v.excused(row, row.Path) {
			v.told[row.Path] = true
			l.failAt(row.Path, v.loss(row), v.inItsPlace(row), i)
		}
	}
	v.forks()
	v.separations = newApart(l.run).separations()
	v.unheard()
	v.succession()
}

// sortWrites puts the writes of each path in the order of their begin, and looks where else their contents can come.
func (v *versions) sortWrites() {
	byBegin := func(a, b uint32) int {
		return cmp.Compare(v.operations.Row(int(a)).Invoked, v.operations.Row(int(b)).Invoked)
	}
	for path := range uint32(v.writes.paths()) {
		rows := v.writes.of(path)
		if len(rows) == 0 {
			continue
		}
		if !slices.IsSortedFunc(rows, byBegin) {
			slices.SortFunc(rows, byBegin)
		}
		ways, bounded := v.groups.ways(path)
		if !bounded {
			v.anywhere = append(v.anywhere, path)
		}
		for _, w := range ways {
			v.sources[w.to] = append(v.sources[w.to], way{path, w.carried})
		}
	}
}

// findPlaces notes where the files of contents are known to have been: where any of the contents was written or seen that were edited one after the other.
func (v *versions) findPlaces() {
	for i := range v.run.Observations {
		o := &v.run.Observations[i]
		for k := range o.Objects {
			path, known := v.operations.FindPath(o.Objects[k].Path)
			if content := v.stateOf(&o.Objects[k]).content; known && content != 0 {
				v.placings.see(content, path, v.placings.by[content], history.Forever)
			}
		}
	}
	first := make([]uint32, v.operations.Nonces()) // of the contents that were edited until there was one
	for content := range uint32(len(first)) {
		write := v.contents.write(content)
		if write == nil {
			continue
		}
		root := v.firstOf(first, content)
		for _, path := range append(v.placings.seen[content], write.Path) {
			if path != v.placings.written[root] && !slices.Contains(v.places[root], path) {
				v.places[root] = append(v.places[root], path)
			}
		}
	}
}

// firstOf is the first of the contents that were edited one after the other until there was one. What was found before is in known.
func (v *versions) firstOf(known []uint32, content uint32) uint32 {
	var passed []uint32
	for known[content] == 0 {
		passed = append(passed, content)
		known[content] = content // where edits go round in a circle, which only a wrong record has
		write := v.contents.write(content)
		if write == nil {
			break
		}
		parent := parentOf(v.operations, write)
		if parent == 0 {
			break
		}
		content = parent
	}
	root := known[content]
	for _, one := range passed {
		known[one] = root
	}
	return root
}

// startFromTheEnd accounts for the contents of the final tree, and for those that replicas keep of what they disagree about, and gives the names whose
// contents nobody knows.
func (v *versions) startFromTheEnd() (unknown []string) {
	final := v.lostData.final
	for i := range final.Objects {
		switch s := v.stateOf(&final.Objects[i]); {
		case s.unknown:
			unknown = append(unknown, final.Objects[i].Path)
		case s.content != 0:
			v.final[s.content] = true
			v.account(s.content)
		}
	}
	for _, nonce := range v.conflicts.replicas {
		if content, known := v.operations.FindNonce(nonce); known {
			v.account(content)
		}
	}
	return unknown
}

// startFromRemovals accounts for what removals and renames took away. A rename takes away what was at its new name, but not what it brings: of what came
// to a name by renames, the last but one has taken away what was there before.
func (v *versions) startFromRemovals() {
	for path := range uint32(v.mutations.paths()) {
		var last, lastButOne, removed history.Time
		for _, i := range v.mutations.of(path) {
			row := v.operations.Row(int(i))
			switch ended := v.contents.takenEffect(row); {
			case row.Kind == history.Remove:
				removed = max(removed, ended)
			case row.Kind != history.Rename || v.operations.Target(row) != path:
			case ended > last:
				last, lastButOne = ended, last
			default:
				lastButOne = max(lastButOne, ended)
			}
		}
		if last != 0 || removed != 0 {
			v.replaced(path, max(removed, last), max(removed, lastButOne))
		}
	}
}

// replaced notes by when what was written to a path, and what came there from others, may have been replaced.
func (v *versions) replaced(path uint32, own, come history.Time) {
	v.advance(path, own)
	for _, from := range v.sources[path] {
		if from.carried {
			v.advance(from.to, own)
		} else {
			v.advance(from.to, come)
		}
	}
	for _, from := range v.anywhere {
		v.advance(from, own)
	}
}

// advance accounts for what was written to a path before a moment.
func (v *versions) advance(path uint32, before history.Time) {
	if before <= v.before[path] {
		return
	}
	v.before[path] = before
	rows := v.writes.of(path)
	for ; v.next[path] < len(rows); v.next[path]++ {
		row := v.operations.Row(int(rows[v.next[path]]))
		if row.Invoked >= before {
			return
		}
		v.account(row.Content)
	}
}

// account notes that a content is accounted for.
func (v *versions) account(content uint32) {
	if !v.accounted[content] {
		v.accounted[content] = true
		v.left = append(v.left, content)
	}
}

// goBack accounts for what the contents replaced that are accounted for.
func (v *versions) goBack() {
	for len(v.left) > 0 {
		content := v.left[len(v.left)-1]
		v.left = v.left[:len(v.left)-1]
		write := v.contents.write(content)
		if write == nil {
			continue
		}
		if parent := parentOf(v.operations, write); parent != 0 {
			v.account(parent)
			continue
		}
		for _, path := range append(v.places[content], write.Path) {
			v.replaced(path, v.contents.by[content], v.contents.by[content])
		}
	}
}

// parentOf is the content that an edit read and changed. It is 0 for a write that replaced whatever was there, or that broke off before it could tell.
func parentOf(operations *history.Packed, row *history.Row) uint32 {
	if row.Kind == history.Write {
		return 0
	}
	for _, parent := range operations.Parents(row) {
		return parent
	}
	return 0
}

// removedMeanwhile says whether the file of an edit may have been removed while it was open: another client had removed it already, and that had not
// come to this one when it opened the file. What is written to a removed file goes with it, as it does on a local file system.
func (v *versions) removedMeanwhile(row *history.Row) bool {
	if parentOf(v.operations, row) == 0 {
		return false
	}
	ways, bounded := v.groups.ways(row.Path)
	for _, w := range append(ways, way{to: row.Path}) {
		for _, i := range v.mutations.of(w.to) {
			take := v.operations.Row(int(i))
			takes := take.Kind == history.Remove || take.Kind == history.Rename && v.operations.Target(take) == w.to
			if takes && take.Invoked < row.Completed && v.operations.Node(take.Worker) != v.operations.Node(row.Worker) {
				return true
			}
		}
	}
	return !bounded
}

// inItsPlace is the write of what is in the end at the path of a lost content, -1 where there is nothing of that kind.
func (v *versions) inItsPlace(row *history.Row) int {
	name := v.operations.Path(row.Path)
	i, there := slices.BinarySearchFunc(v.lostData.final.Objects, name, func(o history.Object, name string) int { return cmp.Compare(o.Path, name) })
	if !there {
		return -1
	}
	return v.rowOf(v.stateOf(&v.lostData.final.Objects[i]).content)
}

// loss says in words what became of an acknowledged content.
func (v *versions) loss(row *history.Row) string {
	name, node, server := v.operations.Path(row.Path), v.operations.Node(row.Worker), v.lostData.final.Node
	there := v.inItsPlace(row)
	switch {
	case there < 0:
		return fmt.Sprintf("%s is not on %s although its %s on %s was acknowledged, and nobody removed or replaced it", name, server, row.Kind, node)
	case v.contents.by[v.operations.Row(there).Content] < row.Invoked:
		return fmt.Sprintf("%s on %s has an old content: a later %s on %s was acknowledged", name, server, row.Kind, node)
	}
	return fmt.Sprintf("%s on %s has a content that did not follow on the %s of %s, which was acknowledged", name, server, row.Kind, node)
}

// stands says whether the server must have taken an edit, or something that its client put in its place. Others are lost by themselves.
func (v *versions) stands(i int) bool {
	row := v.operations.Row(i)
	return v.accounted[row.Content] && !v.cancelled(row) && v.excuse(row, row.Path) == none && !v.merges.kept(row)
}

// cancelled says whether a client took away itself what it had edited, or tried to. It removes what it believes to be the last name of a file without
// having sent the edit; the server may know of another name, and then takes nothing away but the one.
func (v *versions) cancelled(row *history.Row) bool {
	ways, bounded := v.groups.ways(row.Path)
	if !bounded {
		return true
	}
	names := 1 // that the client gave the file
	for _, w := range append(ways, way{to: row.Path}) {
		for _, i := range v.mutations.of(w.to) {
			m := v.operations.Row(int(i))
			switch {
			case v.operations.Node(m.Worker) != v.operations.Node(row.Worker):
			case m.Kind == history.Link && m.Path == w.to && m.Outcome == history.OK:
				names++
			case m.Kind == history.Remove || m.Kind == history.Rename && v.operations.Target(m) == w.to:
				if m.Outcome != history.OK || v.excuse(m, w.to) != none {
					return true
				}
				names--
			}
		}
	}
	return names < 1
}
