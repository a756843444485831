package checks

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"sort"
	"strings"
	"syscall"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// visibility holds what clients saw of names against the consistency that a file system which is not ours claims, or against Limits.Stale after what was
// done had reached the servers of ours: what was seen must have been so at some moment from the bound before the look on. Names that links or renamed
// directories give other ways to be changed are left out.
func visibility(run *history.Run) history.Verdict {
	v := &visible{judgement: judge(run, "visibility"), operations: run.Operations, staleness: newStaleness(run), unseen: map[int]time.Duration{}}
	if !run.Meta.Foreign() {
		v.staleness.longest, v.staleness.bounded = run.Meta.Limits.Stale, run.Meta.Limits.Stale > 0
	}
	switch {
	case !v.staleness.bounded && run.Meta.Foreign():
		return v.skipped("%s leaves open when a client sees what another did", run.Meta.Consistency)
	case !v.staleness.bounded:
		return v.skipped("the run has no bound for that")
	case len(run.Statuses) == 0 && !run.Meta.Foreign():
		return v.undecided("no client has said what it had sent to the servers")
	}
	if problem := notWhole(run); problem != "" {
		return v.undecided("%s", problem)
	}
	var err error
	if v.contents, err = newContents(run); err != nil {
		return v.undecided("%v", err)
	}
	if !run.Meta.Foreign() {
		v.leases = newLeases(run, v.contents)
	}
	v.changes, v.groups = rearrangements(v.operations), newGroups(run)
	v.readLooks()
	for name := range uint32(v.changes.paths()) {
		if rows := v.changes.of(name); len(rows) > 0 && !v.leftOut(name, rows) {
			v.judge(name, rows)
		}
	}
	v.report()
	v.figure("looks judged", float64(v.seen), "")
	v.figure("longest unseen", v.longest.Seconds(), "s")
	v.quantiles()
	return v.verdict("in %s everything was seen %s", count(v.seen, "look"), soon(v.staleness.longest))
}

// soon says in words how soon.
func soon(bound time.Duration) string {
	if bound == 0 {
		return "by whatever began after it was done"
	}
	return fmt.Sprintf("within %v", bound)
}

type visible struct {
	*judgement
	operations *history.Packed
	contents   *contents
	changes    *byPath
	groups     *groups
	staleness  staleness
	looks      *byPath             // what saw one name
	lists      *byPath             // listings by their directory
	listed     map[uint32][]uint32 // the listings that have a name
	leases     *leases             // nil for a file system that is not ours
	seen       int
	settled    int // changes that must be seen from some moment on
	longest    time.Duration
	unseen     map[int]time.Duration // of changes that were not seen at once, for how long
	misses     []miss                // the worst of each name
}

// leftOut says whether a name is not judged.
func (v *visible) leftOut(name uint32, changes []uint32) bool {
	return v.groups.shared(name) || v.groups.undone[name] || v.groups.below(v.operations.Path(name)) ||
		v.leases != nil && v.leases.leftOut(name, changes)
}

// by is by when a change had certainly been made, where others can see it.
func (v *visible) by(row *history.Row) history.Time {
	if v.leases != nil {
		return v.leases.by(row)
	}
	return doneBy(row)
}

// late is for how long a change could have been seen by who looked.
func (v *visible) late(change *deed, look *history.Row) time.Duration {
	if v.leases != nil {
		return v.leases.late(change, look)
	}
	return v.staleness.since(change.by, look.Invoked)
}

// quantiles tells for how long changes were not seen by somebody who looked.
func (v *visible) quantiles() {
	var all latencies
	for range v.settled - len(v.unseen) {
		all.add(0)
	}
	for _, unseen := range v.unseen {
		all.add(unseen)
	}
	v.figure("90 % of the changes seen within", min(all.quantile(0.9), v.longest).Seconds(), "s")
	v.figure("99 % of the changes seen within", min(all.quantile(0.99), v.longest).Seconds(), "s")
}

// A miss is a look that does not know of a change which was over for longer than the file system claims.
type miss struct {
	name         uint32
	look, change int
	late         time.Duration
	what         string
}

// readLooks sorts what saw names by the names.
func (v *visible) readLooks() {
	v.looks = newByPath(v.operations, false, func(row *history.Row) bool {
		return row.Completed != 0 && (row.Kind == history.Read || row.Kind == history.Page || row.Kind == history.Stat || row.Kind == history.ReadLink)
	})
	v.lists = newByPath(v.operations, false, func(row *history.Row) bool {
		return row.Kind == history.List && row.Outcome == history.OK && len(v.operations.Entries(row)) == int(row.Length)
	})
	v.listed = map[uint32][]uint32{}
	for _, i := range v.lists.rows {
		for _, entry := range v.operations.Entries(v.operations.Row(int(i))) {
			v.listed[entry] = append(v.listed[entry], i)
		}
	}
}

// A changedName is what was done to one name.
type changedName struct {
	number              uint32
	puts, takes, writes deeds
	all                 deeds
	arrivals            bool // renames or links bring contents from other names
}

// judge judges everything that was seen of one name.
func (v *visible) judge(number uint32, rows []uint32) {
	n := &changedName{number: number}
	for _, i := range rows {
		v.sort(n, int(i))
	}
	for _, d := range []*deeds{&n.puts, &n.takes, &n.writes, &n.all} {
		d.arrange()
	}
	if int(number) < v.looks.paths() {
		for _, i := range v.looks.of(number) {
			v.look(n, int(i))
		}
	}
	for _, i := range v.listed[number] {
		v.there(n, int(i))
	}
	directory, known := v.operations.FindPath(path.Dir(v.operations.Path(number)))
	if !known || int(directory) >= v.lists.paths() {
		return
	}
	for _, i := range v.lists.of(directory) {
		if _, listed := slices.BinarySearch(v.listed[number], i); !listed {
			v.gone(n, int(i))
		}
	}
}

// sort takes in one change of a name.
func (v *visible) sort(n *changedName, i int) {
	row := v.operations.Row(i)
	d := deed{row: i, from: row.Invoked, done: doneBy(row), by: v.by(row)}
	if d.by != history.Forever {
		v.settled++
	}
	n.all.add(d)
	arrives := arrivesAt(v.operations, row, n.number)
	n.arrivals = n.arrivals || arrives || row.Kind == history.Link
	switch {
	case arrives, row.Kind == history.Write, row.Kind == history.MakeDirectory, row.Kind == history.Symlink:
		n.puts.add(d)
	case takesAway(row):
		n.takes.add(d)
	}
	if row.Kind.Writes() {
		n.writes.add(d)
	}
}

// look judges one look at a name.
func (v *visible) look(n *changedName, i int) {
	row := v.operations.Row(i)
	switch {
	case row.Outcome == history.Failed && syscall.Errno(row.Errno) == syscall.ENOENT:
		v.gone(n, i)
		return
	case row.Outcome != history.OK:
		return
	}
	v.there(n, i)
	if row.Kind == history.Read || row.Kind == history.Page {
		v.content(n, i)
	}
}

// there judges that a name was seen to be there: a removal must not have been over for too long, unless it was made again since.
func (v *visible) there(n *changedName, i int) {
	row := v.operations.Row(i)
	v.hold(n, i, n.takes.firstAfter(n.puts.lastBy(row.Completed)), "finds it")
}

// gone judges that a name was not there.
func (v *visible) gone(n *changedName, i int) {
	row := v.operations.Row(i)
	v.hold(n, i, n.puts.firstAfter(n.takes.lastBy(row.Completed)), "does not find it")
}

// content judges which content was seen. Where others are brought there, nobody knows when which was there.
func (v *visible) content(n *changedName, i int) {
	row := v.operations.Row(i)
	switch {
	case n.arrivals:
	case row.Content == 0 && row.Length == 0:
		// Every write makes it empty for a moment.
		v.hold(n, i, n.all.aloneBefore(row.Completed, &n.writes), "sees it empty")
	case row.Content != 0 && v.operations.Problem(row) == "":
		if write := v.contents.write(row.Content); write != nil && write.Path == n.number {
			v.hold(n, i, n.all.firstAfter(doneBy(write)), "sees an older content")
		}
	}
}

// hold notes a look that does not know of a change.
func (v *visible) hold(n *changedName, i int, unseen *deed, what string) {
	v.seen++
	if unseen == nil {
		return
	}
	late := v.late(unseen, v.operations.Row(i))
	if late > 0 {
		v.unseen[unseen.row] = max(v.unseen[unseen.row], late)
	}
	v.longest = max(v.longest, late)
	if late <= v.staleness.longest {
		return
	}
	last := len(v.misses) - 1
	one := miss{n.number, i, unseen.row, late, what}
	switch {
	case last < 0 || v.misses[last].name != n.number:
		v.misses = append(v.misses, one)
	case late > v.misses[last].late:
		v.misses[last] = one
	}
}

// report fails for each name that was not seen as it was, the latest first.
func (v *visible) report() {
	slices.SortStableFunc(v.misses, func(a, b miss) int { return cmp.Compare(b.late, a.late) })
	for _, m := range v.misses {
		if v.failures >= mostEvidence {
			v.fail(history.Evidence{}) // it counts, and is not kept
			continue
		}
		change, op := v.operations.At(m.change), v.operations.At(m.look)
		what := m.what
		if op.Kind == history.List {
			what = strings.TrimSuffix(what, " it") + " " + v.operations.Path(m.name)
		}
		since := "had returned"
		if v.leases != nil {
			since = "was on the servers and nothing was in the way"
		}
		v.fail(history.Evidence{
			Text:       fmt.Sprintf("%s %s %v after %s %s, and %s", describe(&op), what, round(m.late), describe(&change), since, v.claim()),
			Operations: []history.Operation{change, op}, Faults: faultsAround(v.run, change.Completed, op.Completed),
		})
	}
}

// claim says in words what the file system claims.
func (v *visible) claim() string {
	if v.staleness.longest == 0 {
		return "must know of it at once"
	}
	return fmt.Sprintf("must know of it within %v", v.staleness.longest)
}

// A deed is one change of a name.
type deed struct {
	row        int
	from, done history.Time // it was made in between; Forever where nobody knows by when
	by         history.Time // others can see it from then on; the same
}

// deeds are changes by their begin.
type deeds struct {
	all    []deed
	latest []history.Time // the latest done of each and those before it
	first  []int          // the deed with the earliest by, of each and those after it
}

func (d *deeds) add(one deed) { d.all = append(d.all, one) }

// arrange has to be called when all are added.
func (d *deeds) arrange() {
	slices.SortFunc(d.all, func(a, b deed) int { return cmp.Compare(a.from, b.from) })
	d.latest, d.first = make([]history.Time, len(d.all)), make([]int, len(d.all))
	var latest history.Time
	for i := range d.all {
		latest = max(latest, d.all[i].done)
		d.latest[i] = latest
	}
	first := len(d.all) - 1
	for i := len(d.all) - 1; i >= 0; i-- {
		if d.all[i].by <= d.all[first].by {
			first = i
		}
		d.first[i] = first
	}
}

// before is how many began until a moment.
func (d *deeds) before(at history.Time) int {
	return sort.Search(len(d.all), func(i int) bool { return d.all[i].from > at })
}

// lastBy is by when all that began until a moment had certainly been done.
func (d *deeds) lastBy(at history.Time) history.Time {
	if n := d.before(at); n > 0 {
		return d.latest[n-1]
	}
	return 0
}

// firstAfter is the deed that was done first of those that began after a moment, nil where none was.
func (d *deeds) firstAfter(moment history.Time) *deed {
	n := d.before(moment)
	if n == len(d.all) || d.all[d.first[n]].by == history.Forever {
		return nil
	}
	return &d.all[d.first[n]]
}

// aloneBefore is the last deed that began until a moment, if it is one of some and all others were done before it began; nil where not.
func (d *deeds) aloneBefore(at history.Time, some *deeds) *deed {
	n := d.before(at)
	if n == 0 || d.all[n-1].by == history.Forever || n > 1 && d.latest[n-2] >= d.all[n-1].from {
		return nil
	}
	last := &d.all[n-1]
	if !slices.ContainsFunc(some.all, func(one deed) bool { return one.row == last.row }) {
		return nil
	}
	return last
}
