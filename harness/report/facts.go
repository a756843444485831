package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// A fact is one line of a report, with its label.
type fact struct{ Name, Value string }

// facts are what the summary on a terminal says below its checks, for every kind of report.
func (f *findings) facts() []fact {
	all := f.digest.all
	facts := []fact{{"Load", f.load()}}
	if len(f.digest.slowest) > 0 {
		slowest := f.digest.slowest[0]
		facts = append(facts, fact{"Latency", fmt.Sprintf("half within %s, 99 %% within %s, longest %s (%s on %s at %s)",
			length(all.quantile(0.5)), length(all.quantile(0.99)), length(all.longest), what(slowest), slowest.Node, moment(f.at(slowest.Invoked)))})
	}
	if s := f.digest.silence; s.length() > 0 {
		facts = append(facts, fact{"Stall", fmt.Sprintf("longest %s: nothing returned on %s from %s on",
			length(time.Duration(s.length())), s.node, moment(f.at(s.from)))})
	}
	facts = append(facts, fact{"Converged", f.convergence()})
	if problem := f.problem(); problem != "" {
		facts = append(facts, fact{"Record", "not whole: " + problem})
	}
	if len(f.faults) == 0 {
		return append(facts, fact{"Faults", "none"})
	}
	return append(facts, fact{"Faults", fmt.Sprintf("%d of %d proven and healed", f.proven(), len(f.faults))})
}

// convergence says when all trees were equal, or what kept them from it.
func (f *findings) convergence() string {
	if len(f.Run.Observations) == 0 {
		return "unknown: nothing was observed at the end"
	}
	if after, ok := f.converged(); ok {
		return length(after) + " after the last operation and fault"
	}
	return "no: " + strings.Join(history.Differences(f.Run.Observations, 1), "")
}

// load says how much was done, and what of it.
func (f *findings) load() string {
	total := f.digest.all.total()
	if total == 0 {
		return "no operation was recorded"
	}
	text := fmt.Sprintf("%s in %s", quantity(total, "operation"), length(f.loaded()))
	if seconds := f.loaded().Seconds(); seconds > 0 {
		text += fmt.Sprintf(" (%s/s)", count(uint64(float64(total)/seconds)))
	}
	var parts []string
	var n uint64
	rows := f.latencies() // by kind
	for i, row := range rows {
		n += row.total()
		if i+1 == len(rows) || rows[i+1].kind != row.kind {
			parts, n = append(parts, count(n)+" "+row.kind.String()), 0
		}
	}
	return text + ": " + strings.Join(parts, ", ") + f.troubles()
}

// troubles lists what kept operations from being ok.
func (f *findings) troubles() string {
	var parts []string
	add := func(n uint64, text string) {
		if n > 0 {
			parts = append(parts, count(n)+" "+text)
		}
	}
	add(f.digest.all.failed, "failed")
	add(f.digest.all.unknown-f.digest.all.hung, "of unknown outcome")
	add(f.digest.all.hung, "never returned")
	add(f.missed, "missed")
	if len(parts) == 0 {
		return "; all ok"
	}
	return "; " + strings.Join(parts, ", ")
}
