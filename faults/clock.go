package faults

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// ClockJump sets the wall clock of the machine of a daemon to a wrong time, and back to heal. What measures durations goes on as it did, as on any
// machine whose clock is set. Only a simulation can do that.
type ClockJump struct {
	Daemon string // cluster.Venus or cluster.Codasrv
}

var _ Fault = ClockJump{}

// Name implements Fault.
func (c ClockJump) Name() string { return "clock-jump-" + c.Daemon }

// Doc implements Fault.
func (c ClockJump) Doc() string {
	return "the wall clock on the machine of " + c.Daemon + " is wrong by a second to a week, ahead or behind, and may go too fast or too slowly; only in a simulation"
}

// OnlyIn implements the question of the same name.
func (ClockJump) OnlyIn() string { return Simulation }

// Applies implements Fault.
func (c ClockJump) Applies(topology Topology) error {
	return appliesToDaemon(c.Name(), c.Daemon, topology)
}

// Targets implements Fault.
func (c ClockJump) Targets(topology Topology) [][]string { return singles(nodesOf(c.Daemon, topology)) }

// Cuts implements Fault. Nothing that is promised depends on what time it is.
func (ClockJump) Cuts(history.Step) []history.Cut { return nil }

// Prepare implements Fault.
func (c ClockJump) Prepare(handles Handles, step history.Step) (*Injection, error) {
	victim, err := victimOf(handles, step, c.Daemon)
	if err != nil {
		return nil, fmt.Errorf("preparing %s: %w", c.Name(), err)
	}
	return newInjection(c, step, &wrongClock{victim: victim, state: drawClock(step.Seed)}), nil
}

const (
	// leastWrong is the least that a clock jumps, and mostWrong the most.
	leastWrong, mostWrong = time.Second, 7 * 24 * time.Hour
	// leastDrift is the least drift of a clock that has one, and mostDrift the most: from that of a bad quartz to that of a broken machine.
	leastDrift, mostDrift = 1e-5, 0.1
	// clockSlack is how far a clock may be from what it was set to when it is asked, which takes no longer.
	clockSlack = 100 * time.Millisecond
)

// drawClock draws how wrong a clock is. A second is as likely as an hour; half of the clocks drift as well.
func drawClock(seed uint64) cluster.ClockState {
	random := rand.New(rand.NewPCG(seed, 2))
	between := func(least, most float64) float64 {
		drawn := least * math.Exp(random.Float64()*math.Log(most/least))
		if random.IntN(2) == 0 {
			return -drawn
		}
		return drawn
	}
	state := cluster.ClockState{Offset: time.Duration(between(float64(leastWrong), float64(mostWrong)))}
	if random.IntN(2) == 0 {
		state.Drift = between(leastDrift, mostDrift)
	}
	return state
}

// wrongClock is one clock that is wrong for a while.
type wrongClock struct {
	victim
	state cluster.ClockState
	since time.Time // when it was set
}

func (w *wrongClock) inject(ctx context.Context) error {
	if err := w.meet(ctx); err != nil {
		return err
	}
	w.since = time.Now()
	return w.node.SetClock(ctx, w.state)
}

// prove asks the daemon for the time.
func (w *wrongClock) prove(ctx context.Context) (string, error) {
	wrong, err := w.wrong(ctx)
	if err != nil {
		return "", err
	}
	want := w.state.Offset + time.Duration(w.state.Drift*float64(time.Since(w.since)))
	if off := (wrong - want).Abs(); off > clockSlack {
		return "", fmt.Errorf("the clock of %s on %s is %s, and should be %s", w.daemon, w.node.Name(), sayWrong(wrong), sayWrong(want))
	}
	return fmt.Sprintf("the clock of %s on %s is %s", w.daemon, w.node.Name(), sayWrong(wrong)), nil
}

// wrong is how far the daemon's clock is ahead.
func (w *wrongClock) wrong(ctx context.Context) (time.Duration, error) {
	said, err := w.node.Clock(ctx, w.daemon)
	if err != nil {
		return 0, err
	}
	return time.Until(said), nil
}

func sayWrong(wrong time.Duration) string {
	if wrong < 0 {
		return fmt.Sprintf("%v behind", -wrong)
	}
	return fmt.Sprintf("%v ahead", wrong)
}

func (w *wrongClock) recover(ctx context.Context) error {
	return w.node.SetClock(ctx, cluster.ClockState{})
}

func (w *wrongClock) proveRecovered(ctx context.Context) (string, error) {
	wrong, err := w.wrong(ctx)
	if err != nil {
		return "", err
	}
	if wrong.Abs() > clockSlack {
		return "", fmt.Errorf("the clock of %s on %s is still %s", w.daemon, w.node.Name(), sayWrong(wrong))
	}
	if _, err := w.ready(ctx); err != nil {
		return "", err
	}
	if err := w.reachable(ctx); err != nil {
		return "", err
	}
	return fmt.Sprintf("the clock of %s on %s is right", w.daemon, w.node.Name()), nil
}
