package harness

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// prepare carries out the preparing steps one after the other: the tree that the load will work on.
func (r *running) prepare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, prepareTime)
	defer cancel()
	for _, step := range stepsOf(r.plan, phasePrepare) {
		if err := r.task(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// repair carries out the repairing steps one after the other, once all that can converge by itself has.
func (r *running) repair(ctx context.Context) error {
	steps := stepsOf(r.plan, phaseRepair)
	if len(steps) == 0 {
		return nil
	}
	r.awaitConverged(ctx)
	r.progress.Phase("repairing")
	ctx, cancel := context.WithTimeout(ctx, r.scenario.Limits.Converge)
	defer cancel()
	for _, step := range steps {
		if err := r.task(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// load carries out the loading steps, each from its start, and returns when all are done.
func (r *running) load(ctx context.Context, start time.Time) error {
	return each(stepsOf(r.plan, phaseLoad), func(_ int, step history.Step) error {
		if !sleepUntil(ctx, start.Add(step.Start)) {
			return ctx.Err()
		}
		return r.task(ctx, step)
	})
}

// task runs one step of the workload on all its nodes and streams what they do to the history.
func (r *running) task(ctx context.Context, step history.Step) error {
	return each(step.Nodes, func(_ int, name string) error {
		node, err := r.cluster.Node(name)
		if err != nil {
			return fmt.Errorf("step %d, %s: %w", step.Number, step.Task, err)
		}
		begun := history.Now()
		load, err := node.RunTask(ctx, step, r.append)
		if err != nil {
			return fmt.Errorf("%w: step %d, %s %s on %s: %w", ErrTask, step.Number, step.Name, step.Task, name, err)
		}
		load.Step, load.Node, load.Begun = step.Number, name, begun
		r.note(r.writer.Load(load))
		return nil
	})
}

// append adds a chunk of operations to the history.
func (r *running) append(chunk []byte) {
	r.note(errors.Join(r.writer.Append(chunk), r.triggers.see(chunk)))
	r.progress.Chunk(chunk)
}

// each calls do for every item and its index at the same time, waits for all, and joins their errors.
func each[T any](items []T, do func(int, T) error) error {
	errs := make([]error, len(items))
	var all sync.WaitGroup
	for i, item := range items {
		all.Go(func() { errs[i] = do(i, item) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// prepareTime bounds the preparation of a run: nothing is harmed yet, so it is never slow for a good reason.
const prepareTime = 2 * time.Minute
