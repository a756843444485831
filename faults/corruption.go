package faults

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// Corruption flips bits on a link. TLS has to notice every one: the connection ends, and nothing wrong is taken for what was sent. A simulation has no TLS;
// there the link ends the connection as TLS would.
type Corruption struct{}

var _ Fault = Corruption{}

// Name implements Fault.
func (Corruption) Name() string { return "corruption" }

// Doc implements Fault.
func (Corruption) Doc() string {
	return "a bit is flipped in one of 500 to 10000 bytes on a link, which TLS must notice; a simulation, which has none, ends the connection instead"
}

// Applies implements Fault.
func (c Corruption) Applies(topology Topology) error { return appliesToLinks(c.Name(), topology) }

// Targets implements Fault: both ends of each link.
func (Corruption) Targets(topology Topology) [][]string { return links(topology) }

// Cuts implements Fault. Calls fail as they do when connections are reset; wrong contents are not excused by anything.
func (Corruption) Cuts(step history.Step) []history.Cut { return linkCut(step) }

// parameters implements parametric.
func (Corruption) parameters() []Parameter {
	return []Parameter{{"every", "drawn, 500 to 10000", "of how many bytes a bit of one is flipped, on average"}}
}

func (c Corruption) shape(step history.Step) (cluster.LinkShape, error) {
	random := rand.New(rand.NewPCG(step.Seed, 2))
	shape := cluster.LinkShape{Flip: int(500 * math.Pow(20, random.Float64())), Seed: step.Seed}
	args := arguments{of: c.Name(), given: step.Args}
	args.whole("every", &shape.Flip, 1, 1<<30)
	return shape, args.err
}

// checkArguments implements parametric.
func (c Corruption) checkArguments(args map[string]string) error {
	_, err := c.shape(history.Step{Args: args})
	return err
}

// Prepare implements Fault.
func (c Corruption) Prepare(handles Handles, step history.Step) (*Injection, error) {
	made, err := shapingOf(c, handles, step, c.shape)
	if err != nil {
		return nil, err
	}
	return newInjection(c, step, &corrupting{made}), nil
}

// corrupting is one link that flips bits for a while.
type corrupting struct{ shaping }

// mostReaches is how often a look reaches for the peer at most.
const mostReaches = 10

// prove reaches for the peer until a bit is flipped of what that makes go there and back, and looks whether connections have ended by that.
func (c *corrupting) prove(ctx context.Context) (string, error) {
	var after cluster.LinkCounters
	var err, reached error
	for range mostReaches {
		_, reached = c.reach(ctx) // which may well fail
		if after, err = c.link.Counters(ctx); err != nil || after.Flipped > c.before.Flipped {
			break
		}
	}
	flipped, spoiled := after.Flipped-c.before.Flipped, after.Spoiled-c.before.Spoiled
	switch {
	case err != nil:
		return "", err
	case flipped == 0 && reached != nil:
		return "", fmt.Errorf("no bit was flipped: %w", reached)
	case flipped == 0:
		return "", errors.New("no bit was flipped")
	case spoiled <= after.Trusted:
		return "", errors.New("no connection has ended in which bits were flipped")
	}
	return fmt.Sprintf("%d bits were flipped on %d ways from or to %s, of which %d have ended since", flipped, spoiled, c.link.To(), spoiled-after.Trusted), nil
}

// proveRecovered demands that every connection in which bits were flipped is over: one that goes on was not looked at by TLS.
func (c *corrupting) proveRecovered(ctx context.Context) (string, error) {
	before, err := c.link.Counters(ctx)
	if err != nil {
		return "", err
	}
	if _, err := c.reach(ctx); err != nil {
		return "", err
	}
	after, err := c.link.Counters(ctx)
	switch {
	case err != nil:
		return "", err
	case after.Flipped > before.Flipped:
		return "", fmt.Errorf("%d bits more were flipped", after.Flipped-before.Flipped)
	case after.Trusted > 0:
		return "", fmt.Errorf("%d ways are still open on which bits were flipped", after.Trusted)
	}
	return fmt.Sprintf("%s reached %s, and no connection is open in which bits were flipped", c.link.From(), c.link.To()), nil
}
