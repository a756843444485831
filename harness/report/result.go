package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/codastress/codastress/harness/history"
	"golang.org/x/sys/unix"
)

// A Result is what a run came to: its record, and what the checks say of it.
type Result struct {
	Run      *history.Run
	Dir      string // the run directory, as the user can type it
	Verdicts []history.Verdict
}

// findings are a result as every kind of report shows it.
type findings struct {
	Result
	overall  history.Result
	verdicts []history.Verdict // the worst first
	digest   *digest
	faults   []history.Fault // by their begin
	missed   uint64          // operations that should have been started and could not
}

func (r Result) findings() *findings {
	f := &findings{Result: r, overall: history.Overall(r.Verdicts)}
	f.verdicts = slices.Clone(r.Verdicts)
	slices.SortStableFunc(f.verdicts, func(a, b history.Verdict) int { return int(b.Result) - int(a.Result) })
	f.faults = slices.Clone(r.Run.Faults)
	slices.SortStableFunc(f.faults, func(a, b history.Fault) int { return int(a.Injecting - b.Injecting) })
	for _, load := range r.Run.Loads {
		f.missed += load.Missed
	}
	f.digest = newDigest(r.Run.Operations, r.Run.Meta.Clients, f.loadStart())
	return f
}

// word is the result of a verdict for a person.
func word(verdict history.Verdict) string {
	if verdict.Expected {
		return "expected"
	}
	return verdict.Result.String()
}

// loadStart is when the load began: a fault was injected at its planned time after that. It is 0 where no fault tells.
func (f *findings) loadStart() history.Time {
	var start history.Time
	for _, fault := range f.Run.Faults {
		if step, ok := f.step(fault.Step); ok && fault.Injecting != 0 && step.When == nil {
			if began := fault.Injecting - history.Time(step.Start); start == 0 || began < start {
				start = began
			}
		}
	}
	return start
}

func (f *findings) step(number int) (history.Step, bool) {
	for _, step := range f.Run.Plan {
		if step.Number == number {
			return step, true
		}
	}
	return history.Step{}, false
}

// at is a time of the record as a time after the start of the load.
func (f *findings) at(t history.Time) time.Duration { return time.Duration(t - f.digest.load) }

// loaded is how long the load went on: until its last operation returned.
func (f *findings) loaded() time.Duration { return f.at(f.digest.end) }

// converged is how long after the last harm and the last operation all trees were seen to be equal.
func (f *findings) converged() (time.Duration, bool) {
	if !history.Converged(f.Run.Observations) {
		return 0, false
	}
	quiet, seen := f.digest.end, history.Time(0)
	for _, fault := range f.faults {
		quiet = max(quiet, fault.Recovered)
	}
	for _, observation := range f.Run.Observations {
		seen = max(seen, observation.Time)
	}
	return max(0, time.Duration(seen-quiet)), true
}

// replay is the command that does the run again.
func (f *findings) replay() string { return "codastress replay " + f.Dir }

// problem says what of the record is missing, "" where nothing is.
func (f *findings) problem() string {
	parts := f.Run.Missing
	if f.Run.Truncated != "" {
		parts = append([]string{f.Run.Truncated}, parts...)
	}
	return strings.Join(parts, "; ")
}

// setting says in a few words what ran where.
func (f *findings) setting() string {
	meta := f.Run.Meta
	if meta.Foreign() {
		return fmt.Sprintf("%s of a file system that claims %s", quantity(len(meta.Mounts), "mount"), meta.Consistency)
	}
	parts := []string{
		quantity(len(meta.Clients), "client"), quantity(len(meta.Servers), "server"),
		"in " + meta.Runtime, "mounted through " + meta.Mount,
	}
	return strings.Join(parts, ", ")
}

// outcome says in a few words how an operation ended.
func outcome(op history.Operation) string {
	text := "ok"
	switch {
	case op.Completed == 0:
		return "never returned"
	case op.Outcome == history.Failed:
		text = "failed"
	case op.Outcome != history.OK:
		text = "outcome unknown"
	}
	if op.Errno != 0 {
		text += ", " + errnoName(op)
	}
	if op.HTTP != 0 {
		text += fmt.Sprintf(", HTTP status %d", op.HTTP)
	}
	if op.Problem != "" {
		text += ", but " + op.Problem
	}
	return text
}

func errnoName(op history.Operation) string {
	if name := unix.ErrnoName(op.Errno); name != "" {
		return name
	}
	return fmt.Sprintf("errno %d", int(op.Errno))
}

// what says what an operation did, without where and when.
func what(op history.Operation) string {
	text := op.Kind.String() + " " + shown(op.Path)
	if op.Target != "" {
		text += " -> " + shown(op.Target)
	}
	return text
}

// shown is a path for a person. A name in a file system may have any byte in it: what could confuse a reader or a terminal is quoted.
func shown(path string) string {
	if quoted := strconv.Quote(path); quoted[1:len(quoted)-1] != path || strings.Contains(path, " ") {
		return quoted
	}
	return path
}

// operation is one operation on one line.
func (f *findings) operation(op history.Operation) string {
	text := fmt.Sprintf("%s/%d #%d: %s at %s", op.Node, op.Worker, op.Number, what(op), moment(f.at(op.Invoked)))
	if op.Completed != 0 {
		text += ", took " + length(took(op))
	}
	return text + ", " + outcome(op)
}

// interval is when a fault was there.
func (f *findings) interval(fault history.Fault) string {
	if fault.Injecting == 0 {
		return "never"
	}
	if fault.Recovered == 0 {
		return fmt.Sprintf("from %s on", moment(f.at(fault.Injecting)))
	}
	return fmt.Sprintf("%s to %s", moment(f.at(fault.Injecting)), moment(f.at(fault.Recovered)))
}

// faultText names the fault of a step, and says when it was there.
func (f *findings) faultText(step int) string {
	for _, fault := range f.faults {
		if fault.Step == step {
			return fmt.Sprintf("%s, %s (step %d)", faultName(fault), f.interval(fault), step)
		}
	}
	return fmt.Sprintf("step %d", step)
}

func faultName(fault history.Fault) string {
	return strings.Join(append([]string{fault.Name}, fault.Nodes...), " ")
}

// proven counts the faults that were seen to take effect and to be healed.
func (f *findings) proven() int {
	n := 0
	for _, fault := range f.faults {
		if fault.Problem == "" && fault.Proven != 0 && fault.Recovered != 0 {
			n++
		}
	}
	return n
}
