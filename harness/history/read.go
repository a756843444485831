package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// A Run is the whole record of a run.
type Run struct {
	Meta         Meta
	Plan         []Step
	Scenario     []byte // scenario.yaml as it is on disk, nil where there is none
	Operations   *Packed
	Faults       []Fault
	Events       []Event // by time
	Loads        []Load
	Stalls       []Stall
	Observations []Observation // the last of each node and source
	Statuses     []Status      // in the order in which they came
	Truncated    string        // where the history breaks off, "" where it does not
	Missing      []string      // what of the recorded operations is known to be missing, see Recorder.Close
}

// ReadRun reads a run directory. A history that breaks off is read up to there, and Run.Truncated says where; a directory without a
// description or a plan is an error.
func ReadRun(dir string) (*Run, error) {
	meta, err := ReadMeta(dir)
	if err != nil {
		return nil, err
	}
	plan, err := ReadPlan(dir)
	if err != nil {
		return nil, err
	}
	run := &Run{Meta: meta, Plan: plan}
	if run.Scenario, err = os.ReadFile(filepath.Join(dir, scenarioFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the scenario: %w", err)
	}
	file, err := os.Open(filepath.Join(dir, fileName))
	if errors.Is(err, fs.ErrNotExist) {
		run.Truncated = "there is no history"
		return run, nil
	} else if err != nil {
		return nil, fmt.Errorf("reading the history: %w", err)
	}
	defer func() { _ = file.Close() }() // nothing was written
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading the history: %w", err)
	}
	return run, run.read(file, info.Size())
}

// read reads the file history.
func (run *Run) read(from io.Reader, size int64) error {
	frames := frameReader{from: bufio.NewReaderSize(from, int(min(size, 1<<20)))}
	magic := make([]byte, min(size, int64(len(fileMagic))))
	if _, err := io.ReadFull(frames.from, magic); err != nil {
		return fmt.Errorf("reading the history: %w", err)
	}
	if string(magic) != fileMagic[:len(magic)] {
		return fmt.Errorf("the file %s is not a history of this version", fileName)
	}
	frames.offset = int64(len(magic))
	frames.left = size - frames.offset
	operations := newLoader()
	err := run.readFrames(&frames, operations)
	if errors.Is(err, errBroken) || errors.Is(err, ErrChunk) {
		run.Truncated = fmt.Sprintf("the history is good up to byte %d of %d: %v", frames.offset, size, err)
		err = nil
	}
	run.Operations, run.Missing = operations.finish()
	run.Observations = lastObservations(run.Observations)
	slices.SortStableFunc(run.Events, func(a, b Event) int { return int(a.Time - b.Time) })
	return err
}

func (run *Run) readFrames(frames *frameReader, operations *loader) error {
	for {
		kind, payload, err := frames.next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		switch kind {
		case frameChunk:
			err = operations.add(payload)
		case frameFault:
			run.Faults, err = appendJSON(run.Faults, payload)
		case frameEvent:
			run.Events, err = appendJSON(run.Events, payload)
		case frameLoad:
			run.Loads, err = appendJSON(run.Loads, payload)
		case frameStall:
			run.Stalls, err = appendJSON(run.Stalls, payload)
		case frameObservation:
			run.Observations, err = appendJSON(run.Observations, payload)
		case frameStatus:
			run.Statuses, err = appendJSON(run.Statuses, payload)
		default:
			err = fmt.Errorf("%w: its kind %q is not known", errBroken, kind)
		}
		if err != nil {
			return err
		}
	}
}

func appendJSON[T any](to []T, payload []byte) ([]T, error) {
	var value T
	if err := json.Unmarshal(payload, &value); err != nil {
		return to, fmt.Errorf("%w: it does not hold %T: %w", errBroken, value, err)
	}
	return append(to, value), nil
}

// lastObservations keeps the last of each node and source, in the order of their first.
func lastObservations(all []Observation) []Observation {
	type key struct{ node, source string }
	at := map[key]int{}
	var last []Observation
	for _, observation := range all {
		k := key{observation.Node, observation.Source}
		if i, ok := at[k]; ok {
			last[i] = observation
			continue
		}
		at[k] = len(last)
		last = append(last, observation)
	}
	return last
}
