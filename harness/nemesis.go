package harness

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// healingTime bounds the healing of one fault, also after the run was interrupted.
const healingTime = 20 * time.Second

// nemesis carries out the planned faults, each in a goroutine of its own, and returns when all are healed. A fault waits for those
// before it that share a node with it, where their healing takes longer than planned, and then as long as was planned between them, at most
// the scenario's gap. Those that are planned to overlap do.
// A fault that is triggered waits for those that are at its nodes, whatever was planned, and they wait for it. loaded is closed when the load is over.
// A fault that did not take effect is a problem in the record, not an error of the run: the check of what was proven weighs it.
func (r *running) nemesis(ctx context.Context, start time.Time, loaded <-chan struct{}) error {
	steps := stepsOf(r.plan, phaseFault)
	nodes := newOccupation()
	healed := make([]healing, len(steps))
	for i := range healed {
		healed[i].done = make(chan struct{})
	}
	return each(steps, func(i int, step history.Step) error {
		defer close(healed[i].done)
		from, goOn := start, func() {}
		defer func() { goOn() }()
		if step.When != nil {
			var problem string
			if goOn, problem = r.await(ctx, step, loaded); problem != "" {
				r.note(r.writer.Fault(history.Fault{Step: step.Number, Name: step.Name, Nodes: step.Nodes, Problem: problem}))
				return nil
			}
			from = time.Now()
			if step.Start > 0 {
				goOn()
			}
		}
		if !sleepUntil(ctx, from.Add(step.Start)) {
			return nil
		}
		for j, before := range steps[:i] {
			planned := step.Start - before.Start - before.Length
			if before.When == nil && step.When == nil && shareNode(before, step) && planned >= 0 {
				<-healed[j].done
				sleepUntil(ctx, healed[j].at.Add(min(planned, r.scenario.Faults.Gap)))
			}
		}
		if ctx.Err() != nil || !nodes.enter(ctx, step) {
			return nil
		}
		defer nodes.leave(step)
		defer func() { healed[i].at = time.Now() }()
		return r.harm(ctx, step, goOn)
	})
}

// healing is when a fault was healed, once done is closed; it is zero for one that was not there.
type healing struct {
	done chan struct{}
	at   time.Time
}

// shareNode says whether two faults hit a node in common.
func shareNode(a, b history.Step) bool {
	return slices.ContainsFunc(a.Nodes, func(node string) bool { return slices.Contains(b.Nodes, node) })
}

// harm injects one fault, lets go on what it found, keeps it for the step's length, and heals it whatever happened meanwhile.
func (r *running) harm(ctx context.Context, step history.Step, goOn func()) error {
	fault, err := r.catalog.Fault(step.Name)
	if err != nil {
		return err
	}
	injection, err := fault.Prepare(r.cluster, step)
	if err != nil {
		return fmt.Errorf("preparing step %d, %s: %w", step.Number, step.Name, err)
	}
	until := time.Now().Add(step.Length)
	r.progress.FaultInjecting(step)
	ended := r.standing.begin(injection.Record().Cuts)
	if err := injection.Inject(ctx); err != nil {
		r.log.Warn("a fault did not take effect", "step", step.Number, "fault", step.Name, "error", err)
	} else {
		goOn()
		sleepUntil(ctx, latest(until, r.least(step, injection.Record())))
	}
	healing, cancel := context.WithTimeout(context.WithoutCancel(ctx), healingTime)
	defer cancel()
	if err := injection.Recover(healing); err != nil {
		r.log.Warn("a fault did not heal", "step", step.Number, "fault", step.Name, "error", err)
	}
	record := injection.Record()
	ended(record)
	r.progress.FaultRecovered(record)
	r.note(r.writer.Fault(record))
	return nil
}

// least is when a fault that is there can be healed: an injection that takes long leaves little of the step's length.
func (r *running) least(step history.Step, record history.Fault) time.Time {
	since := time.Duration(history.Now() - record.Injected)
	return time.Now().Add(min(step.Length, r.scenario.Faults.Least) - since)
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// sleepUntil waits for a moment, and says whether it came before ctx ended.
func sleepUntil(ctx context.Context, moment time.Time) bool {
	timer := time.NewTimer(time.Until(moment))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
