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

// name judges the final state of one name. What became of contents is judged by themselves: here it is about names that were made, given and taken.
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
	n := l.changesOf(path, final)
	if n.cause < 0 && final.kind != absent {
		l.failAt(path, fmt.Sprintf("%s on %s is %s, and nothing that was done can have made it that", name, l.final.Node, final.kind))
		return
	}
	for _, i := range l.mutations.of(path) {
		m := l.operations.Row(int(i))
		if m.Outcome == history.OK && l.changes(m, path) && !n.allows(m) && !l.excused(m, path) {
			l.failAt(path, l.loss(m, name, final), n.cause, int(i))
			return
		}
	}
}

// changes says whether a mutation certainly changes what is at a path. A Link does not change what it links to, and a Rename leaves both of two names
// of one file.
func (l *lostData) changes(m *history.Row, path uint32) bool {
	switch m.Kind {
	case history.Rename:
		return !l.groups.shared(path)
	case history.Link:
		return l.operations.Target(m) == path
	}
	return true
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
	}
	return fmt.Sprintf("%s on %s is %s as before its %s on %s, which was acknowledged", name, l.final.Node, final.kind, m.Kind, node)
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
		// Of a write that broke off only the creation may be there, or of one that is kept as a conflict.
		return row.Kind == history.Write
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
		return l.groups.reaches(l.contents.write(final.content).Path, l.operations.Path(row.Path))
	}
	return true
}
