package report

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// document is result.json. Times are in seconds after the start of the load, lengths in seconds. Fields may be added to it; none
// changes its meaning under the same format number.
type document struct {
	Format    int          `json:"format"`
	Result    string       `json:"result"` // pass, undecided or fail
	Scenario  string       `json:"scenario"`
	Seed      uint64       `json:"seed"`
	Directory string       `json:"directory"`
	Replay    string       `json:"replay"` // the command that does the run again
	Meta      history.Meta `json:"meta"`
	Problem   string       `json:"problem,omitempty"` // why the record is not whole

	Verdicts  []verdictDocument `json:"verdicts"` // the worst first
	Load      loadDocument      `json:"load"`
	Latencies []latencyDocument `json:"latencies"`
	Slowest   []callDocument    `json:"slowest"`
	Stall     stallDocument     `json:"longest_stall"`
	Converged *float64          `json:"converged_after"` // null where it did not
	Faults    []faultDocument   `json:"faults"`
}

type verdictDocument struct {
	Check    string             `json:"check"`
	Result   string             `json:"result"`
	Expected bool               `json:"expected,omitempty"` // it is a fail, and the scenario expects that
	Summary  string             `json:"summary"`
	Evidence []evidenceDocument `json:"evidence"`
	Figures  []history.Figure   `json:"figures"`
}

type evidenceDocument struct {
	Text       string         `json:"text"`
	Operations []callDocument `json:"operations,omitempty"`
	Faults     []int          `json:"faults,omitempty"` // their steps
	Files      []string       `json:"files,omitempty"`  // in the directory of the run

	Events   []eventDocument  `json:"events,omitempty"`   // around the operations of a check that failed
	Statuses []statusDocument `json:"statuses,omitempty"` // of the clients that carried them out, nearest to the last
}

type eventDocument struct {
	At       float64 `json:"at"`
	Node     string  `json:"node"`
	Daemon   string  `json:"daemon"`
	What     string  `json:"what"`
	Expected bool    `json:"expected"` // a fault or the teardown asked for it
	Detail   string  `json:"detail,omitempty"`
}

type statusDocument struct {
	At      float64 `json:"at"`
	Node    string  `json:"node"`
	State   string  `json:"state"`   // of the volume
	Pending uint64  `json:"pending"` // records of the modify log
}

type callDocument struct {
	Node    string   `json:"node"`
	Worker  uint32   `json:"worker"`
	Number  uint64   `json:"number"`
	Kind    string   `json:"kind"`
	Path    string   `json:"path"`
	Target  string   `json:"target,omitempty"`
	At      float64  `json:"at"`
	Took    *float64 `json:"took"` // null where it never returned
	Outcome string   `json:"outcome"`
	Errno   string   `json:"errno,omitempty"`
	HTTP    uint16   `json:"http,omitempty"`
	Content string   `json:"content,omitempty"` // the nonce that was written or seen
	Problem string   `json:"problem,omitempty"`
}

type loadDocument struct {
	Seconds    float64 `json:"seconds"`
	Operations uint64  `json:"operations"`
	OK         uint64  `json:"ok"`
	Failed     uint64  `json:"failed"`
	Unknown    uint64  `json:"unknown"`        // of unknown outcome
	Hung       uint64  `json:"never_returned"` // of these
	Missed     uint64  `json:"missed"`         // should have been started and could not
}

type latencyDocument struct {
	Node    string  `json:"node"`
	Kind    string  `json:"kind"`
	Count   uint64  `json:"count"`
	P50     float64 `json:"p50"`
	P90     float64 `json:"p90"`
	P99     float64 `json:"p99"`
	P999    float64 `json:"p999"`
	Longest float64 `json:"longest"`
}

type stallDocument struct {
	Node    string  `json:"node"`
	At      float64 `json:"at"`
	Seconds float64 `json:"seconds"`
}

type faultDocument struct {
	Step    int      `json:"step"`
	Name    string   `json:"name"`
	Nodes   []string `json:"nodes"`
	At      float64  `json:"at"`
	Until   *float64 `json:"until"` // null where it was not seen to be healed
	Proven  bool     `json:"proven"`
	Proof   string   `json:"proof,omitempty"`
	Problem string   `json:"problem,omitempty"`
}

// JSON prints a result for machines: result.json of the run directory.
func JSON(w io.Writer, result Result) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(result.findings().document()); err != nil {
		return fmt.Errorf("writing the result as JSON: %w", err)
	}
	return nil
}

func (f *findings) document() document {
	d := document{
		Format: 1, Result: f.overall.String(), Scenario: f.Run.Meta.Scenario, Seed: f.Run.Meta.Seed, Directory: f.Dir, Replay: f.replay(),
		Meta: f.Run.Meta, Problem: f.problem(), Verdicts: []verdictDocument{}, Latencies: []latencyDocument{}, Slowest: f.calls(f.digest.slowest), Faults: []faultDocument{},
		Load: loadDocument{
			Seconds: f.loaded().Seconds(), Operations: f.digest.all.total(), OK: f.digest.all.ok, Failed: f.digest.all.failed,
			Unknown: f.digest.all.unknown, Hung: f.digest.all.hung, Missed: f.missed,
		},
		Stall: stallDocument{f.digest.silence.node, f.at(f.digest.silence.from).Seconds(), time.Duration(f.digest.silence.length()).Seconds()},
	}
	for _, verdict := range f.verdicts {
		d.Verdicts = append(d.Verdicts, f.verdict(verdict))
	}
	for _, row := range f.latencies() {
		d.Latencies = append(d.Latencies, latencyDocument{
			row.node, row.kind.String(), row.total(), row.quantile(0.5).Seconds(), row.quantile(0.9).Seconds(),
			row.quantile(0.99).Seconds(), row.quantile(0.999).Seconds(), row.longest.Seconds(),
		})
	}
	if after, ok := f.converged(); ok {
		d.Converged = new(after.Seconds())
	}
	for _, fault := range f.faults {
		doc := faultDocument{
			Step: fault.Step, Name: fault.Name, Nodes: fault.Nodes, At: f.at(fault.Injecting).Seconds(),
			Proven: fault.Proven != 0, Proof: fault.Proof, Problem: fault.Problem,
		}
		if fault.Recovered != 0 {
			doc.Until = new(f.at(fault.Recovered).Seconds())
		}
		d.Faults = append(d.Faults, doc)
	}
	return d
}

func (f *findings) verdict(verdict history.Verdict) verdictDocument {
	c := verdictDocument{
		Check: verdict.Check, Result: verdict.Result.String(), Expected: verdict.Expected, Summary: verdict.Summary,
		Evidence: []evidenceDocument{}, Figures: append([]history.Figure{}, verdict.Figures...),
	}
	for _, e := range verdict.Evidence {
		doc := evidenceDocument{Text: e.Text, Operations: f.calls(e.Operations), Faults: e.Faults, Files: e.Files}
		around := f.around(verdict, e)
		for _, event := range around.events {
			doc.Events = append(doc.Events, eventDocument{
				f.at(event.Time).Seconds(), event.Node, event.Daemon, event.What, event.Expected, event.Detail,
			})
		}
		for _, status := range around.statuses {
			doc.Statuses = append(doc.Statuses, statusDocument{f.at(status.Time).Seconds(), status.Node, status.State, status.Pending})
		}
		c.Evidence = append(c.Evidence, doc)
	}
	return c
}

func (f *findings) calls(operations []history.Operation) []callDocument {
	calls := make([]callDocument, 0, len(operations))
	for _, op := range operations {
		call := callDocument{
			Node: op.Node, Worker: op.Worker, Number: op.Number, Kind: op.Kind.String(), Path: op.Path, Target: op.Target,
			At: f.at(op.Invoked).Seconds(), Outcome: op.Outcome.String(), HTTP: op.HTTP, Content: op.Content.String(), Problem: op.Problem,
		}
		if op.Completed != 0 {
			call.Took = new(took(op).Seconds())
		}
		if op.Errno != 0 {
			call.Errno = errnoName(op)
		}
		calls = append(calls, call)
	}
	return calls
}
