package checks

import (
	"fmt"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// quick is what a call takes at most that counts as one that did not have to wait.
const quick = time.Second

// responsive holds how long was waited during the load against the limits that the scenario sets: what 99 of 100 calls take, for how long the calls of
// a client wait without one that returns, and how soon they are quick again when what hindered that client was healed. Calls count for the first two
// that no fault hindered from their begin to their end.
func responsive(run *history.Run) history.Verdict {
	r := &responsiveness{judgement: judge(run, "responsive"), limits: run.Meta.Limits, begin: loadBegin(run), slowest: -1}
	if problem := notWhole(run); problem != "" {
		return r.undecided("%s", problem)
	}
	r.last = end(run)
	for _, client := range run.Meta.Clients {
		r.client(client)
	}
	p99 := min(r.latencies.quantile(0.99), r.longest)
	r.figure("calls that no fault hindered", float64(r.latencies.count), "")
	r.figure("99 % of them within", p99.Seconds(), "s")
	r.figure("longest stall of a client", r.stall.Seconds(), "s")
	r.figure("quick again after", r.recovered.Seconds(), "s")
	if r.latencies.count == 0 && r.limits.P99+r.limits.Stall > 0 {
		r.doubt("no call of the load is known that no fault hindered")
	}
	if r.limits.P99 > 0 && p99 > r.limits.P99 {
		text := fmt.Sprintf("99 %% of %s that no fault hindered took up to %v, and may take %v", count(r.latencies.count, "call"), round(p99), r.limits.P99)
		r.fail(history.Evidence{Text: text, Operations: []history.Operation{run.Operations.At(r.slowest)}})
	}
	return r.verdict("99 %% of %s that no fault hindered took up to %v, and the calls of a client waited for %v at most without one that returned",
		count(r.latencies.count, "call"), round(p99), round(r.stall))
}

type responsiveness struct {
	*judgement
	limits      history.Limits
	begin, last history.Time
	latencies   latencies
	longest     time.Duration // of the same
	slowest     int           // which that was, -1 for none
	stall       time.Duration
	recovered   time.Duration

	invoked, completed []history.Time // of a client, whose memory is used again
}

// loadBegin is when the first task of the load began, 0 where that is not known.
func loadBegin(run *history.Run) (begin history.Time) {
	prepares := map[int]bool{}
	for i := range run.Plan {
		prepares[run.Plan[i].Number] = run.Plan[i].Phase == "prepare"
	}
	for i := range run.Loads {
		if at := run.Loads[i].Begun; at != 0 && !prepares[run.Loads[i].Step] && (begin == 0 || at < begin) {
			begin = at
		}
	}
	return begin
}

// client judges the calls of one client.
func (r *responsiveness) client(client string) {
	hindered := hindrances(r.run, client)
	r.invoked, r.completed = r.invoked[:0], r.completed[:0]
	var slow recovery
	own := make([]bool, r.run.Operations.Workers())
	for worker := range own {
		own[worker] = r.run.Operations.Node(uint32(worker)) == client
	}
	for i, row := range r.run.Operations.Rows() {
		if row.Invoked < r.begin || !own[row.Worker] {
			continue
		}
		ended := row.Completed
		if ended == 0 {
			ended = r.last
		}
		if took := time.Duration(ended - row.Invoked); took > quick {
			slow.take(hindered, i, ended)
		}
		if hindered.Overlap(history.Interval{From: row.Invoked, To: ended + 1}) > 0 {
			continue
		}
		r.add(i, row, ended)
	}
	r.silence(client)
	r.recovery(client, slow)
}

// add takes in a call that no fault hindered.
func (r *responsiveness) add(i int, row *history.Row, ended history.Time) {
	took := time.Duration(ended - row.Invoked)
	r.latencies.add(took)
	if took > r.longest || r.slowest < 0 {
		r.longest, r.slowest = took, i
	}
	r.invoked, r.completed = append(r.invoked, row.Invoked), append(r.completed, row.Completed)
}

// silence looks for how long the calls of a client waited without one that returned.
func (r *responsiveness) silence(client string) {
	silence := history.LongestSilence(r.invoked, r.completed, r.last)
	r.stall = max(r.stall, silence.Length())
	if r.limits.Stall == 0 || silence.Length() <= r.limits.Stall {
		return
	}
	evidence := history.Evidence{Text: fmt.Sprintf("calls on %s that no fault hindered waited for %v and none returned, and may wait for %v",
		client, round(silence.Length()), r.limits.Stall)}
	for i, row := range r.run.Operations.Rows() {
		if row.Invoked <= silence.From && (row.Completed == 0 || row.Completed >= silence.To) && r.run.Operations.Node(row.Worker) == client {
			evidence.Operations = append(evidence.Operations, r.run.Operations.At(i))
			break
		}
	}
	evidence.Faults = faultsAround(r.run, silence.From, silence.To)
	r.fail(evidence)
}

// recovery is the call of a client that was slow the longest after something had been healed that hindered the client.
type recovery struct {
	row    int
	healed history.Time
	after  time.Duration
}

// take looks at a call that was not quick. While something hinders it in its end, nobody knows what it would have taken.
func (r *recovery) take(hindered history.Intervals, i int, ended history.Time) {
	if hindered.Contains(ended) {
		return
	}
	var healed history.Time
	for _, one := range hindered {
		if one.To <= ended {
			healed = one.To
		}
	}
	if after := time.Duration(ended - healed); healed != 0 && after > r.after {
		*r = recovery{i, healed, after}
	}
}

// recovery judges how soon a client was quick again.
func (r *responsiveness) recovery(client string, last recovery) {
	r.recovered = max(r.recovered, last.after)
	if r.limits.Recover == 0 || last.after <= r.limits.Recover {
		return
	}
	op := r.run.Operations.At(last.row)
	r.fail(history.Evidence{
		Text: fmt.Sprintf("%s was slow until %v after what had hindered %s was healed, and calls may be so for %v",
			describe(&op), round(last.after), client, r.limits.Recover),
		Operations: []history.Operation{op}, Faults: faultsAround(r.run, last.healed-1, last.healed+history.Time(last.after)),
	})
}
