package faults

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// A Partition stops a link in the directions that are set. Bytes wait in the link and arrive after healing, as TCP's own repetitions make
// them do in a real network.
type Partition struct {
	Up   bool // from the client to the server; between servers, from the first to the second
	Down bool
}

var _ Fault = Partition{}

// reachTime is how long a partitioned node tries to reach its peer: a held link never refuses.
const reachTime = 700 * time.Millisecond

// Name implements Fault.
func (p Partition) Name() string {
	return "partition" + oneWay(p.Up, p.Down)
}

// oneWay is the end of the name of a fault that is there in one direction of a link only.
func oneWay(up, down bool) string {
	switch {
	case up && !down:
		return "-up"
	case down && !up:
		return "-down"
	default:
		return ""
	}
}

// Doc implements Fault.
func (p Partition) Doc() string {
	what := "nothing passes a link in either direction"
	switch {
	case p.Up && !p.Down:
		what = "nothing passes a link towards the server, while the other direction works"
	case p.Down && !p.Up:
		what = "nothing passes a link towards the client, while the other direction works"
	}
	return what + "; what was sent arrives after healing"
}

// Applies implements Fault.
func (p Partition) Applies(topology Topology) error { return appliesToLinks(p.Name(), topology) }

// Targets implements Fault: both ends of each link.
func (Partition) Targets(topology Topology) [][]string { return links(topology) }

// Cuts implements Fault.
func (Partition) Cuts(step history.Step) []history.Cut { return linkCut(step) }

// Prepare implements Fault.
func (p Partition) Prepare(handles Handles, step history.Step) (*Injection, error) {
	node, link, err := linkOf(handles, step)
	if err != nil {
		return nil, fmt.Errorf("preparing %s: %w", p.Name(), err)
	}
	return newInjection(p, step, &cut{Partition: p, node: node, link: link}), nil
}

// cut is one partition of one link.
type cut struct {
	Partition
	loses bool // what is sent, instead of keeping it
	node  Node
	link  Link
}

func (c *cut) inject(ctx context.Context) error {
	state, flow := cluster.LinkState{Up: cluster.FlowPass, Down: cluster.FlowPass}, cluster.FlowHold
	if c.loses {
		flow = cluster.FlowDrop
	}
	if c.Up {
		state.Up = flow
	}
	if c.Down {
		state.Down = flow
	}
	return c.link.Set(ctx, state)
}

// prove tries to reach the peer, which must fail while no byte gets through in a cut direction. A failure alone could be a slow machine;
// still counters alone could be an idle link.
func (c *cut) prove(ctx context.Context) (string, error) {
	before, after, reached, err := c.try(ctx, reachTime)
	up, down := after.BytesUp-before.BytesUp, after.BytesDown-before.BytesDown
	switch {
	case err != nil:
		return "", err
	case reached == nil:
		return "", fmt.Errorf("%s still reaches %s", c.link.From(), c.link.To())
	case c.Up && up > 0:
		return "", fmt.Errorf("%d bytes went from %s to %s", up, c.link.From(), c.link.To())
	case c.Down && down > 0:
		return "", fmt.Errorf("%d bytes went from %s to %s", down, c.link.To(), c.link.From())
	case !c.Up && up == 0:
		return "", fmt.Errorf("nothing went from %s to %s either, which was to stay open", c.link.From(), c.link.To())
	}
	return fmt.Sprintf("%s could not reach %s (%v) while %d bytes went up and %d down", c.link.From(), c.link.To(), reached, up, down), nil
}

func (c *cut) recover(ctx context.Context) error {
	return c.link.Set(ctx, cluster.LinkState{Up: cluster.FlowPass, Down: cluster.FlowPass})
}

func (c *cut) proveRecovered(ctx context.Context) (string, error) {
	before, after, reached, err := c.try(ctx, healedReachTime)
	switch {
	case err != nil:
		return "", err
	case reached != nil:
		return "", reached
	case after.BytesUp == before.BytesUp || after.BytesDown == before.BytesDown:
		return "", errors.New("the peer was reached, but not through the link: its counters stand still")
	}
	return fmt.Sprintf("%s reached %s through the link", c.link.From(), c.link.To()), nil
}

// try reaches for the peer once, between two readings of the link's counters.
func (c *cut) try(ctx context.Context, patience time.Duration) (before, after cluster.LinkCounters, reached, err error) {
	if before, err = c.link.Counters(ctx); err != nil {
		return before, after, nil, err
	}
	reaching, cancel := context.WithTimeout(ctx, patience)
	reached = c.node.Reach(reaching, c.link.To())
	cancel()
	after, err = c.link.Counters(ctx)
	return before, after, reached, err
}
