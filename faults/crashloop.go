package faults

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// CrashLoop kills a daemon again as soon as it is ready, over and over.
type CrashLoop struct {
	Daemon string // cluster.Venus or cluster.Codasrv
}

var _ Fault = CrashLoop{}

// crashPause is how long a daemon in a crash loop may work after it is ready: not long enough to get done with what it does at its start.
const crashPause = 300 * time.Millisecond

// Name implements Fault.
func (c CrashLoop) Name() string { return "crash-loop-" + c.Daemon }

// Doc implements Fault.
func (c CrashLoop) Doc() string {
	return c.Daemon + " is killed with SIGKILL and started again, and is killed soon after it is ready, over and over"
}

// Applies implements Fault.
func (c CrashLoop) Applies(topology Topology) error {
	return appliesToDaemon(c.Name(), c.Daemon, topology)
}

// Targets implements Fault: each node that runs the daemon.
func (c CrashLoop) Targets(topology Topology) [][]string { return singles(nodesOf(c.Daemon, topology)) }

// Cuts implements Fault.
func (CrashLoop) Cuts(step history.Step) []history.Cut { return daemonCut(step) }

// Prepare implements Fault.
func (c CrashLoop) Prepare(handles Handles, step history.Step) (*Injection, error) {
	victim, err := victimOf(handles, step, c.Daemon)
	if err != nil {
		return nil, fmt.Errorf("preparing %s: %w", c.Name(), err)
	}
	return newInjection(c, step, &crashes{killing: killing{victim}}), nil
}

// crashes is one series of deaths of one daemon.
type crashes struct {
	killing
	series

	mu    sync.Mutex
	count int   // deaths so far
	why   error // why the last round failed
}

// inject kills the daemon, and goes on with the series until recover.
func (c *crashes) inject(ctx context.Context) error {
	if err := c.killing.inject(ctx); err != nil {
		return err
	}
	c.note(c.died(ctx))
	c.begin(ctx, func(ctx context.Context) { c.note(c.round(ctx)) })
	return nil
}

// round starts the daemon, lets it work for a moment, and kills it.
func (c *crashes) round(ctx context.Context) error {
	starting, cancel := context.WithTimeout(context.WithoutCancel(ctx), proofTime) // a start that is broken off looks as if the daemon had ended by itself
	err := c.killing.recover(starting)
	cancel()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(crashPause):
	}
	if err != nil {
		return err
	}
	if err := c.node.Kill(ctx, c.daemon); err != nil {
		return err
	}
	return c.died(ctx)
}

// died returns nil when the daemon is dead.
func (c *crashes) died(ctx context.Context) error {
	now, err := c.look(ctx)
	if err == nil && now.State != cluster.StateExited {
		err = fmt.Errorf("%s on %s is still %s", c.daemon, c.node.Name(), now.State)
	}
	return err
}

// note counts a death, or says why there was none.
func (c *crashes) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		c.count++
	case !errors.Is(err, context.Canceled):
		c.why = err
	}
}

func (c *crashes) prove(context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count < 2 {
		if c.why != nil {
			return "", c.why
		}
		return "", errors.New("it has died only once")
	}
	return fmt.Sprintf("%s on %s has died %d times", c.daemon, c.node.Name(), c.count), nil
}

func (c *crashes) recover(ctx context.Context) error {
	c.end()
	return c.killing.recover(ctx)
}
