package checks

import (
	"fmt"
	"slices"

	"github.com/codastress/codastress/harness/history"
)

// seenContents judges what was seen of contents during the run: each must be whole and somebody must have written it there.
func (l *lostData) seenContents() {
	for i, row := range l.operations.Rows() {
		if row.Kind == history.Append || row.Kind == history.Edit {
			l.editedContent(i, row)
			continue
		}
		if (row.Kind != history.Read && row.Kind != history.Page) || row.Outcome != history.OK {
			continue
		}
		if row.Content == 0 && row.Length == 0 {
			l.emptyRead(i, row)
			continue
		}
		problem := l.operations.Problem(row)
		if problem != "" && !history.IsMisplaced(problem) && l.isHalf(row.Content, row.Path, row.Completed) {
			continue
		}
		if problem != "" && (!history.IsMisplaced(problem) || !l.couldMove(row.Content, row.Path)) {
			op := l.operations.At(i)
			l.failReads(i, row, fmt.Sprintf("%s saw a damaged content: %s", describe(&op), problem))
			continue
		}
		if why := l.unexplained(row.Content, row.Path); why != "" {
			op := l.operations.At(i)
			l.failReads(i, row, fmt.Sprintf("%s saw %s", describe(&op), why))
		}
	}
}

// editedContent judges what was there before an edit.
func (l *lostData) editedContent(i int, row *history.Row) {
	problem, parents := l.operations.Problem(row), l.operations.Parents(row)
	if history.IsEmpty(problem) || len(parents) == 0 && problem == "" {
		return
	}
	was := uint32(0)
	if len(parents) > 0 {
		was = parents[0]
	}
	if problem != "" && !history.IsMisplaced(problem) && l.isHalf(was, row.Path, readBy(row)) {
		return
	}
	why := ""
	if len(parents) > 0 {
		why = l.unexplained(parents[0], row.Path)
	}
	if problem != "" && (!history.IsMisplaced(problem) || why != "") {
		why = "a damaged content: " + problem
	}
	if why != "" {
		op := l.operations.At(i)
		l.failReads(i, row, fmt.Sprintf("%s saw %s", describe(&op), why))
	}
}

// isHalf says whether what is wrong with a content that was seen can be the work of a write that was refused.
func (l *lostData) isHalf(content, path uint32, seen history.Time) bool {
	return l.halves.damages(content, seen, append(l.groups.connected(path), path)...)
}

// emptyRead judges a file that was seen without any content. A file is there, and empty, from its creation until its first content arrives, which may never
// happen; and its directory may have got another name meanwhile.
func (l *lostData) emptyRead(i int, row *history.Row) {
	if l.madeBefore(row.Path, row.Completed) || l.groups.all(row.Path) == nil {
		return
	}
	for _, other := range l.groups.connected(row.Path) {
		if l.madeBefore(other, row.Completed) {
			return
		}
	}
	op := l.operations.At(i)
	l.failReads(i, row, describe(&op)+" saw an empty file that nobody had made")
}

// madeBefore says whether a name may have been made before some moment.
func (l *lostData) madeBefore(path uint32, moment history.Time) bool {
	return slices.ContainsFunc(l.mutations.of(path), func(at uint32) bool {
		m := l.operations.Row(int(at))
		return m.Invoked < moment && m.Kind != history.Remove
	})
}

func (l *lostData) failReads(i int, row *history.Row, text string) {
	if (row.Content == 0 || l.operations.Problem(row) != "") && (l.blackBox.meanwhile(row) || l.blackBox.disputed(row.Path)) {
		return
	}
	evidence := history.Evidence{Text: text, Faults: faultsAround(l.run, row.Invoked, row.Completed)}
	if w := l.contents.writer[row.Content]; w != 0 {
		evidence.Operations = append(evidence.Operations, l.operations.At(int(w-1)))
	}
	evidence.Operations = append(evidence.Operations, l.operations.At(i))
	l.fail(evidence)
}

// unexplained says why a content cannot be what somebody wrote to a path, "" where it can.
func (l *lostData) unexplained(content, path uint32) string {
	write := l.contents.write(content)
	switch {
	case write == nil:
		return "a content that nobody wrote"
	case write.Outcome == history.Failed:
		return "the content of a write that had failed"
	case !l.couldMove(content, path):
		return "a content that was written to " + l.operations.Path(write.Path)
	}
	return ""
}

// couldMove says whether renames and links could bring a content from where it was written to a path.
func (l *lostData) couldMove(content, path uint32) bool {
	return l.couldMoveTo(content, l.operations.Path(path))
}

func (l *lostData) couldMoveTo(content uint32, path string) bool {
	write := l.contents.write(content)
	if beside, ok := aliasOf(l.run, path); ok && write != nil && l.groups.reaches(write.Path, beside) {
		return true
	}
	return write != nil && l.groups.reaches(write.Path, path)
}
