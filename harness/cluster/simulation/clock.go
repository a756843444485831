package simulation

import (
	"context"
	"sync"
	"time"

	"github.com/codastress/codastress/harness/cluster"
)

// A clock is the wall clock of a machine. The zero value is right.
type clock struct {
	mu    sync.Mutex
	state cluster.ClockState
	since time.Time // when it was set
}

// now is what the machine takes for the present: without a reading of the monotonic clock, so that nobody can measure with it what nobody could on a real
// machine.
func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	wrong := c.state.Offset
	if c.state.Drift != 0 {
		wrong += time.Duration(c.state.Drift * float64(now.Sub(c.since)))
	}
	return now.Add(wrong).Round(0)
}

func (c *clock) set(state cluster.ClockState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state, c.since = state, time.Now()
}

var _ cluster.Clocks = (*node)(nil)

// SetClock implements cluster.Clocks.
func (n *node) SetClock(_ context.Context, state cluster.ClockState) error {
	n.clock.set(state)
	return nil
}

// Clock implements cluster.Clocks.
func (n *node) Clock(ctx context.Context, daemon string) (time.Time, error) {
	return n.software.Clock(ctx, daemon)
}
