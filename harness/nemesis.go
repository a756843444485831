package harness

import (
	"context"
	"fmt"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// healingTime bounds the healing of one fault, also after the run was interrupted.
const healingTime = 20 * time.Second

// nemesis carries out the planned faults, each in a goroutine of its own, and returns when all are healed.
// A fault that did not take effect is a problem in the record, not an error of the run: the check of what was proven weighs it.
func (r *running) nemesis(ctx context.Context, start time.Time) error {
	return each(stepsOf(r.plan, phaseFault), func(_ int, step history.Step) error {
		if !sleepUntil(ctx, start.Add(step.Start)) {
			return nil
		}
		return r.harm(ctx, step)
	})
}

// harm injects one fault, keeps it for the step's length, and heals it whatever happened meanwhile.
func (r *running) harm(ctx context.Context, step history.Step) error {
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
	if err := injection.Inject(ctx); err != nil {
		r.log.Warn("a fault did not take effect", "step", step.Number, "fault", step.Name, "error", err)
	} else {
		sleepUntil(ctx, until)
	}
	healing, cancel := context.WithTimeout(context.WithoutCancel(ctx), healingTime)
	defer cancel()
	if err := injection.Recover(healing); err != nil {
		r.log.Warn("a fault did not heal", "step", step.Number, "fault", step.Name, "error", err)
	}
	record := injection.Record()
	r.progress.FaultRecovered(record)
	if err := r.writer.Fault(record); err != nil {
		return fmt.Errorf("recording step %d, %s: %w", step.Number, step.Name, err)
	}
	return nil
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
