package harness

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/codastress/codastress/harness/history"
)

// triggers count the operations of the load, and tell the faults that wait for so many of them. They learn of an operation when it is recorded, at most a tenth
// of a second after it was done.
type triggers struct {
	mu  sync.Mutex
	all map[int]*trigger // by the number of the step
}

// A trigger is one step's. It is pulled once.
type trigger struct {
	history.Trigger
	seen   int
	pulled chan struct{} // closed when it is
}

// newTriggers has a trigger for each step that waits for one.
func newTriggers(plan []history.Step) *triggers {
	t := &triggers{all: map[int]*trigger{}}
	for _, step := range plan {
		if step.When != nil && step.When.Failpoint == "" {
			t.all[step.Number] = &trigger{Trigger: *step.When, pulled: make(chan struct{})}
		}
	}
	return t
}

// see counts the operations of a chunk.
func (t *triggers) see(chunk []byte) error {
	if t == nil || len(t.all) == 0 {
		return nil
	}
	operations, err := history.Chunks(chunk)
	if err != nil {
		return fmt.Errorf("counting operations: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for op := range operations.All() {
		for _, waiting := range t.all {
			waiting.count(&op)
		}
	}
	return nil
}

func (t *trigger) count(op *history.Operation) {
	if op.Outcome != history.OK || op.Kind != t.Operation || t.Node != "" && op.Node != t.Node || t.seen == t.Count {
		return
	}
	if t.seen++; t.seen == t.Count {
		close(t.pulled)
	}
}

// await waits for the trigger of a step, and says why it was not pulled before the load was over; "" where it was, or ctx has ended.
func (t *triggers) await(ctx context.Context, step history.Step, loaded <-chan struct{}) (problem string) {
	waiting := t.all[step.Number]
	select {
	case <-waiting.pulled:
		return ""
	case <-ctx.Done():
		return ""
	case <-loaded:
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if waiting.seen == waiting.Count {
		return ""
	}
	return fmt.Sprintf("it waited for %v, and the load was over after %d", waiting.Trigger, waiting.seen)
}

// await waits for what a step waits for, and says why it did not come before the load was over; "" where it did, or ctx has ended. What stands still at a
// failpoint goes on when goOn is called.
func (r *running) await(ctx context.Context, step history.Step, loaded <-chan struct{}) (goOn func(), problem string) {
	goOn = func() {}
	if step.When.Failpoint == "" {
		return goOn, r.triggers.await(ctx, step, loaded)
	}
	node, err := r.cluster.Node(step.When.Node)
	if err != nil {
		return goOn, err.Error()
	}
	loading, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		defer cancel()
		select {
		case <-loaded:
		case <-loading.Done():
		}
	})
	found, err := node.AwaitFailpoint(loading, step.When.Failpoint, step.When.Count)
	cancel()
	watching.Wait()
	switch {
	case err == nil:
		return found, ""
	case ctx.Err() != nil:
		return goOn, ""
	}
	return goOn, fmt.Sprintf("it waited for %v, and the load was over: %v", step.When, err)
}

// occupation is which nodes faults are at. Those that the plan places know their times; one that is triggered comes at any time, and must not meet another
// on a node.
type occupation struct {
	mu     sync.Mutex
	steps  []history.Step
	change chan struct{} // closed and replaced when a fault has gone
}

func newOccupation() *occupation { return &occupation{change: make(chan struct{})} }

// enter waits until a fault can come, and says whether it does: not if ctx ends before. Who enters leaves.
func (o *occupation) enter(ctx context.Context, step history.Step) bool {
	for {
		o.mu.Lock()
		met := slices.ContainsFunc(o.steps, func(other history.Step) bool {
			return (step.When != nil || other.When != nil) && shareNode(step, other)
		})
		if !met {
			o.steps = append(o.steps, step)
			o.mu.Unlock()
			return true
		}
		change := o.change
		o.mu.Unlock()
		select {
		case <-change:
		case <-ctx.Done():
			return false
		}
	}
}

func (o *occupation) leave(step history.Step) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.steps = slices.DeleteFunc(o.steps, func(other history.Step) bool { return other.Number == step.Number })
	close(o.change)
	o.change = make(chan struct{})
}
