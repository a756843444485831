package checks

import (
	"cmp"
	"fmt"
	"slices"
	"syscall"

	"github.com/codastress/codastress/harness/history"
)

// sessionReads looks at what each client saw of each file, one after the other: a read must not see a content that certainly had been in
// place before that began which the client had written itself, or had seen, nor one that it had seen before it saw another. What it wrote itself survives a
// restart of its daemon; of what it only saw, nothing is demanded then. Names with conflicts, renames or links are left out, since there a client may rightly go back.
func sessionReads(run *history.Run) history.Verdict {
	s := &sessions{judgement: judge(run, "session-reads"), operations: run.Operations}
	if !run.Meta.Consistency.Sessions() {
		return s.skipped("%s does not promise it", run.Meta.Consistency)
	}
	if problem := notWhole(run); problem != "" {
		return s.undecided("%s", problem)
	}
	var err error
	if s.contents, err = newContents(run); err != nil {
		return s.undecided("%v", err)
	}
	s.foreign, s.zoneOf = run.Meta.Foreign(), make([]int32, s.operations.Nonces())
	s.still = run.Standstills()
	s.conflicts = newConflicts(run)
	s.power = newPowerLosses(run)
	s.groups = newGroups(run)
	changes := rearrangements(s.operations)
	s.blackBox = newBlackBox(run, changes, s.groups)
	all := newByPath(s.operations, false, func(row *history.Row) bool { return row.Kind != history.List })
	s.nodes, s.nodeOf = nodesOf(s.operations)
	s.perNode = make([][]uint32, len(s.nodes))
	for path := range uint32(all.paths()) {
		if rows := all.of(path); len(rows) > 1 {
			s.path(path, rows, changes.of(path))
		}
	}
	s.figure("reads judged", float64(s.reads), "")
	return s.verdict("none of %s went back", count(s.reads, "read"))
}

type sessions struct {
	*judgement
	operations *history.Packed
	contents   *contents
	still      map[string]history.Intervals
	conflicts  *conflicts
	power      *powerLosses
	groups     *groups
	blackBox   *blackBox
	nodes      []string
	nodeOf     []uint32   // of each worker, in nodes
	perNode    [][]uint32 // rows of one path, kept for the next
	completed  []uint32   // likewise
	seen       []zone     // of what one client saw of one path, kept for the next
	zoneOf     []int32    // of each content, its number in seen, plus one
	foreign    bool
	reads      int
}

// nodesOf lists the nodes, and for each worker which it is on.
func nodesOf(operations *history.Packed) (nodes []string, nodeOf []uint32) {
	numbers := map[string]uint32{}
	for worker := range operations.Workers() {
		node := operations.Node(uint32(worker))
		number, ok := numbers[node]
		if !ok {
			number = uint32(len(nodes))
			numbers[node] = number
			nodes = append(nodes, node)
		}
		nodeOf = append(nodeOf, number)
	}
	return nodes, nodeOf
}

// path judges one name on all clients.
func (s *sessions) path(path uint32, rows, changes []uint32) {
	if s.conflicts.about(s.contents, path) || s.groups.below(s.operations.Path(path)) {
		return
	}
	f := sessionFile{path: path, removed: history.Forever}
	for _, i := range changes {
		m := s.operations.Row(int(i))
		switch m.Kind {
		case history.Rename, history.Link:
			return
		case history.Remove, history.RemoveDirectory:
			f.removed = min(f.removed, m.Invoked)
		case history.Write, history.Append, history.Edit:
			f.broken = f.broken || m.Outcome != history.OK
		}
	}
	for _, i := range rows {
		node := s.nodeOf[s.operations.Row(int(i)).Worker]
		s.perNode[node] = append(s.perNode[node], i)
	}
	for node, rows := range s.perNode {
		if len(rows) > 1 {
			s.session(&f, s.nodes[node], rows)
		}
		s.perNode[node] = rows[:0]
	}
}

// sessionFile is what is known of one name.
type sessionFile struct {
	path    uint32
	removed history.Time // when the first removal of it began
	broken  bool         // some write of it may have broken off
}

// A mark is the newest that a client is known to have seen or done: whatever certainly was over before it began is older.
type mark struct {
	began history.Time // -1 for none
	row   int          // where it was seen or done
	seen  bool         // by a read; otherwise by the client's own change
	at    history.Time // when the client knew it
}

// session judges what one client saw of one name.
func (s *sessions) session(f *sessionFile, node string, rows []uint32) {
	slices.SortFunc(rows, func(a, b uint32) int {
		return cmp.Compare(s.operations.Row(int(a)).Invoked, s.operations.Row(int(b)).Invoked)
	})
	s.completed = append(s.completed[:0], rows...)
	slices.SortFunc(s.completed, func(a, b uint32) int {
		return cmp.Compare(s.operations.Row(int(a)).Completed, s.operations.Row(int(b)).Completed)
	})
	own, seen := mark{began: -1}, mark{began: -1}
	next := 0
	for _, i := range rows {
		row := s.operations.Row(int(i))
		for ; next < len(s.completed); next++ {
			before := s.operations.Row(int(s.completed[next]))
			if before.Completed >= row.Invoked {
				break
			}
			s.learn(&own, &seen, node, int(s.completed[next]), before)
		}
		if seen.began >= 0 && s.still[node].Overlap(history.Interval{From: seen.at, To: max(row.Invoked, row.Completed)}) > 0 {
			seen = mark{began: -1} // its daemon may have been another one since
		}
		newest := own
		if seen.began > own.began {
			newest = seen
		}
		s.judgeRead(f, node, int(i), row, newest)
	}
	s.judgeOrder(node, rows)
}

// shows says whether an operation of a client shows which content was there.
func (s *sessions) shows(node string, row *history.Row) bool {
	write := s.contents.write(row.Content)
	switch {
	case s.foreign || row.Outcome != history.OK || row.Completed == 0 || write == nil || s.operations.Problem(row) != "":
		return false
	case row.Kind.Writes():
		return !s.power.took(s.operations, row)
	}
	return s.operations.Node(write.Worker) != node || write.Outcome == history.OK
}

// judgeOrder finds two contents that a client saw in both orders: whichever was written first, it went back. rows are by their begin. What it saw before a
// standstill of its daemon says nothing of what it sees afterwards.
func (s *sessions) judgeOrder(node string, rows []uint32) {
	still := s.still[node]
	part := 0
	s.seen = s.seen[:0]
	for _, i := range rows {
		row := s.operations.Row(int(i))
		if !s.shows(node, row) || len(still) > 0 && still.Overlap(history.Interval{From: row.Invoked, To: row.Completed}) > 0 {
			continue
		}
		for ; part < len(still) && still[part].To <= row.Invoked; part++ {
			s.endOrder(node)
		}
		number := s.zoneOf[row.Content]
		if number == 0 {
			s.seen = append(s.seen, zone{done: history.Forever})
			number = int32(len(s.seen))
			s.zoneOf[row.Content] = number
		}
		z := &s.seen[number-1]
		if row.Completed < z.done {
			z.done, z.first = row.Completed, int(i)
		}
		if row.Invoked >= z.begun {
			z.begun, z.last = row.Invoked, int(i)
		}
	}
	s.endOrder(node)
}

// endOrder judges what was seen so far, and forgets it.
func (s *sessions) endOrder(node string) {
	if one, other := crossed(s.seen); one != nil {
		again := one
		if other.begun > one.begun {
			again, other = other, one
		}
		between := s.operations.Row(other.last)
		s.back(node, again.last, mark{began: between.Invoked, row: other.last, seen: true}, "sees a content that it had seen before another one")
	}
	for i := range s.seen {
		s.zoneOf[s.operations.Row(s.seen[i].first).Content] = 0
	}
	s.seen = s.seen[:0]
}

// learn takes in what a client knows once one of its operations has returned.
func (s *sessions) learn(own, seen *mark, node string, i int, row *history.Row) {
	if row.Outcome != history.OK || row.Completed == 0 {
		return
	}
	switch row.Kind {
	case history.Read, history.Page:
		write := s.contents.write(row.Content)
		if write == nil || s.operations.Problem(row) != "" {
			return
		}
		// Its own write may be seen before it is safe: then it may be lost again.
		if s.operations.Node(write.Worker) == node && write.Outcome != history.OK {
			return
		}
		if write.Invoked > seen.began {
			*seen = mark{write.Invoked, i, true, row.Completed}
		} else {
			seen.at = max(seen.at, row.Completed)
		}
	case history.Write, history.Append, history.Edit, history.Remove:
		if s.power.took(s.operations, row) {
			return
		}
		if row.Invoked > own.began {
			*own = mark{row.Invoked, i, false, row.Completed}
		}
	}
}

// judgeRead judges one operation by the newest that its client knew before.
func (s *sessions) judgeRead(f *sessionFile, node string, i int, row *history.Row, newest mark) {
	if newest.began < 0 || row.Completed == 0 {
		return
	}
	switch {
	case row.Kind != history.Read && row.Kind != history.Page && row.Kind != history.Stat:
	case row.Outcome == history.Failed && syscall.Errno(row.Errno) == syscall.ENOENT:
		if f.removed > row.Completed && s.still[node].Overlap(history.Interval{From: newest.at, To: row.Completed}) == 0 {
			s.back(node, i, newest, "does not find it")
		}
	case row.Outcome != history.OK || row.Kind == history.Stat:
	case row.Content == 0 && row.Length == 0:
		s.reads++
		if !f.broken && f.removed > row.Completed && !s.blackBox.meanwhile(row) {
			s.back(node, i, newest, "sees it empty")
		}
	case s.contents.write(row.Content) != nil && s.operations.Problem(row) == "":
		s.reads++
		if s.contents.by[row.Content] < newest.began {
			s.back(node, i, newest, "sees an older content")
		}
	}
}

// back fails for a read that went back.
func (s *sessions) back(node string, i int, newest mark, what string) {
	if s.failures >= mostEvidence {
		s.fail(history.Evidence{}) // it counts, and is not kept
		return
	}
	op, before := s.operations.At(i), s.operations.At(newest.row)
	did := "had changed it"
	if newest.seen {
		did = "had seen a newer one"
	}
	evidence := history.Evidence{
		Text:       fmt.Sprintf("%s %s, although %s %s", describe(&op), what, node, did),
		Operations: []history.Operation{before, op}, Faults: faultsAround(s.run, before.Completed, op.Completed),
	}
	if w := s.contents.writer[s.operations.Row(i).Content]; w != 0 {
		evidence.Operations = append([]history.Operation{s.operations.At(int(w - 1))}, evidence.Operations...)
	}
	s.fail(evidence)
}
