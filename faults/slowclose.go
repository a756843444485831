package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// SlowClose delivers the end of every connection of a link late: for a while, one end has closed it and the other does not know.
type SlowClose struct{}

var _ Fault = SlowClose{}

// Name implements Fault.
func (SlowClose) Name() string { return "slow-close" }

// Doc implements Fault.
func (SlowClose) Doc() string {
	return "the end of a connection over a link gets to its other side 0.3 to 3 s late"
}

// Applies implements Fault.
func (s SlowClose) Applies(topology Topology) error { return appliesToLinks(s.Name(), topology) }

// Targets implements Fault: both ends of each link.
func (SlowClose) Targets(topology Topology) [][]string { return links(topology) }

// Cuts implements Fault. Connections that live are not touched, and new ones can be made.
func (SlowClose) Cuts(history.Step) []history.Cut { return nil }

// parameters implements parametric.
func (SlowClose) parameters() []Parameter {
	return []Parameter{{"delay", "drawn, 300ms to 3s", "how late the end is delivered"}}
}

// longestLinger leaves a healing time to be proven.
const longestLinger = 5 * time.Second

func (s SlowClose) shape(step history.Step) (cluster.LinkShape, error) {
	random := rand.New(rand.NewPCG(step.Seed, 2))
	shape := cluster.LinkShape{Linger: 300*time.Millisecond + time.Duration(random.Int64N(int64(2700*time.Millisecond)))}
	args := arguments{of: s.Name(), given: step.Args}
	args.duration("delay", &shape.Linger, time.Millisecond, longestLinger)
	return shape, args.err
}

// checkArguments implements parametric.
func (s SlowClose) checkArguments(args map[string]string) error {
	_, err := s.shape(history.Step{Args: args})
	return err
}

// Prepare implements Fault.
func (s SlowClose) Prepare(handles Handles, step history.Step) (*Injection, error) {
	made, err := shapingOf(s, handles, step, s.shape)
	if err != nil {
		return nil, err
	}
	return newInjection(s, step, &lingering{made}), nil
}

// lingering is one link that brings ends late for a while.
type lingering struct{ shaping }

// late makes a connection and ends it, and says how many ends were delivered late until those of this one must have been.
func (l *lingering) late(ctx context.Context) (uint64, error) {
	before, err := l.link.Counters(ctx)
	if err != nil {
		return 0, err
	}
	if _, err := l.reach(ctx); err != nil {
		return 0, err
	}
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(l.shape.Linger + proofPause):
	}
	after, err := l.link.Counters(ctx)
	return after.Late - before.Late, err
}

func (l *lingering) prove(ctx context.Context) (string, error) {
	late, err := l.late(ctx)
	switch {
	case err != nil:
		return "", err
	case late == 0:
		return "", errors.New("no end of a connection came late")
	}
	return fmt.Sprintf("%d ends of connections from %s to %s came %v late", late, l.link.From(), l.link.To(), l.shape.Linger), nil
}

func (l *lingering) proveRecovered(ctx context.Context) (string, error) {
	late, err := l.late(ctx)
	switch {
	case err != nil:
		return "", err
	case late > 0:
		return "", fmt.Errorf("%d ends of connections still came late", late)
	}
	return fmt.Sprintf("%s reached %s, and no end came late", l.link.From(), l.link.To()), nil
}
