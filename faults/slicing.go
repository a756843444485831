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

// Slicing cuts the bytes on a link into small pieces: what was written at once is read bit by bit.
type Slicing struct{}

var _ Fault = Slicing{}

// Name implements Fault.
func (Slicing) Name() string { return "slicing" }

// Doc implements Fault.
func (Slicing) Doc() string {
	return "bytes go over a link in pieces of 16, 32 or 64 bytes, with 0.05 to 0.5 ms between them"
}

// Applies implements Fault.
func (s Slicing) Applies(topology Topology) error { return appliesToLinks(s.Name(), topology) }

// Targets implements Fault: both ends of each link.
func (Slicing) Targets(topology Topology) [][]string { return links(topology) }

// Cuts implements Fault. In pieces, everything arrives.
func (Slicing) Cuts(history.Step) []history.Cut { return nil }

// parameters implements parametric.
func (Slicing) parameters() []Parameter {
	return []Parameter{
		{"piece", "drawn, 16, 32 or 64", "how many bytes go on at once at most"},
		{"pause", "drawn, 50us to 500us", "how long the next piece of the same connection waits"},
	}
}

func (s Slicing) shape(step history.Step) (cluster.LinkShape, error) {
	random := rand.New(rand.NewPCG(step.Seed, 2))
	shape := cluster.LinkShape{
		Piece: 16 << random.IntN(3), Pause: 50*time.Microsecond + time.Duration(random.Int64N(int64(450*time.Microsecond))),
	}
	args := arguments{of: s.Name(), given: step.Args}
	args.whole("piece", &shape.Piece, 1, 1<<16)
	args.duration("pause", &shape.Pause, 0, time.Second)
	return shape, args.err
}

// checkArguments implements parametric.
func (s Slicing) checkArguments(args map[string]string) error {
	_, err := s.shape(history.Step{Args: args})
	return err
}

// Prepare implements Fault.
func (s Slicing) Prepare(handles Handles, step history.Step) (*Injection, error) {
	made, err := shapingOf(s, handles, step, s.shape)
	if err != nil {
		return nil, err
	}
	return newInjection(s, step, &slicing{made}), nil
}

// slicing is one link that cuts for a while.
type slicing struct{ shaping }

// prove reaches for the peer, and looks whether what went there and back was cut.
func (s *slicing) prove(ctx context.Context) (string, error) {
	if _, err := s.reach(ctx); err != nil {
		return "", err
	}
	after, err := s.link.Counters(ctx)
	cuts := after.Slices - s.before.Slices
	switch {
	case err != nil:
		return "", err
	case cuts == 0:
		return "", errors.New("nothing that has passed was cut")
	}
	return fmt.Sprintf("%d bytes went up and %d down, which were cut in %d places", after.BytesUp-s.before.BytesUp, after.BytesDown-s.before.BytesDown, cuts), nil
}

func (s *slicing) proveRecovered(ctx context.Context) (string, error) {
	before, err := s.link.Counters(ctx)
	if err != nil {
		return "", err
	}
	if _, err := s.reach(ctx); err != nil {
		return "", err
	}
	after, err := s.link.Counters(ctx)
	switch {
	case err != nil:
		return "", err
	case after.Slices > before.Slices:
		return "", fmt.Errorf("what went to %s was still cut, in %d places", s.link.To(), after.Slices-before.Slices)
	}
	return fmt.Sprintf("%s reached %s, and nothing was cut", s.link.From(), s.link.To()), nil
}
