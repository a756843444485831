package cluster

import (
	"context"
	"fmt"
	"time"
)

// ClockState is how wrong the wall clock of a node is. The zero value is a right one.
type ClockState struct {
	Offset time.Duration // how far it is ahead, at the moment when it is set; negative where it is behind
	Drift  float64       // seconds that it gains in each second from then on; more than -1
}

// Clocks is what an Agent has besides whose node's wall clock can be made wrong: a simulated one.
type Clocks interface {
	// SetClock makes the node's wall clock as wrong as a state says, from now on. What measures durations is not touched.
	SetClock(ctx context.Context, state ClockState) error
	// Clock asks a daemon of the node what it takes for the present.
	Clock(ctx context.Context, daemon string) (time.Time, error)
}

// SetClock makes the node's wall clock as wrong as a state says, from now on. Only a simulation can: elsewhere it is an error.
func (n *Node) SetClock(ctx context.Context, state ClockState) error {
	clocks, err := n.clocks()
	if err != nil {
		return err
	}
	return n.doing(clocks.SetClock(ctx, state), "setting the clock of %s")
}

// Clock asks a daemon of the node what it takes for the present, where the clock can be set.
func (n *Node) Clock(ctx context.Context, daemon string) (time.Time, error) {
	clocks, err := n.clocks()
	if err != nil {
		return time.Time{}, err
	}
	now, err := clocks.Clock(ctx, daemon)
	return now, n.doing(err, "asking %s for the time on %s", daemon)
}

func (n *Node) clocks() (Clocks, error) {
	clocks, ok := n.agent.(Clocks)
	if !ok {
		return nil, fmt.Errorf("the clock of %s cannot be set: only a simulation does that", n.Name())
	}
	return clocks, nil
}
