package checks

import (
	"fmt"
	pathpkg "path"

	"github.com/codastress/codastress/harness/history"
)

// noLostData explains the final tree by the operations. Every content that was acknowledged must be there, or something that took its place, or its client
// keeps it as a conflict (versions); every name must be what somebody made it, and what was made of it and acknowledged must show or can have been
// undone (nameChanges); and no content may be anywhere that the file it was written to cannot have got to. The server's tree counts; without a server, a
// client's.
func noLostData(run *history.Run) history.Verdict {
	l := &lostData{judgement: judge(run, "no-lost-data"), operations: run.Operations}
	if problem := notWhole(run); problem != "" {
		return l.undecided("%s", problem)
	}
	var err error
	if l.contents, err = newContents(run); err != nil {
		return l.undecided("%v", err)
	}
	if !l.chooseFinal() {
		return l.undecided("no tree could be observed")
	}
	l.mutations = rearrangements(l.operations)
	l.groups = newGroups(run)
	l.blackBox = newBlackBox(run, l.mutations, l.groups)
	l.conflicts = newConflicts(run)
	l.power = newPowerLosses(run)
	l.reached = newReintegrations(run)
	l.placings = newPlacings(l.contents)
	l.halves = newHalves(l.operations)
	l.finalContents()
	l.lostContents()
	l.finalNames()
	l.linkedNames()
	l.seenContents()
	if l.pending > 0 {
		l.doubt("%d acknowledged changes are still in the modify logs of clients", l.pending)
	}
	l.figure("names judged", float64(l.judged), "")
	l.figure("names not judged", float64(l.skipped), "")
	if run.Meta.Foreign() {
		l.figure("left open, since clients were at work at the same time", float64(l.blackBox.open), "")
	}
	l.figure("changes kept as conflicts", float64(l.kept), "")
	l.figure("changes that a loss of power may take", float64(l.taken), "")
	return l.verdict("the final state of %s is explained by %s", count(l.judged, "name"), count(l.operations.Len(), "operation"))
}

type lostData struct {
	*judgement
	operations *history.Packed
	contents   *contents
	mutations  *byPath
	groups     *groups
	blackBox   *blackBox
	conflicts  *conflicts
	power      *powerLosses
	reached    *reintegrations
	placings   *placings
	halves     *halves
	accounted  []bool // by content: see versions
	final      *history.Observation
	digests    map[string]history.Nonce // the contents of digests, as clients saw them

	judged, skipped, kept, pending, taken int
}

// chooseFinal chooses the tree that is judged.
func (l *lostData) chooseFinal() bool {
	l.digests = map[string]history.Nonce{}
	for i := range l.run.Observations {
		o := &l.run.Observations[i]
		if o.Error != "" {
			continue
		}
		if l.final == nil || o.Source == history.SourceServer && l.final.Source != history.SourceServer {
			l.final = o
		}
		for k := range o.Objects {
			if object := &o.Objects[k]; !object.Content.IsZero() && object.Digest != "" {
				l.digests[object.Digest] = object.Content
			}
		}
	}
	return l.final != nil
}

// finalContents judges the files of all observed trees by themselves: each must be whole.
func (l *lostData) finalContents() {
	for i := range l.run.Observations {
		o := &l.run.Observations[i]
		inConflict := map[string]bool{} // whoever observed these has looked at the versions below them
		for k := range o.Objects {
			object := &o.Objects[k]
			if object.Kind == history.KindConflict {
				inConflict[object.Path] = true
			}
			if object.Kind != "file" || object.Problem == "" || object.Length == 0 || within(inConflict, object.Path) {
				continue
			}
			path, _ := l.operations.FindPath(object.Path)
			content, _ := l.operations.FindNonce(object.Content)
			switch {
			case object.Digest == "":
				l.doubt("%s on %s could not be read: %s", object.Path, o.Node, object.Problem)
			case history.IsMisplaced(object.Problem) && l.couldMoveTo(content, object.Path):
			case !history.IsMisplaced(object.Problem) && l.isHalf(content, path, o.Time):
			default:
				l.failAt(path, fmt.Sprintf("%s on %s is damaged: %s", object.Path, o.Node, object.Problem), l.rowOf(content))
			}
		}
	}
}

// within says whether a path is below one of some.
func within(some map[string]bool, path string) bool {
	for above := pathpkg.Dir(path); len(some) > 0 && above != "." && above != "/"; above = pathpkg.Dir(above) {
		if some[above] {
			return true
		}
	}
	return false
}

// rowOf is the index of the Write of a content, -1 where there is none.
func (l *lostData) rowOf(content uint32) int { return int(l.contents.writer[content]) - 1 }

// finalNames judges the final state of every name that was ever changed, or that is there.
func (l *lostData) finalNames() {
	objects := make([]int32, l.operations.Paths()) // of each path, plus one
	for i := range l.final.Objects {
		object := &l.final.Objects[i]
		path, known := l.operations.FindPath(object.Path)
		if known {
			objects[path] = int32(i + 1)
		}
		if (!known || len(l.mutations.of(path)) == 0) && object.Kind != "directory" && !l.groups.below(object.Path) && !l.isAlias(object.Path) {
			l.fail(history.Evidence{Text: fmt.Sprintf("%s is on %s, and nobody made it", object.Path, l.final.Node)})
		}
	}
	for path := range uint32(l.mutations.paths()) {
		if len(l.mutations.of(path)) == 0 {
			continue
		}
		if l.groups.below(l.operations.Path(path)) {
			l.skipped++
			continue
		}
		state := state{kind: absent}
		if i := objects[path]; i != 0 {
			if l.final.Objects[i-1].Kind == history.KindConflict {
				l.kept++ // what it is a person has to say
				continue
			}
			state = l.stateOf(&l.final.Objects[i-1])
		}
		l.name(path, state)
	}
}

// isAlias says whether replicas can have made a name beside one that somebody made.
func (l *lostData) isAlias(name string) bool {
	beside, ok := aliasOf(l.run, name)
	path, known := l.operations.FindPath(beside)
	return ok && known && len(l.mutations.of(path)) > 0
}

// linkedNames holds the names against each other that links join and nothing ever parted: they are one file.
func (l *lostData) linkedNames() {
	if len(l.groups.linked) == 0 {
		return
	}
	parted := map[uint32]bool{}
	for path := range uint32(l.mutations.paths()) {
		for _, i := range l.mutations.of(path) {
			row := l.operations.Row(int(i))
			if !row.Kind.Writes() && (row.Kind != history.Link || row.Outcome != history.OK || l.excuse(row, path) != none) {
				parted[l.groups.find(path)] = true
			}
		}
	}
	first := map[uint32]*history.Object{}
	for i := range l.final.Objects {
		object := &l.final.Objects[i]
		path, known := l.operations.FindPath(object.Path)
		if !known || !l.groups.shared(path) || parted[l.groups.find(path)] || l.groups.below(object.Path) {
			continue
		}
		group := l.groups.find(path)
		if other := first[group]; other == nil {
			first[group] = object
		} else if other.Digest != object.Digest || other.Content != object.Content {
			l.failAt(path, fmt.Sprintf("%s and %s are names of one file, and have different contents on %s", other.Path, object.Path, l.final.Node))
		}
	}
}

// failAt fails with some rows as evidence; -1 stands for none.
func (l *lostData) failAt(path uint32, text string, rows ...int) {
	if l.blackBox.disputed(path) {
		return
	}
	if l.failures >= mostEvidence {
		l.fail(history.Evidence{}) // it counts, and is not kept
		return
	}
	evidence := history.Evidence{Text: text}
	var from, to history.Time
	for _, i := range rows {
		if i < 0 {
			continue
		}
		op := l.operations.At(i)
		evidence.Operations = append(evidence.Operations, op)
		from, to = op.Invoked, max(op.Invoked, op.Completed)
	}
	if len(evidence.Operations) == 0 && path != 0 {
		for _, i := range l.mutations.of(path) {
			if len(evidence.Operations) < 2 {
				evidence.Operations = append(evidence.Operations, l.operations.At(int(i)))
			}
		}
	}
	if from != 0 {
		evidence.Faults = faultsAround(l.run, from, to)
	}
	l.fail(evidence)
}
