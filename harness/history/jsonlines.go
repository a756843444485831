package history

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// line is one line of JSONLines. Exactly one of its fields is there.
type line struct {
	Meta        *Meta        `json:"meta,omitempty"`
	Step        *Step        `json:"step,omitempty"`
	Operation   *Operation   `json:"operation,omitempty"`
	Fault       *Fault       `json:"fault,omitempty"`
	Event       *Event       `json:"event,omitempty"`
	Stall       *Stall       `json:"stall,omitempty"`
	Load        *Load        `json:"load,omitempty"`
	Observation *Observation `json:"observation,omitempty"`
	Truncated   string       `json:"truncated,omitempty"`
	Missing     string       `json:"missing,omitempty"`
}

// JSONLines writes a run as one JSON object a line, each with one field that says what it is: first what was known before, then everything
// that has a time in the order of its begin, then sums, final states, and what is missing.
func JSONLines(w io.Writer, run *Run) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	put := func(l line) error {
		if err := out.Encode(l); err != nil {
			return fmt.Errorf("writing JSON lines: %w", err)
		}
		return nil
	}
	err := put(line{Meta: &run.Meta})
	for i := 0; i < len(run.Plan) && err == nil; i++ {
		err = put(line{Step: &run.Plan[i]})
	}
	timed := timedLines(run)
	for i := 0; i < len(timed) && err == nil; i++ {
		err = put(timed[i].line(run))
	}
	for i := 0; i < len(run.Loads) && err == nil; i++ {
		err = put(line{Load: &run.Loads[i]})
	}
	for i := 0; i < len(run.Observations) && err == nil; i++ {
		err = put(line{Observation: &run.Observations[i]})
	}
	for i := 0; i < len(run.Missing) && err == nil; i++ {
		err = put(line{Missing: run.Missing[i]})
	}
	if run.Truncated != "" && err == nil {
		err = put(line{Truncated: run.Truncated})
	}
	return err
}

// timedLine is a line that has a time, which is not made before it is written.
type timedLine struct {
	time  Time
	what  byte // of the kinds of frames
	index int
}

func timedLines(run *Run) []timedLine {
	lines := make([]timedLine, 0, run.Operations.Len()+len(run.Faults)+len(run.Events)+len(run.Stalls))
	for i, row := range run.Operations.Rows() {
		lines = append(lines, timedLine{row.Invoked, frameChunk, i})
	}
	for i := range run.Faults {
		lines = append(lines, timedLine{run.Faults[i].Injecting, frameFault, i})
	}
	for i := range run.Events {
		lines = append(lines, timedLine{run.Events[i].Time, frameEvent, i})
	}
	for i := range run.Stalls {
		lines = append(lines, timedLine{run.Stalls[i].Seen, frameStall, i})
	}
	slices.SortStableFunc(lines, func(a, b timedLine) int { return cmp.Compare(a.time, b.time) })
	return lines
}

func (l timedLine) line(run *Run) line {
	switch l.what {
	case frameChunk:
		op := run.Operations.At(l.index)
		return line{Operation: &op}
	case frameFault:
		return line{Fault: &run.Faults[l.index]}
	case frameEvent:
		return line{Event: &run.Events[l.index]}
	default:
		return line{Stall: &run.Stalls[l.index]}
	}
}
