package checks

import (
	"slices"

	"github.com/codastress/codastress/harness/history"
)

// merges are the contents that follow several versions of a file: somebody had found both as a conflict, and put one in their place. What replicas keep
// of what they disagree about is one that nobody has made yet.
type merges struct {
	contents *contents
	of       map[uint32][][]uint32         // by the paths of the versions, those that each follows
	vague    map[string]bool               // what replicas disagree about, and not all of their versions are known
	behind   map[uint32]map[uint32]bool    // what is known of ancestors
	repaired map[string][]history.Conflict // what each node kept until it was repaired
}

func newMerges(run *history.Run, c *contents) *merges {
	m := &merges{
		contents: c, of: map[uint32][][]uint32{}, vague: map[string]bool{}, behind: map[uint32]map[uint32]bool{}, repaired: map[string][]history.Conflict{},
	}
	for _, row := range run.Operations.Rows() {
		if parents := run.Operations.Parents(row); len(parents) > 1 && row.Outcome != history.Failed {
			m.add(row.Path, parents)
		}
	}
	replicas := map[string][]uint32{}
	keep := func(conflict *history.Conflict) {
		content, known := run.Operations.FindNonce(conflict.Content)
		switch {
		case conflict.Operation != history.Inconsistent:
		case content == 0 || !known:
			m.vague[conflict.Path] = true
		default:
			replicas[conflict.Path] = append(replicas[conflict.Path], content)
		}
	}
	for i := range run.Observations {
		for k := range run.Observations[i].Conflicts {
			keep(&run.Observations[i].Conflicts[k])
		}
	}
	for i := range run.Loads {
		load := &run.Loads[i]
		m.repaired[load.Node] = append(m.repaired[load.Node], load.Conflicts...)
		for k := range load.Conflicts {
			keep(&load.Conflicts[k])
		}
	}
	for path, versions := range replicas {
		number, _ := run.Operations.FindPath(path)
		m.add(number, versions)
	}
	return m
}

// add takes in versions that are known to have been there side by side.
func (m *merges) add(path uint32, versions []uint32) {
	paths := []uint32{path}
	for _, version := range versions {
		if write := m.contents.write(version); write != nil && !slices.Contains(paths, write.Path) {
			paths = append(paths, write.Path)
		}
	}
	for _, path := range paths {
		m.of[path] = append(m.of[path], versions)
	}
}

// join says whether a merge follows two contents by different ones of its parents: then both were kept until it was made.
func (m *merges) join(one, other *history.Row) bool {
	for _, path := range []uint32{one.Path, other.Path} {
		if m.vague[m.contents.operations.Path(path)] {
			return true
		}
		for _, parents := range m.of[path] {
			for i, parent := range parents {
				for k, second := range parents {
					if i != k && m.ancestors(parent)[one.Content] && m.ancestors(second)[other.Content] {
						return true
					}
				}
			}
		}
	}
	return false
}

// ancestors are the contents that one follows, by the parents that its writers name, and that one.
func (m *merges) ancestors(of uint32) map[uint32]bool {
	if known := m.behind[of]; known != nil {
		return known
	}
	all := map[uint32]bool{of: true}
	for left := []uint32{of}; len(left) > 0; {
		write := m.contents.write(left[0])
		left = left[1:]
		if write == nil {
			continue
		}
		for _, parent := range m.contents.operations.Parents(write) {
			if !all[parent] {
				all[parent] = true
				left = append(left, parent)
			}
		}
	}
	m.behind[of] = all
	return all
}

// kept says whether the client of a write kept it as a conflict until that was repaired, or kept what it put in its place itself.
func (m *merges) kept(row *history.Row) bool {
	operations := m.contents.operations
	return slices.ContainsFunc(m.repaired[operations.Node(row.Worker)], func(conflict history.Conflict) bool {
		content, known := operations.FindNonce(conflict.Content)
		switch write := m.contents.write(content); {
		case !known || write == nil:
			return conflict.Path == operations.Path(row.Path)
		case content == row.Content:
			return true
		default:
			return write.Path == row.Path && m.contents.by[content] > row.Invoked && operations.Node(write.Worker) == operations.Node(row.Worker)
		}
	})
}
