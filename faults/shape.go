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

// Latency makes a link long in both directions.
type Latency struct{}

// Bandwidth makes a link narrow in both directions.
type Bandwidth struct{}

var _, _ Fault = Latency{}, Bandwidth{}

// Name implements Fault.
func (Latency) Name() string { return "latency" }

// Name implements Fault.
func (Bandwidth) Name() string { return "bandwidth" }

// Doc implements Fault.
func (Latency) Doc() string {
	return "bytes take 50 to 100 ms longer over a link in each direction, and up to 20 ms more than that"
}

// Doc implements Fault.
func (Bandwidth) Doc() string {
	return "a link carries 20 to 200 kB a second in each direction"
}

// Applies implements Fault.
func (l Latency) Applies(topology Topology) error { return appliesToLinks(l.Name(), topology) }

// Applies implements Fault.
func (b Bandwidth) Applies(topology Topology) error { return appliesToLinks(b.Name(), topology) }

// Targets implements Fault: both ends of each link.
func (Latency) Targets(topology Topology) [][]string { return links(topology) }

// Targets implements Fault: both ends of each link.
func (Bandwidth) Targets(topology Topology) [][]string { return links(topology) }

// Cuts implements Fault. A slow link carries everything.
func (Latency) Cuts(history.Step) []history.Cut { return nil }

// Cuts implements Fault. A narrow link carries everything.
func (Bandwidth) Cuts(history.Step) []history.Cut { return nil }

// parameters implements parametric.
func (Latency) parameters() []Parameter {
	return []Parameter{
		{"latency", "drawn, 50ms to 100ms", "how much longer bytes take, in each direction"},
		{"jitter", "20ms", "how much longer than that at most; how much is drawn"},
	}
}

// parameters implements parametric.
func (Bandwidth) parameters() []Parameter {
	return []Parameter{{"rate", "drawn, 20000 to 200000", "bytes a second in each direction"}}
}

// The most that a link can be told.
const (
	longestLatency = time.Minute
	widestLink     = 1 << 30 // bytes a second
)

func (l Latency) shape(step history.Step) (cluster.LinkShape, error) {
	random := rand.New(rand.NewPCG(step.Seed, 2))
	shape := cluster.LinkShape{
		Latency: 50*time.Millisecond + time.Duration(random.Int64N(int64(50*time.Millisecond))), Jitter: 20 * time.Millisecond, Seed: step.Seed,
	}
	args := arguments{of: l.Name(), given: step.Args}
	args.duration("latency", &shape.Latency, time.Millisecond, longestLatency)
	args.duration("jitter", &shape.Jitter, 0, longestLatency)
	return shape, args.err
}

func (b Bandwidth) shape(step history.Step) (cluster.LinkShape, error) {
	random := rand.New(rand.NewPCG(step.Seed, 2))
	shape := cluster.LinkShape{Bandwidth: 20_000 + random.IntN(180_000)}
	args := arguments{of: b.Name(), given: step.Args}
	args.whole("rate", &shape.Bandwidth, 1, widestLink)
	return shape, args.err
}

// checkArguments implements parametric.
func (l Latency) checkArguments(args map[string]string) error {
	_, err := l.shape(history.Step{Args: args})
	return err
}

// checkArguments implements parametric.
func (b Bandwidth) checkArguments(args map[string]string) error {
	_, err := b.shape(history.Step{Args: args})
	return err
}

// Prepare implements Fault.
func (l Latency) Prepare(handles Handles, step history.Step) (*Injection, error) {
	return prepareShape(l, handles, step, l.shape)
}

// Prepare implements Fault.
func (b Bandwidth) Prepare(handles Handles, step history.Step) (*Injection, error) {
	return prepareShape(b, handles, step, b.shape)
}

func prepareShape(fault Fault, handles Handles, step history.Step, shapeOf func(history.Step) (cluster.LinkShape, error)) (*Injection, error) {
	made, err := shapingOf(fault, handles, step, shapeOf)
	if err != nil {
		return nil, err
	}
	return newInjection(fault, step, &made), nil
}

func shapingOf(fault Fault, handles Handles, step history.Step, shapeOf func(history.Step) (cluster.LinkShape, error)) (shaping, error) {
	node, link, err := linkOf(handles, step)
	if err != nil {
		return shaping{}, fmt.Errorf("preparing %s: %w", fault.Name(), err)
	}
	shape, err := shapeOf(step)
	if err != nil {
		return shaping{}, fmt.Errorf("preparing %s: %w", fault.Name(), err)
	}
	return shaping{node: node, link: link, shape: shape}, nil
}

// shaping is one link that carries bytes otherwise for a while.
type shaping struct {
	node  Node
	link  Link
	shape cluster.LinkShape

	since  time.Time            // when the link was shaped
	before cluster.LinkCounters // just after
}

func (s *shaping) inject(ctx context.Context) (err error) {
	if err := s.link.Set(ctx, cluster.LinkState{Shape: s.shape}); err != nil {
		return err
	}
	s.since = time.Now()
	s.before, err = s.link.Counters(ctx)
	return err
}

// span is how long a narrow link is watched at least.
const span = 300 * time.Millisecond

// prove reaches for the peer: an answer takes at least the latency of both directions; and what has passed a narrow link since then is no more
// than it carries in the time.
func (s *shaping) prove(ctx context.Context) (string, error) {
	took, err := s.reach(ctx)
	if err != nil {
		return "", err
	}
	if s.shape.Bandwidth == 0 {
		if took < 2*s.shape.Latency {
			return "", fmt.Errorf("%s was reached in %v, with a latency of %v in each direction", s.link.To(), took, s.shape.Latency)
		}
		return fmt.Sprintf("%s reached %s only after %v", s.link.From(), s.link.To(), took), nil
	}
	after, err := s.link.Counters(ctx)
	passed := time.Since(s.since)
	up, down := after.BytesUp-s.before.BytesUp, after.BytesDown-s.before.BytesDown
	most := float64(s.shape.Bandwidth) * passed.Seconds()
	switch {
	case err != nil:
		return "", err
	case passed < span:
		return "", errors.New("it was not watched for long enough")
	case up == 0 || down == 0:
		return "", errors.New("nothing has passed")
	case float64(max(up, down)) > most:
		return "", fmt.Errorf("%d bytes went up and %d down in %v, with a bandwidth of %d a second", up, down, passed, s.shape.Bandwidth)
	}
	return fmt.Sprintf("%d bytes went up and %d down in %v, no more than %.0f", up, down, passed, most), nil
}

func (s *shaping) reach(ctx context.Context) (took time.Duration, err error) {
	begun := time.Now()
	err = s.node.Reach(ctx, s.link.To())
	return time.Since(begun), err
}

func (s *shaping) recover(ctx context.Context) error { return s.link.Set(ctx, cluster.LinkState{}) }

func (s *shaping) proveRecovered(ctx context.Context) (string, error) {
	took, err := s.reach(ctx)
	switch {
	case err != nil:
		return "", err
	case s.shape.Latency > 0 && took >= 2*s.shape.Latency:
		return "", fmt.Errorf("%s was reached only after %v", s.link.To(), took)
	}
	return fmt.Sprintf("%s reached %s in %v", s.link.From(), s.link.To(), took), nil
}
