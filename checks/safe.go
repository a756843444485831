package checks

import (
	pathpkg "path"
	"slices"

	"github.com/codastress/codastress/harness/history"
)

// safe says whether an acknowledged change was certainly on the servers before its client can have lost anything, and taken there: a client that says
// that its modify log is empty may also keep what was refused, and loses that with its disk. What nobody else changed is refused by nobody, unless a
// server has no room or does not allow it.
func (l *lostData) safe(m *history.Row) bool {
	node := l.operations.Node(m.Worker)
	by := l.reached.by(node, m.Completed)
	if by == history.Forever || l.mayBeRefused(m.Invoked, by) {
		return false
	}
	for _, path := range []uint32{m.Path, l.operations.Target(m)} {
		if path != 0 && !l.alone(node, path, by) {
			return false
		}
	}
	return true
}

// mayBeRefused says whether a fault may have made a server refuse what was right: one that cuts nothing does other harm to it. A server that loses its
// disk may lose what no other one has.
func (l *lostData) mayBeRefused(from, by history.Time) bool {
	return slices.ContainsFunc(l.run.Faults, func(fault history.Fault) bool {
		window := fault.Window()
		return fault.Name == "lose-disk-codasrv" || len(fault.Cuts) == 0 && window.From < by && window.To > from
	})
}

// alone says whether a client alone had changed a name by some moment, what can have had that name, and what they are in. Whoever did later without knowing
// was refused himself.
func (l *lostData) alone(node string, path uint32, by history.Time) bool {
	for _, name := range append(l.groups.connected(path), path) {
		for above := l.operations.Path(name); above != "." && above != "/"; above = pathpkg.Dir(above) {
			number, known := l.operations.FindPath(above)
			if !known || int(number) >= l.mutations.paths() {
				continue
			}
			for _, i := range l.mutations.of(number) {
				// A directory may be made by several, at the latest by whoever finds it missing.
				row := l.operations.Row(int(i))
				if row.Invoked <= by && row.Kind != history.MakeDirectory && l.operations.Node(row.Worker) != node {
					return false
				}
			}
		}
	}
	return true
}
