package checks

import (
	"fmt"

	"github.com/codastress/codastress/harness/history"
)

// A state is what is found at a name in the end.
type state struct {
	kind    stateKind
	content uint32 // of a file
	text    string // of a symlink
	unknown bool   // it is a file of which nobody knows whose content it has
	foreign bool   // it is a file with a content that is in no operation
}

type stateKind uint8

const (
	absent stateKind = iota
	file
	emptyFile // made, and not written yet
	directory
	symlink
)

func (s stateKind) String() string {
	return [...]string{"nothing", "a file", "an empty file", "a directory", "a symlink"}[s]
}

// stateOf is the state that an observed object shows.
func (l *lostData) stateOf(object *history.Object) state {
	switch object.Kind {
	case "directory":
		return state{kind: directory}
	case "symlink":
		return state{kind: symlink, text: object.Digest}
	}
	if object.Length == 0 {
		return state{kind: emptyFile}
	}
	nonce := object.Content
	if nonce.IsZero() {
		nonce = l.digests[object.Digest]
	}
	if nonce.IsZero() {
		return state{kind: file, unknown: true}
	}
	content, known := l.operations.FindNonce(nonce)
	return state{kind: file, content: content, foreign: !known}
}

// name judges the final state of one name.
func (l *lostData) name(path uint32, final state) {
	if final.unknown {
		l.doubt("nobody knows whose content %s on %s has", l.operations.Path(path), l.final.Node)
		return
	}
	l.judged++
	name := l.operations.Path(path)
	if final.kind == file {
		why := "a content that nobody wrote"
		if !final.foreign {
			why = l.unexplained(final.content, path)
		}
		if why != "" {
			l.failAt(path, fmt.Sprintf("%s on %s has %s", name, l.final.Node, why), l.rowOf(final.content))
			return
		}
	}
	by, cause := l.explain(path, final)
	if cause < 0 && final.kind != absent {
		l.failAt(path, fmt.Sprintf("%s on %s is %s, and nothing that was done can have made it that", name, l.final.Node, final.kind))
		return
	}
	for _, i := range l.mutations.of(path) {
		m := l.operations.Row(int(i))
		if m.Outcome != history.OK || m.Invoked <= by || !l.changes(m, path) {
			continue
		}
		switch node := l.operations.Node(m.Worker); {
		case l.conflicts.keeps(l, m, path):
			l.kept++
		case l.power.took(l.operations, m):
			l.taken++
		case l.conflicts.pending[node]:
			l.pending++
		case l.overtaken(m, path, final):
			l.late++
		case !l.conflicts.known[node]:
			l.doubt("%s may have kept %s as a conflict: it could not be observed", node, name)
		default:
			l.failAt(path, l.loss(m, name, final), cause, int(i))
			return
		}
	}
}

// overtaken says whether what put the final state there may have come after an acknowledged change, although it was acknowledged before that began: a
// disconnected client's rename is not refused for what others wrote meanwhile, nor is the removal of one of several names of a file, which has the
// content by the others.
func (l *lostData) overtaken(m *history.Row, path uint32, final state) bool {
	for _, i := range l.mutations.of(path) {
		row := l.operations.Row(int(i))
		if l.operations.Node(row.Worker) != l.operations.Node(m.Worker) && (row.Kind == history.Rename || l.groups.shared(path)) &&
			l.puts(row, path, final) {
			return true
		}
	}
	return false
}

// changes says whether a mutation certainly changes what is at a path. A Link does not change what it links to, and a Rename leaves both of two names
// of one file.
func (l *lostData) changes(m *history.Row, path uint32) bool {
	if m.Kind == history.Rename && l.operations.Target(m) != path && l.groups.shared(path) {
		return false
	}
	return m.Kind != history.Link || l.operations.Target(m) == path
}

// loss says in words what became of an acknowledged change.
func (l *lostData) loss(m *history.Row, name string, final state) string {
	node := l.operations.Node(m.Worker)
	removes := m.Kind == history.Remove || m.Kind == history.RemoveDirectory ||
		m.Kind == history.Rename && l.operations.Path(m.Path) == name
	switch {
	case removes:
		return fmt.Sprintf("%s is on %s although its removal on %s was acknowledged, and nobody made it again", name, l.final.Node, node)
	case final.kind == absent:
		return fmt.Sprintf("%s is not on %s although its %s on %s was acknowledged, and nobody removed it", name, l.final.Node, m.Kind, node)
	case final.kind == file && m.Kind.Writes():
		return fmt.Sprintf("%s on %s has an old content: a later write on %s was acknowledged", name, l.final.Node, node)
	}
	return fmt.Sprintf("%s on %s is %s as before its %s on %s, which was acknowledged", name, l.final.Node, final.kind, m.Kind, node)
}

// explain finds by when the final state of a path had certainly been put there, over all that can have put it there, and the last that
// can. The cause is -1 where nothing can; then a name that is absent has always been.
func (l *lostData) explain(path uint32, final state) (by history.Time, cause int) {
	by, cause = -1, -1
	consider := func(i int, at history.Time) {
		if cause < 0 || at > by {
			by, cause = at, i
		}
	}
	for _, i := range l.mutations.of(path) {
		row := l.operations.Row(int(i))
		if l.puts(row, path, final) {
			consider(int(i), l.contents.takenEffect(row))
		}
	}
	if final.kind == file {
		if write := l.contents.write(final.content); write.Path != path && (l.groups.shared(path) || l.groups.undone[path]) {
			consider(l.rowOf(final.content), l.contents.takenEffect(write)) // a file with several names, or with its old one
		}
	}
	return by, cause
}

// puts says whether a mutation can have put a final state at a path.
func (l *lostData) puts(row *history.Row, path uint32, final state) bool {
	arrives := row.Kind == history.Rename || row.Kind == history.Link
	if arrives && l.operations.Target(row) == path {
		return l.brings(row, final)
	}
	switch final.kind {
	case absent:
		return row.Kind == history.Remove || row.Kind == history.RemoveDirectory || row.Kind == history.Rename
	case directory:
		return row.Kind == history.MakeDirectory
	case symlink:
		return row.Kind == history.Symlink && l.operations.Path(l.operations.Target(row)) == final.text
	case emptyFile:
		// Of a write that broke off, only the creation may be there; one that was acknowledged is whole.
		return row.Kind == history.Write && row.Outcome != history.OK
	default:
		return row.Kind.Writes() && row.Content == final.content
	}
}

// brings says whether a rename or a link can have brought a final state to its target.
func (l *lostData) brings(row *history.Row, final state) bool {
	switch final.kind {
	case absent:
		return false
	case directory:
		return row.Kind == history.Rename
	case file:
		write := l.contents.write(final.content)
		if !l.groups.reaches(write.Path, row.Path) {
			return false
		}
		// What was replaced at its own name before the rename began cannot have been moved by it.
		return row.Path != write.Path || l.groups.shared(row.Path) || row.Invoked <= l.replaced(final.content, write.Path)
	}
	return true
}
