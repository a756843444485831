package checks

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"syscall"

	"github.com/codastress/codastress/harness/history"
)

// ownNames looks at names that one client alone changed, one change after the other. What they are is known then at every moment: that client
// must see exactly what it made of them, the others what it had made of them at some moment, and never an earlier one than they had seen. Names that
// links or renamed directories give a second way to be changed are left out, and those with conflicts, of which another check tells.
func ownNames(run *history.Run) history.Verdict {
	o := &owned{judgement: judge(run, "own-names"), operations: run.Operations}
	if !run.Meta.Consistency.Sessions() {
		return o.skipped("%s does not promise it", run.Meta.Consistency)
	}
	if problem := notWhole(run); problem != "" {
		return o.undecided("%s", problem)
	}
	var err error
	if o.contents, err = newContents(run); err != nil {
		return o.undecided("%v", err)
	}
	o.conflicts, o.power, o.groups = newConflicts(run), newPowerLosses(run), newGroups(run)
	o.changes = rearrangements(o.operations)
	o.still = run.Standstills()
	o.perNode = map[string][]sighting{}
	rows := o.inOrder()
	o.findOwners(rows)
	o.makeTimelines(rows)
	o.readSightings()
	for name := range uint32(o.changes.paths()) {
		if t := o.timelines[name]; t != nil {
			o.judge(name, t)
		}
	}
	o.figure("names judged", float64(o.judged), "")
	o.figure("sightings judged", float64(o.seen), "")
	return o.verdict("%s that one client alone changed were what it made of them, whenever somebody looked", count(o.judged, "name"))
}

type owned struct {
	*judgement
	operations *history.Packed
	contents   *contents
	conflicts  *conflicts
	power      *powerLosses
	groups     *groups
	changes    *byPath
	still      map[string]history.Intervals
	owners     map[uint32]string // of the groups of names that renames connect, "" for several
	timelines  map[uint32]*timeline
	looks      *byPath // what saw one name
	lists      *byPath // listings by their directory
	listed     map[uint32][]uint32
	perNode    map[string][]sighting // of one name; the memory is kept for the next
	all        []sighting            // likewise
	view       lookout               // likewise
	judged     int
	seen       int
}

// A timeline is what a name was, one after the other; before that there was nothing.
type timeline struct {
	owner string
	turns []turn
}

// A turn is a change of one name.
type turn struct {
	row      int          // that made it, -1 for a loss of power
	from, to history.Time // when it began, and by when it had certainly happened: Forever where that is not certain
	is       state
	any      bool // it may have been made or not, or may be anything
}

// findOwners looks which names one client alone changed, without an overlap, and knows how each change ended.
func (o *owned) findOwners(rows []uint32) {
	o.owners = map[uint32]string{}
	last := map[uint32]history.Time{}
	for _, i := range rows {
		row := o.operations.Row(int(i))
		node := o.operations.Node(row.Worker)
		group := o.groups.find(row.Path)
		owner, known := o.owners[group]
		if known && owner != node || last[group] >= row.Invoked || row.Completed == 0 || o.conflicts.pending[node] || !o.conflicts.known[node] {
			node = ""
		}
		o.owners[group], last[group] = node, max(last[group], row.Completed)
	}
}

// inOrder are the rows of all changes by their begin.
func (o *owned) inOrder() []uint32 {
	rows := slices.Clone(o.changes.rows)
	slices.SortFunc(rows, func(a, b uint32) int {
		return cmp.Or(cmp.Compare(o.operations.Row(int(a)).Invoked, o.operations.Row(int(b)).Invoked), cmp.Compare(a, b))
	})
	return slices.Compact(rows) // a rename is there by both of its names
}

// eligible says whether a name is judged.
func (o *owned) eligible(name uint32) bool {
	return o.owners[o.groups.find(name)] != "" && !o.groups.shared(name) && !o.groups.undone[name] &&
		!o.groups.below(o.operations.Path(name)) && !o.conflicts.about(o.contents, name)
}

func (o *owned) makeTimelines(rows []uint32) {
	o.timelines = map[uint32]*timeline{}
	for _, i := range rows {
		row := o.operations.Row(int(i))
		if o.owners[o.groups.find(row.Path)] == "" {
			continue
		}
		t := turn{row: int(i), from: row.Invoked, to: row.Completed, any: row.Outcome != history.OK || o.power.took(o.operations, row)}
		target := o.operations.Target(row)
		switch row.Kind {
		case history.Rename:
			t.is = o.now(row.Path)
			moved := t
			// What is renamed was there: where nobody is known to have made it, it came with a directory.
			moved.any = t.any || o.vague(row.Path) || t.is.kind == absent
			o.turn(target, moved)
			t.is = state{}
		case history.MakeDirectory:
			t.is.kind = directory
		case history.Symlink:
			t.is = state{kind: symlink, text: o.operations.Path(target)}
		case history.Write, history.Append, history.Edit:
			t.is = state{kind: file, content: row.Content}
		}
		o.turn(row.Path, t)
	}
}

// now is what a name is after the last turn.
func (o *owned) now(name uint32) state {
	if t := o.timelines[name]; t != nil {
		return t.turns[len(t.turns)-1].is
	}
	return state{}
}

func (o *owned) vague(name uint32) bool {
	t := o.timelines[name]
	return t == nil || t.turns[len(t.turns)-1].any || o.darkSince(t)
}

// darkSince says whether the owner's machine lost its power after the last turn.
func (o *owned) darkSince(t *timeline) bool {
	dark := o.power.dark[t.owner]
	return len(dark) > 0 && dark[len(dark)-1] > t.turns[len(t.turns)-1].from
}

func (o *owned) turn(name uint32, t turn) {
	line := o.timelines[name]
	if line == nil {
		line = &timeline{owner: o.owners[o.groups.find(name)]}
		o.timelines[name] = line
	}
	if t.any {
		t.to = history.Forever
	}
	line.turns = append(line.turns, t)
}

// A sighting is what somebody saw of a name.
type sighting struct {
	node               string
	row                int // -1 for an observation in the end
	invoked, completed history.Time
	is                 state
	kindOnly           bool // the content or text is not known
	there              bool // not even the kind is
}

// matches says whether a state can have been seen so.
func (s *sighting) matches(is state) bool {
	switch {
	case s.there:
		return is.kind != absent
	case s.kindOnly:
		return s.is.kind == is.kind
	}
	return s.is == is
}

// readSightings sorts what saw names by the names.
func (o *owned) readSightings() {
	o.looks = newByPath(o.operations, false, func(row *history.Row) bool {
		return row.Kind == history.Read || row.Kind == history.Page || row.Kind == history.Stat || row.Kind == history.ReadLink
	})
	o.lists = newByPath(o.operations, false, func(row *history.Row) bool {
		return row.Kind == history.List && row.Outcome == history.OK && len(o.operations.Entries(row)) == int(row.Length)
	})
	o.listed = map[uint32][]uint32{}
	for _, i := range o.lists.rows {
		for _, entry := range o.operations.Entries(o.operations.Row(int(i))) {
			o.listed[entry] = append(o.listed[entry], i)
		}
	}
}

// look makes a sighting of an operation; ok is false where it saw nothing that can be judged.
func (o *owned) look(i int, t *timeline) (s sighting, ok bool) {
	row := o.operations.Row(i)
	s = sighting{node: o.operations.Node(row.Worker), row: i, invoked: row.Invoked, completed: row.Completed}
	switch {
	case row.Completed == 0:
		return s, false
	case row.Outcome == history.Failed:
		return s, syscall.Errno(row.Errno) == syscall.ENOENT && row.Kind != history.Page
	case row.Kind == history.Stat:
		s.kindOnly = true
		s.is.kind = file
		switch {
		case o.operations.Mode(row) == 0:
			return s, false
		case o.operations.Mode(row).IsDir():
			s.is.kind = directory
		case !o.operations.Mode(row).IsRegular():
			s.is.kind = symlink
		}
		return s, true
	case row.Kind == history.ReadLink:
		s.is = state{kind: symlink, text: o.operations.Path(o.operations.Target(row))}
		return s, true
	}
	s.is = state{kind: file, content: row.Content}
	// A new file is empty until its first content arrives. And a file can be renamed and written to between the look-up of a name and the open.
	return s, row.Content != 0 && slices.ContainsFunc(t.turns, func(t turn) bool { return t.is == s.is })
}

// sightings are all of one name, by their begin, until those of the next are asked for.
func (o *owned) sightings(name uint32, t *timeline) []sighting {
	all := o.all[:0]
	for _, i := range o.looks.of(name) {
		if s, ok := o.look(int(i), t); ok {
			all = append(all, s)
		}
	}
	inLists := o.listed[name]
	for _, i := range inLists {
		row := o.operations.Row(int(i))
		all = append(all, sighting{node: o.operations.Node(row.Worker), row: int(i), invoked: row.Invoked, completed: row.Completed, there: true})
	}
	until := t.turns[len(t.turns)-1].to
	for i := range all {
		until = max(until, all[i].completed)
	}
	all = o.missing(all, name, t, inLists, until)
	o.all = all
	slices.SortStableFunc(all, func(a, b sighting) int { return cmp.Compare(a.invoked, b.invoked) })
	return all
}

// missing adds the listings of its directory that do not have a name, from its first turn on. Where it is gone for good, those that begin when
// it was not seen any more show nothing.
func (o *owned) missing(all []sighting, name uint32, t *timeline, there []uint32, until history.Time) []sighting {
	directory, known := o.operations.FindPath(path.Dir(o.operations.Path(name)))
	if !known || directory >= uint32(o.lists.paths()) {
		return all
	}
	last := t.turns[len(t.turns)-1]
	for _, i := range o.lists.of(directory) {
		row := o.operations.Row(int(i))
		if row.Completed < t.turns[0].from || last.is.kind == absent && row.Invoked > until {
			continue
		}
		if _, listed := slices.BinarySearch(there, i); listed {
			continue
		}
		all = append(all, sighting{node: o.operations.Node(row.Worker), row: int(i), invoked: row.Invoked, completed: row.Completed})
	}
	return all
}

// judge judges one name on all clients, and in the end.
func (o *owned) judge(name uint32, t *timeline) {
	if !o.eligible(name) {
		return
	}
	o.judged++
	all := o.sightings(name, t)
	o.seen += len(all)
	for node := range o.perNode {
		o.perNode[node] = o.perNode[node][:0]
	}
	for _, s := range all {
		o.perNode[s.node] = append(o.perNode[s.node], s)
	}
	for _, node := range o.run.Meta.Clients {
		o.view.turns, o.view.own, o.view.still, o.view.dark = t.turns, node == t.owner, o.still[node], o.power.dark[t.owner]
		if bad, turn := o.view.first(o.perNode[node]); bad != nil {
			o.wrong(name, t, bad, turn)
			return
		}
	}
}

// wrong fails for a sighting that the turns do not explain.
func (o *owned) wrong(name uint32, t *timeline, s *sighting, at int) {
	if o.failures >= mostEvidence {
		o.fail(history.Evidence{}) // it counts, and is not kept
		return
	}
	op := o.operations.At(s.row)
	saw := "finds nothing"
	switch {
	case s.there:
		saw = "finds it"
	case s.is.kind == file && !s.kindOnly:
		saw = "sees an old content"
	case s.is.kind != absent:
		saw = "sees " + s.is.kind.String()
	}
	evidence := history.Evidence{Faults: faultsAround(o.run, op.Invoked, op.Completed)}
	was := "nobody had made it"
	if at >= 0 {
		was = fmt.Sprintf("it must be %s by then", t.turns[at].is.kind)
		if t.turns[at].row >= 0 {
			evidence.Operations = append(evidence.Operations, o.operations.At(t.turns[at].row))
		}
	}
	evidence.Operations = append(evidence.Operations, op)
	evidence.Text = fmt.Sprintf("%s, which only %s changes: %s %s, and %s", o.operations.Path(name), t.owner, describe(&op), saw, was)
	o.fail(evidence)
}

// A lookout explains what one client saw of one name.
type lookout struct {
	turns []turn
	own   bool
	still history.Intervals // when its daemon could not work: afterwards it need not know any more what it only saw
	dark  []history.Time    // when the owner lost its power: then what was not safe is gone

	ended, chosen []int // of first, whose memory is used again
}

// first is the first sighting that no turn explains, and the turn that it should have been of, nil where all are explained. Each is explained by the
// earliest turn that it can be, so that those after it have the most to choose from.
func (l *lookout) first(all []sighting) (bad *sighting, at int) {
	if len(all) == 0 {
		return nil, -1
	}
	l.ended, l.chosen = slices.Grow(l.ended[:0], len(all)), slices.Grow(l.chosen[:0], len(all))[:len(all)]
	for i := range all {
		l.ended = append(l.ended, i)
	}
	ended, chosen := l.ended, l.chosen // by their end, and the turn of each
	slices.SortStableFunc(ended, func(a, b int) int { return cmp.Compare(all[a].completed, all[b].completed) })
	seen, next, since := -1, 0, history.Time(0)
	for i := range all {
		s := &all[i]
		for ; next < len(ended) && all[ended[next]].completed < s.invoked; next++ {
			if before := ended[next]; chosen[before] >= seen {
				seen, since = chosen[before], all[before].completed
			}
		}
		if seen >= 0 && l.still.Overlap(history.Interval{From: since, To: s.completed}) > 0 {
			seen = -1
		}
		least := max(seen, l.done(s.invoked))
		if l.darkBefore(s.completed) {
			least = -1
		}
		if chosen[i] = l.explain(s, least); chosen[i] < least || chosen[i] == unexplained {
			return s, least
		}
	}
	return nil, -1
}

const unexplained = -2

// done is the last turn that the client itself had certainly made by then.
func (l *lookout) done(by history.Time) int {
	if !l.own {
		return -1
	}
	for i := len(l.turns) - 1; i >= 0; i-- {
		if l.turns[i].to < by {
			return i
		}
	}
	return -1
}

// darkBefore says whether the owner lost its power before.
func (l *lookout) darkBefore(t history.Time) bool { return len(l.dark) > 0 && l.dark[0] < t }

// explain is the earliest turn, from one on, that a sighting can be of.
func (l *lookout) explain(s *sighting, least int) int {
	if least < 0 && s.matches(state{}) {
		return -1
	}
	for i := max(0, least); i < len(l.turns) && l.turns[i].from <= s.completed; i++ {
		if l.turns[i].any || s.matches(l.turns[i].is) {
			return i
		}
	}
	return unexplained
}
