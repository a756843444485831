package report

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io"

	"github.com/codastress/codastress/harness/history"
)

//go:embed report.gohtml
var pageText string

//go:embed report.css
var pageStyle string

// page is what the template shows: every value as the text that a person reads.
type page struct {
	Style        template.CSS
	Overall      string
	Meta         history.Meta
	Setting      string
	Checks       []pageCheck
	Facts        []fact
	Timeline     template.HTML
	Latencies    []pageLatency
	Faults       []pageFault
	Hung         []string
	Slowest      []string
	Observations []pageObservation
	Events       []pageEvent
	Plan         []pageStep
	Replay       string
}

type pageCheck struct {
	Name, Verdict, Summary string
	Evidence               []pageEvidence
	Figures                []fact
}

type pageEvidence struct {
	Text       string
	Operations []string
	Faults     []string
	Around     []string
	Files      []string
}

type pageLatency struct {
	Node, Kind, Count, Bad string
	Quantiles              []string
}

type pageFault struct {
	Step                       int
	Name, When, Proof, Problem string
}

type pageObservation struct {
	Node, Source, Objects, Tree, Pending, State string
	Problems                                    []string
}

type pageEvent struct {
	At, Node, Daemon, What, Detail string
	Bad                            bool
}

type pageStep struct {
	Number            int
	Phase, Name, Task string
	Nodes             []string
	Start, Length     string
}

// HTML prints a result as one page that needs nothing beside it: report.html of the run directory. Its size does not grow with the
// number of operations.
func HTML(w io.Writer, result Result) error {
	t, err := template.New("report").Parse(pageText)
	if err != nil {
		return fmt.Errorf("reading the template of the report: %w", err)
	}
	if err := t.Execute(w, result.findings().page()); err != nil {
		return fmt.Errorf("writing the result as HTML: %w", err)
	}
	return nil
}

func (f *findings) page() page {
	p := page{
		Style: template.CSS(pageStyle), Overall: f.overall.String(), Meta: f.Run.Meta, Setting: f.setting(),
		Facts: f.facts(), Timeline: f.timeline(), Hung: f.operations(f.digest.hung), Slowest: f.operations(f.digest.slowest), Replay: f.replay(),
	}
	for _, verdict := range f.verdicts {
		p.Checks = append(p.Checks, f.pageCheck(verdict))
	}
	for _, row := range f.latencies() {
		line := pageLatency{Node: row.node, Kind: row.kind.String(), Count: count(row.total()), Bad: count(row.failed + row.unknown)}
		for _, q := range []float64{0.5, 0.9, 0.99, 0.999, 1} {
			line.Quantiles = append(line.Quantiles, length(row.quantile(q)))
		}
		p.Latencies = append(p.Latencies, line)
	}
	for _, fault := range f.faults {
		p.Faults = append(p.Faults, pageFault{fault.Step, faultName(fault), f.interval(fault), fault.Proof, fault.Problem})
	}
	for _, observation := range f.Run.Observations {
		p.Observations = append(p.Observations, pageObserved(observation))
	}
	for _, event := range f.Run.Events {
		p.Events = append(p.Events, pageEvent{moment(f.at(event.Time)), event.Node, event.Daemon, event.What, event.Detail, event.What == "exited" && !event.Expected})
	}
	for _, step := range f.Run.Plan {
		line := pageStep{Number: step.Number, Phase: step.Phase, Name: step.Name, Task: step.Task, Nodes: step.Nodes, Start: begins(step)}
		if step.Length > 0 {
			line.Length = length(step.Length)
		}
		p.Plan = append(p.Plan, line)
	}
	return p
}

func (f *findings) pageCheck(verdict history.Verdict) pageCheck {
	c := pageCheck{Name: verdict.Check, Verdict: word(verdict), Summary: verdict.Summary}
	for _, e := range verdict.Evidence {
		evidence := pageEvidence{
			Text: e.Text, Operations: f.operations(e.Operations), Around: f.lines(f.around(verdict, e), mostEvents), Files: e.Files,
		}
		for _, step := range e.Faults {
			evidence.Faults = append(evidence.Faults, f.faultText(step))
		}
		c.Evidence = append(c.Evidence, evidence)
	}
	for _, one := range verdict.Figures {
		c.Figures = append(c.Figures, fact{one.Name, figure(one.Value, one.Unit)})
	}
	return c
}

func (f *findings) operations(operations []history.Operation) []string {
	var lines []string
	for _, op := range operations {
		lines = append(lines, f.operation(op))
	}
	return lines
}

func pageObserved(o history.Observation) pageObservation {
	row := pageObservation{
		Node: o.Node, Source: o.Source, Objects: count(len(o.Objects)), Tree: treeDigest(o.Objects), Pending: count(o.Pending), State: o.State,
		Problems: o.Problems,
	}
	if o.Error != "" {
		row.Problems = append(row.Problems, o.Error)
	}
	for _, conflict := range o.Conflicts {
		row.Problems = append(row.Problems, fmt.Sprintf("conflict: %s of %s: %s", conflict.Operation, conflict.Path, conflict.Why))
	}
	return row
}

// treeDigest is short, and the same for equal trees.
func treeDigest(objects []history.Object) string {
	sum := sha256.New()
	for _, o := range objects {
		fmt.Fprintf(sum, "%q %q %o %d %d %q\n", o.Path, o.Kind, o.Mode, o.Length, o.Links, o.Digest)
	}
	return hex.EncodeToString(sum.Sum(nil))[:12]
}
