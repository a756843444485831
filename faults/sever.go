package faults

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/codastress/codastress/harness/history"
)

// Sever cuts all links between any set of nodes and any other, in one direction or both. What it is not told the seed draws: among its nodes two sets that
// have a link, which may leave some out.
type Sever struct{}

var _ Fault = Sever{}

// Name implements Fault.
func (Sever) Name() string { return "sever" }

// Doc implements Fault.
func (Sever) Doc() string {
	return "nothing passes between a set of nodes and another, in one direction or both; what was sent arrives after healing"
}

// Applies implements Fault.
func (s Sever) Applies(topology Topology) error { return appliesToLinks(s.Name(), topology) }

// Targets implements Fault: all nodes, among which the seed draws.
func (Sever) Targets(topology Topology) [][]string { return Swizzle{}.Targets(topology) }

// hits implements choosing.
func (s Sever) hits(topology Topology, step history.Step) error {
	_, given := step.Args["from"]
	if !given {
		return needsLinks(topology, between(step.Nodes, step.Nodes), 1)
	}
	one, other, _, err := s.sides(step)
	if err != nil {
		return err
	}
	return needsLinks(topology, between(one, other), 1)
}

// Cuts implements Fault: of a step that does not say from whom, any link can be among those that are cut.
func (s Sever) Cuts(step history.Step) []history.Cut {
	if _, given := step.Args["from"]; !given {
		return Swizzle{}.Cuts(step)
	}
	one, other, _, err := s.sides(step)
	if err != nil {
		return nil
	}
	return between(one, other)
}

// parameters implements parametric.
func (Sever) parameters() []Parameter {
	return []Parameter{
		{"from", "drawn", "the nodes of one set, with commas between them; the other nodes of the step are the other set"},
		{"direction", bothWays + ", but drawn where from is", "what is stopped: what the nodes of from send (up), what is sent to them (down), or both"},
	}
}

// The directions of a Sever.
const (
	bothWays = "both"
	upOnly   = "up"
	downOnly = "down"
)

// checkArguments implements parametric. Who is in from, only the nodes of a step can say.
func (s Sever) checkArguments(args map[string]string) error {
	_, err := s.direction(args, bothWays)
	return err
}

func (s Sever) direction(args map[string]string, direction string) (string, error) {
	read := arguments{of: s.Name(), given: args}
	read.word("direction", &direction, bothWays, upOnly, downOnly)
	return direction, read.err
}

// sides are the two sets of a step that says one of them.
func (s Sever) sides(step history.Step) (one, other []string, direction string, err error) {
	for name := range strings.SplitSeq(step.Args["from"], ",") {
		name = strings.TrimSpace(name)
		switch {
		case !slices.Contains(step.Nodes, name):
			return nil, nil, "", fmt.Errorf("from of %s is of its nodes, %s, and not %q", s.Name(), strings.Join(step.Nodes, " "), name)
		case slices.Contains(one, name):
			return nil, nil, "", fmt.Errorf("from of %s names %s twice", s.Name(), name)
		}
		one = append(one, name)
	}
	other = slices.DeleteFunc(slices.Clone(step.Nodes), func(name string) bool { return slices.Contains(one, name) })
	if len(other) == 0 {
		return nil, nil, "", fmt.Errorf("from of %s are all its nodes, which leaves none for the other set", s.Name())
	}
	direction, err = s.direction(step.Args, bothWays)
	return one, other, direction, err
}

// drawTries is above what two nodes with a link among a hundred need to be drawn into two sets: it ends only what has no such nodes.
const drawTries = 1000

// Prepare implements Fault.
func (s Sever) Prepare(handles Handles, step history.Step) (*Injection, error) {
	_, given := step.Args["from"]
	if !given {
		return s.prepareDrawn(handles, step)
	}
	one, other, direction, err := s.sides(step)
	if err != nil {
		return nil, fmt.Errorf("preparing %s: %w", s.Name(), err)
	}
	p, err := partingOf(s, handles, step, between(one, other))
	if err != nil {
		return nil, err
	}
	p.only(direction, one)
	return p.injection(s, step), nil
}

// prepareDrawn draws two sets until there is a link between them.
func (s Sever) prepareDrawn(handles Handles, step history.Step) (*Injection, error) {
	if _, err := partingOf(s, handles, step, Swizzle{}.Cuts(step)); err != nil {
		return nil, err
	}
	random := rand.New(rand.NewPCG(step.Seed, 7))
	direction, err := s.direction(step.Args, []string{bothWays, upOnly, downOnly}[random.IntN(3)])
	if err != nil {
		return nil, fmt.Errorf("preparing %s: %w", s.Name(), err)
	}
	for range drawTries {
		var sets [3][]string // the third is left out
		for _, node := range step.Nodes {
			set := random.IntN(len(sets))
			sets[set] = append(sets[set], node)
		}
		var p *parting
		if p, err = partingOf(s, handles, step, between(sets[0], sets[1])); err == nil {
			p.only(direction, sets[0])
			return p.injection(s, step), nil
		}
	}
	return nil, err
}
