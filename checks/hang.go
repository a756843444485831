package checks

import (
	"fmt"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// noHang holds every call against Limits.Hang. Time in which the own daemon of the client was down or stood still by a fault does not
// count, and of who asks for pages neither that of its web server; a cut link is no excuse. What a client has it must give within Limits.Cached, also
// with every server gone.
func noHang(run *history.Run) history.Verdict {
	h := &hangs{
		judgement: judge(run, "no-hang"), bound: run.Meta.Limits.Hang, last: end(run), stillOn: run.Standstills(), closedOn: run.Visits(), stalls: stallsByCall(run),
		longestOn: map[string]time.Duration{},
	}
	for i := range run.Faults {
		h.healed = max(h.healed, run.Faults[i].Recovered)
	}
	h.still = byWorker(run.Operations, h.stillOn)
	h.closed = byWorker(run.Operations, h.closedOn)
	switch {
	case h.bound <= 0:
		return h.undecided("the run has no bound for hangs")
	case run.Operations.Len() == 0 && len(run.Stalls) == 0:
		return h.undecided("no operation was recorded")
	}
	cached := newCachedReads(h.judgement)
	for i, row := range run.Operations.Rows() {
		h.look(i, row)
		cached.look(i, row)
	}
	h.lookAtStalls()
	h.lookAtObservers()
	if run.Truncated != "" {
		h.doubt("calls may have hung later: %s", run.Truncated)
	}
	h.figure("longest call", h.longest.Seconds(), "s")
	for _, q := range []struct {
		name string
		part float64
	}{{"half of the calls within", 0.5}, {"99 % of the calls within", 0.99}, {"99.9 % of the calls within", 0.999}} {
		h.figure(q.name, min(h.latencies.quantile(q.part), h.longestRaw).Seconds(), "s")
	}
	h.figure("never returned", float64(h.never), "calls")
	for _, node := range run.Meta.Clients {
		h.figure("longest call on "+node, h.longestOn[node].Seconds(), "s")
	}
	h.figure("longest call after the last fault", h.longestAfter.Seconds(), "s")
	return h.verdict("the longest of %s took %v of the %v that it may", count(run.Operations.Len(), "call"), round(h.longest), h.bound)
}

type hangs struct {
	*judgement
	bound     time.Duration
	last      history.Time
	stillOn   map[string]history.Intervals // by node
	still     []history.Intervals          // by worker
	closedOn  map[string]history.Intervals // when nobody was to wait for pages, by node
	closed    []history.Intervals          // by worker
	stalls    map[call]int                 // the last stall of a call
	latencies latencies                    // of the calls that returned, as who called saw them
	longest   time.Duration                // without what faults excuse
	// longestRaw is with it.
	longestRaw   time.Duration
	longestOn    map[string]time.Duration // of each client
	longestAfter time.Duration            // of those that were made when the last fault had been healed
	healed       history.Time             // when that was
	never        int
}

// A call is one operation, as a stall and an operation know it.
type call struct {
	node    string
	invoked history.Time
	kind    history.Kind
	path    string
}

func stallsByCall(run *history.Run) map[call]int {
	stalls := make(map[call]int, len(run.Stalls))
	for i := range run.Stalls {
		s := &run.Stalls[i]
		stalls[call{s.Node, s.Invoked, s.Kind, s.Path}] = i
	}
	return stalls
}

// look judges one operation.
func (h *hangs) look(i int, row *history.Row) {
	until := row.Completed
	if until == 0 {
		h.never++
		if until = h.run.Operations.Abandoned(row); until == 0 {
			until = h.last
		}
	} else {
		h.latencies.add(time.Duration(until - row.Invoked))
		h.longestRaw = max(h.longestRaw, time.Duration(until-row.Invoked))
	}
	raw := time.Duration(until - row.Invoked)
	counted := raw
	after := row.Invoked >= h.healed
	if node := h.run.Operations.Node(row.Worker); raw > h.longestOn[node] || raw > h.bound || after && raw > h.longestAfter {
		still := h.still
		if row.Kind == history.Page {
			still = h.closed
		}
		counted -= still[row.Worker].Overlap(history.Interval{From: row.Invoked, To: until})
		h.longest = max(h.longest, counted)
		h.longestOn[node] = max(h.longestOn[node], counted)
		if after {
			h.longestAfter = max(h.longestAfter, counted)
		}
	}
	switch {
	case counted > h.bound:
		h.hung(i, row, counted)
	case row.Completed == 0 && raw <= h.bound && len(h.run.Missing) == 0:
		op := h.run.Operations.At(i)
		h.doubt("%s had not returned after %v, and was not watched any longer", describe(&op), round(counted))
	}
}

// hung notes a call that took too long.
func (h *hangs) hung(i int, row *history.Row, counted time.Duration) {
	op := h.run.Operations.At(i)
	evidence := history.Evidence{Operations: []history.Operation{op}, Faults: faultsAround(h.run, op.Invoked, op.Invoked+history.Time(counted))}
	key := call{op.Node, op.Invoked, op.Kind, op.Path}
	if stall, ok := h.stalls[key]; ok {
		evidence.Files = h.run.Stalls[stall].Files
		delete(h.stalls, key)
	}
	if row.Completed == 0 {
		evidence.Text = fmt.Sprintf("%s had not returned after %v, and may take %v", describe(&op), round(counted), h.bound)
		if h.run.Operations.Abandoned(row) == 0 && len(h.run.Missing) > 0 {
			h.doubt("%s, but the record of its node breaks off", evidence.Text)
			return
		}
	} else {
		evidence.Text = fmt.Sprintf("%s took %v, and may take %v", describe(&op), round(counted), h.bound)
	}
	h.fail(evidence)
}

// lookAtStalls judges stalls that no operation accounted for: of calls that are not in the record, or that returned in time.
func (h *hangs) lookAtStalls() {
	for i := range h.run.Stalls {
		s := &h.run.Stalls[i]
		if at, ok := h.stalls[call{s.Node, s.Invoked, s.Kind, s.Path}]; !ok || at != i {
			continue
		}
		seen := history.Interval{From: s.Invoked, To: s.Seen}
		still := h.stillOn
		if s.Kind == history.Page {
			still = h.closedOn
		}
		counted := seen.Length() - still[s.Node].Overlap(seen)
		if counted <= h.bound {
			continue
		}
		h.longest = max(h.longest, counted)
		h.fail(history.Evidence{
			Text:   fmt.Sprintf("%s %s on %s had not returned after %v, and may take %v", s.Kind, s.Path, s.Node, round(counted), h.bound),
			Faults: faultsAround(h.run, s.Invoked, s.Seen), Files: s.Files,
		})
	}
}

// lookAtObservers judges the calls of those who observed the trees in the end.
func (h *hangs) lookAtObservers() {
	for i := range h.run.Observations {
		o := &h.run.Observations[i]
		if o.Hung == nil {
			continue
		}
		counted := o.Hung.After - h.stillOn[o.Node].Overlap(history.Interval{From: o.Time - history.Time(o.Hung.After), To: o.Time})
		if counted <= h.bound {
			continue
		}
		h.longest = max(h.longest, counted)
		h.fail(history.Evidence{
			Text:   fmt.Sprintf("%s on %s, by who observed its tree, had not returned after %v, and may take %v", o.Hung.Call, o.Node, round(counted), h.bound),
			Faults: lastFaults(h.run),
		})
	}
}

// describe names an operation.
func describe(op *history.Operation) string {
	text := op.Kind.String() + " " + op.Path
	if op.Target != "" {
		text += " -> " + op.Target
	}
	return text + " on " + op.Node
}

// round makes a length of time short to read.
func round(d time.Duration) time.Duration {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond)
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond)
	}
	return d
}
