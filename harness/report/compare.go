package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// A Compared is one of several runs of the same scenario.
type Compared struct {
	Name   string // what is different about it, as the name of a profile
	Result Result
}

// A comparison is what runs are held against each other by.
type comparison struct {
	names    []string
	findings []comparedFindings
}

// comparedFindings are those of one run, with what was waited for, which most measures are about.
type comparedFindings struct {
	*findings
	waits   *unhindered
	answers *answers
}

func compare(runs []Compared) comparison {
	var c comparison
	for _, run := range runs {
		f := run.Result.findings()
		c.names, c.findings = append(c.names, run.Name), append(c.findings, comparedFindings{f, f.unhindered(), f.answers()})
	}
	return c
}

// Compare prints runs side by side: what the checks say of each, and what a visitor or a program had to wait for.
func Compare(w io.Writer, runs []Compared) error {
	c := compare(runs)
	table := [][]string{append([]string{""}, c.names...)}
	for _, row := range c.rows() {
		table = append(table, append([]string{row.name}, row.texts...))
	}
	text := aligned(table) + "\nWaits on a client do not count while its own daemon was stopped by a fault.\n"
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("printing the comparison: %w", err)
	}
	return nil
}

// aligned is a table with columns as wide as they have to be.
func aligned(table [][]string) string {
	var widths []int
	for _, row := range table {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	var out strings.Builder
	for _, row := range table {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell + strings.Repeat(" ", widths[i]-len([]rune(cell))+2))
		}
		out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return out.String()
}

// A comparedRow is one thing of all runs.
type comparedRow struct {
	name  string
	texts []string
}

func (c comparison) rows() []comparedRow {
	rows := []comparedRow{c.row("verdict", func(f comparedFindings) string { return f.overall.String() })}
	for _, check := range c.checks() {
		rows = append(rows, c.row("  "+check, func(f comparedFindings) string {
			for _, verdict := range f.verdicts {
				if verdict.Check == check {
					return word(verdict)
				}
			}
			return "-"
		}))
	}
	for _, one := range measures() {
		rows = append(rows, c.row(one.name, func(f comparedFindings) string {
			value, ok := one.of(f)
			if !ok {
				return "-"
			}
			return one.text(value)
		}))
	}
	return rows
}

func (c comparison) row(name string, text func(comparedFindings) string) comparedRow {
	row := comparedRow{name: name}
	for _, f := range c.findings {
		row.texts = append(row.texts, text(f))
	}
	return row
}

// checks are those that do not pass everywhere: of the others there is nothing to compare.
func (c comparison) checks() []string {
	var names []string
	for _, f := range c.findings {
		for _, verdict := range f.Verdicts {
			if verdict.Result > history.Pass && !slices.Contains(names, verdict.Check) {
				names = append(names, verdict.Check)
			}
		}
	}
	return names
}

// A measure is a figure of a run. ok is false where the run has none.
type measure struct {
	name, key string // for people, and in JSON
	of        func(f comparedFindings) (value float64, ok bool)
	text      func(value float64) string
}

func seconds(value float64) string { return length(time.Duration(value * float64(time.Second))) }

func whole(value float64) string { return count(uint64(value)) }

func measures() []measure {
	pages := func(of func(u *unhindered) float64) func(f comparedFindings) (float64, bool) {
		return func(f comparedFindings) (float64, bool) {
			return of(f.waits), f.waits.pages.total() > 0
		}
	}
	always := func(of func(f comparedFindings) float64) func(f comparedFindings) (float64, bool) {
		return func(f comparedFindings) (float64, bool) { return of(f), true }
	}
	said := func(of func(a *answers) float64) func(f comparedFindings) (float64, bool) {
		return func(f comparedFindings) (float64, bool) { return of(f.answers), len(f.Run.Statuses) > 0 }
	}
	return []measure{
		{"longest stall of a client", "longest_stall", always(func(f comparedFindings) float64 { return f.waits.stall.Seconds() }), seconds},
		{"half of the pages within", "page_p50", pages(func(u *unhindered) float64 { return u.pages.quantile(0.5).Seconds() }), seconds},
		{"99 % of the pages within", "page_p99", pages(func(u *unhindered) float64 { return u.pages.quantile(0.99).Seconds() }), seconds},
		{"longest page", "longest_page", pages(func(u *unhindered) float64 { return u.pages.longest.Seconds() }), seconds},
		{"web workers blocked for over 1 s, at most", "visitors_waiting", pages(func(u *unhindered) float64 { return float64(u.waiting) }), whole},
		{"longest change of a file", "longest_change", func(f comparedFindings) (float64, bool) {
			return f.waits.changes.longest.Seconds(), f.waits.changes.total() > 0
		}, seconds},
		{"operations", "operations", always(func(f comparedFindings) float64 { return float64(f.digest.all.total()) }), whole},
		{"  failed", "failed", always(func(f comparedFindings) float64 { return float64(f.digest.all.failed) }), whole},
		{"  of unknown outcome", "unknown", always(func(f comparedFindings) float64 { return float64(f.digest.all.unknown) }), whole},
		{"  that could not be begun", "missed", always(func(f comparedFindings) float64 { return float64(f.missed) }), whole},
		{"conflicts", "conflicts", always(func(f comparedFindings) float64 { return float64(f.conflicts()) }), whole},
		{"longest time disconnected", "disconnected", said(func(a *answers) float64 { return a.disconnected.Seconds() }), seconds},
		{"requests to the server", "rpcs", said(func(a *answers) float64 { return float64(a.rpcs) }), whole},
		{"bytes fetched", "fetched", said(func(a *answers) float64 { return float64(a.fetched) }), whole},
		{"resolutions", "resolutions", said(func(a *answers) float64 { return float64(a.resolutions) }), whole},
		{"every call within 1 s again after", "recovered_after", always(func(f comparedFindings) float64 { return f.waits.recovered.Seconds() }), seconds},
		{"equal trees after", "converged_after", func(f comparedFindings) (float64, bool) {
			after, ok := f.converged()
			return after.Seconds(), ok
		}, seconds},
	}
}

// unhindered is what was waited for on clients whose own daemon was there all the time that it took: what the faults did to others.
type unhindered struct {
	pages, changes tally
	stall          time.Duration // the longest of a client
	recovered      time.Duration // from when the last fault had been healed to the end of the last call that took longer than longWait
	waiting        int           // pages that were waited for at the same time, each for longer than longWait already
}

// longWait is after how long a visitor counts as one that waits: a web server has a worker for each.
const longWait = history.Time(time.Second)

func (f *findings) unhindered() *unhindered {
	u := &unhindered{pages: newTally(), changes: newTally()}
	stopped := f.Run.Standstills()
	calls := map[string]*[2][]history.Time{}
	healed := f.healed()
	var from, to []history.Time // when pages began to be waited for long, and when that ended
	for _, row := range f.Run.Operations.Rows() {
		node, ended := f.Run.Operations.Node(row.Worker), row.Completed
		if ended == 0 {
			ended = f.digest.end
		}
		if row.Invoked < f.digest.load || stopped[node].Overlap(history.Interval{From: row.Invoked, To: ended}) > 0 {
			continue
		}
		if calls[node] == nil {
			calls[node] = &[2][]history.Time{}
		}
		calls[node][0], calls[node][1] = append(calls[node][0], row.Invoked), append(calls[node][1], row.Completed)
		if ended-row.Invoked > longWait && healed != 0 {
			u.recovered = max(u.recovered, time.Duration(ended-healed))
		}
		switch {
		case row.Kind == history.Page:
			u.pages.add(row)
			if ended-row.Invoked > longWait {
				from, to = append(from, row.Invoked+longWait), append(to, ended)
			}
		case row.Kind.Mutates():
			u.changes.add(row)
		}
	}
	for node, times := range calls {
		u.stall = max(u.stall, time.Duration(longestSilence(node, times[0], times[1], f.digest.end).length()))
	}
	u.waiting = mostAtOnce(from, to)
	return u
}

// mostAtOnce is how many of some times overlapped.
func mostAtOnce(from, to []history.Time) int {
	slices.Sort(from)
	slices.Sort(to)
	most, ended := 0, 0
	for began, at := range from {
		for ended < len(to) && to[ended] <= at {
			ended++
		}
		most = max(most, began+1-ended)
	}
	return most
}

// healed is when the last fault had been healed, 0 where there was none.
func (f *findings) healed() (at history.Time) {
	for i := range f.Run.Faults {
		at = max(at, f.Run.Faults[i].Recovered)
	}
	return at
}

// answers are what the clients said of themselves during the load and after it, each half second: what they did between the last answer and the end of a
// life is not in it.
type answers struct {
	rpcs, fetched, resolutions uint64
	disconnected               time.Duration // the longest time in which a client said so every time
}

func (f *findings) answers() *answers {
	a := &answers{}
	before := map[string]history.Status{} // the last of each client
	since := map[string]history.Time{}    // when it said first that it was disconnected
	for _, now := range f.Run.Statuses {
		last := before[now.Node]
		if now.RPCs < last.RPCs { // another life
			last = history.Status{}
		}
		before[now.Node] = now
		if now.Time < f.digest.load {
			continue
		}
		a.rpcs, a.fetched, a.resolutions = a.rpcs+now.RPCs-last.RPCs, a.fetched+now.Fetched-last.Fetched, a.resolutions+now.Resolve-last.Resolve
		if !history.Disconnected(now.State) {
			delete(since, now.Node)
			continue
		}
		if _, ok := since[now.Node]; !ok {
			since[now.Node] = now.Time
		}
		a.disconnected = max(a.disconnected, time.Duration(now.Time-since[now.Node]))
	}
	return a
}

func (f *findings) conflicts() (n int) {
	for i := range f.Run.Observations {
		n += len(f.Run.Observations[i].Conflicts)
	}
	return n
}

// comparedDocument is what CompareJSON prints. Lengths are in seconds.
type comparedDocument struct {
	Format int           `json:"format"`
	Runs   []comparedRun `json:"runs"`
}

type comparedRun struct {
	Name      string              `json:"name"`
	Result    string              `json:"result"` // pass, undecided or fail
	Scenario  string              `json:"scenario"`
	Seed      uint64              `json:"seed"`
	Directory string              `json:"directory"`
	Replay    string              `json:"replay"`
	Verdicts  []verdictDocument   `json:"verdicts"`
	Measures  map[string]*float64 `json:"measures"` // null where the run has none
}

// CompareJSON prints for machines what Compare prints for people.
func CompareJSON(w io.Writer, runs []Compared) error {
	c := compare(runs)
	d := comparedDocument{Format: 1}
	for i, f := range c.findings {
		run := comparedRun{
			Name: c.names[i], Result: f.overall.String(), Scenario: f.Run.Meta.Scenario, Seed: f.Run.Meta.Seed, Directory: f.Dir, Replay: f.replay(),
			Verdicts: []verdictDocument{}, Measures: map[string]*float64{},
		}
		for _, verdict := range f.verdicts {
			run.Verdicts = append(run.Verdicts, f.verdict(verdict))
		}
		for _, one := range measures() {
			run.Measures[one.key] = nil
			if value, ok := one.of(f); ok {
				run.Measures[one.key] = &value
			}
		}
		d.Runs = append(d.Runs, run)
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(d); err != nil {
		return fmt.Errorf("writing the comparison as JSON: %w", err)
	}
	return nil
}
