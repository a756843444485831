package checks

import (
	"fmt"

	"github.com/codastress/codastress/harness/history"
)

// mostEvidence bounds what a verdict shows.
const mostEvidence = 20

// A judgement collects what a check finds.
type judgement struct {
	run      *history.Run
	check    string
	failures int
	doubts   int
	failed   []history.Evidence
	doubted  []history.Evidence
	figures  []history.Figure
}

func judge(run *history.Run, check string) *judgement { return &judgement{run: run, check: check} }

// fail notes that the promise was broken. Only the first are kept, so a caller that finds many finds the most telling first.
func (j *judgement) fail(evidence history.Evidence) {
	if j.failures++; len(j.failed) < mostEvidence {
		j.failed = append(j.failed, evidence)
	}
}

// doubt notes why the promise may have been broken without being seen.
func (j *judgement) doubt(format string, args ...any) {
	if j.doubts++; len(j.doubted) < mostEvidence {
		j.doubted = append(j.doubted, history.Evidence{Text: fmt.Sprintf(format, args...)})
	}
}

func (j *judgement) figure(name string, value float64, unit string) {
	j.figures = append(j.figures, history.Figure{Name: name, Value: value, Unit: unit})
}

// verdict sums up. The text is for a promise that was kept.
func (j *judgement) verdict(format string, args ...any) history.Verdict {
	v := history.Verdict{Check: j.check, Figures: j.figures, Evidence: append(j.failed, j.doubted...)}
	v.Evidence = v.Evidence[:min(len(v.Evidence), mostEvidence)]
	switch {
	case j.failures > 0:
		v.Result, v.Summary = history.Fail, summary(j.failed[0].Text, j.failures)
	case j.doubts > 0:
		v.Result, v.Summary = history.Undecided, summary(j.doubted[0].Text, j.doubts)
	default:
		v.Result, v.Summary = history.Pass, fmt.Sprintf(format, args...)
	}
	return v
}

func summary(first string, count int) string {
	if count == 1 {
		return first
	}
	return fmt.Sprintf("%s, and %d more", first, count-1)
}

// count is a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// undecided is the verdict of a check whose assumptions do not hold.
func (j *judgement) undecided(format string, args ...any) history.Verdict {
	j.failures, j.failed = 0, nil
	j.doubts, j.doubted = 0, nil
	j.doubt(format, args...)
	return j.verdict("")
}

// notWhole says what keeps the record of operations from being whole, "" where nothing does.
func notWhole(run *history.Run) string {
	switch {
	case run.Truncated != "":
		return run.Truncated
	case len(run.Missing) > 0:
		return summary(run.Missing[0], len(run.Missing))
	case run.Operations.Len() == 0:
		return "no operation was recorded"
	}
	return ""
}

// end is when the record ends: nothing in it is later.
func end(run *history.Run) history.Time {
	var last history.Time
	for _, row := range run.Operations.Rows() {
		last = max(last, row.Invoked, row.Completed)
	}
	for i := range run.Faults {
		last = max(last, run.Faults[i].Injecting, run.Faults[i].Recovered)
	}
	for i := range run.Stalls {
		last = max(last, run.Stalls[i].Seen)
	}
	for i := range run.Observations {
		last = max(last, run.Observations[i].Time)
	}
	return last
}
