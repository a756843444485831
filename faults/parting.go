package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// Isolate cuts one node off from all that it has a link with.
type Isolate struct{}

// Split cuts all links between one half of the nodes and the other.
type Split struct{}

// Swizzle cuts some of all links one after the other, and heals them one after the other in another order: no two nodes see the same network at the
// same time. It is FoundationDB's swizzle-clogging (HARNESS-FACTS.md).
type Swizzle struct{}

var _, _, _ Fault = Isolate{}, Split{}, Swizzle{}

// leastSwizzled is how many links a Swizzle cuts at least: one alone has no order.
const leastSwizzled = 2

// Name implements Fault.
func (Isolate) Name() string { return "isolate" }

// Name implements Fault.
func (Split) Name() string { return "split" }

// Name implements Fault.
func (Swizzle) Name() string { return "swizzle" }

// Doc implements Fault.
func (Isolate) Doc() string {
	return "nothing passes between a node, named first, and the others; what was sent arrives after healing"
}

// Doc implements Fault.
func (Split) Doc() string {
	return "nothing passes between the first half of the nodes and the second; what was sent arrives after healing"
}

// Doc implements Fault.
func (Swizzle) Doc() string {
	return "two of the links between the nodes, or more, are cut one by one, and healed one by one in another order"
}

// Applies implements Fault.
func (i Isolate) Applies(topology Topology) error { return appliesToManyLinks(i.Name(), topology) }

// Applies implements Fault.
func (s Split) Applies(topology Topology) error { return appliesToManyLinks(s.Name(), topology) }

// Applies implements Fault.
func (s Swizzle) Applies(topology Topology) error { return appliesToManyLinks(s.Name(), topology) }

// appliesToManyLinks says why a fault of several links cannot happen in a topology.
func appliesToManyLinks(name string, topology Topology) error {
	if len(links(topology)) < 2 {
		return fmt.Errorf("%s needs two links: there are %d servers and %d clients", name, len(topology.Servers), len(topology.Clients))
	}
	return nil
}

// Targets implements Fault: each node that has more than one link, and then those at the other ends.
func (Isolate) Targets(topology Topology) [][]string {
	var targets [][]string
	for _, node := range slices.Concat(topology.Servers, topology.Clients) {
		target := []string{node}
		for _, ends := range links(topology) {
			for i, end := range ends {
				if end == node && !slices.Contains(target, ends[1-i]) {
					target = append(target, ends[1-i])
				}
			}
		}
		if len(target) > 2 {
			targets = append(targets, target)
		}
	}
	return targets
}

// Targets implements Fault: all nodes, with servers and clients in both halves where there are enough, once for each client that can come first.
func (Split) Targets(topology Topology) [][]string {
	var targets [][]string
	for first := range max(len(topology.Clients), 1) {
		var halves [2][]string
		for i, server := range topology.Servers {
			halves[i%2] = append(halves[i%2], server)
		}
		for i := range topology.Clients {
			client := topology.Clients[(first+i)%len(topology.Clients)]
			smaller := 0
			if len(halves[1]) < len(halves[0]) {
				smaller = 1
			}
			halves[smaller] = append(halves[smaller], client)
		}
		if len(halves[0]) < len(halves[1]) {
			halves[0], halves[1] = halves[1], halves[0] // the first half has the odd one
		}
		targets = append(targets, slices.Concat(halves[0], halves[1]))
	}
	return targets
}

// Targets implements Fault: all nodes.
func (Swizzle) Targets(topology Topology) [][]string {
	return [][]string{slices.Concat(topology.Servers, topology.Clients)}
}

// hits implements choosing: the first node, and any at the other end of one of its links.
func (Isolate) hits(topology Topology, step history.Step) error {
	for _, peer := range step.Nodes[1:] {
		if err := needsLinks(topology, []history.Cut{{Node: step.Nodes[0], Peer: peer}}, 1); err != nil {
			return fmt.Errorf("%s and %s: %w", step.Nodes[0], peer, err)
		}
	}
	return needsLinks(topology, Isolate{}.Cuts(step), 1)
}

// hits implements choosing: any nodes whose halves have a link.
func (Split) hits(topology Topology, step history.Step) error {
	return needsLinks(topology, Split{}.Cuts(step), 1)
}

// hits implements choosing: any nodes with enough links.
func (Swizzle) hits(topology Topology, step history.Step) error {
	return needsLinks(topology, Swizzle{}.Cuts(step), leastSwizzled)
}

// needsLinks says why a fault cannot cut so many links between pairs of nodes; nil where it can.
func needsLinks(topology Topology, pairs []history.Cut, least int) error {
	found := 0
	for _, ends := range links(topology) {
		if slices.ContainsFunc(pairs, func(pair history.Cut) bool {
			return pair.Node == ends[0] && pair.Peer == ends[1] || pair.Node == ends[1] && pair.Peer == ends[0]
		}) {
			found++
		}
	}
	switch {
	case found >= least:
		return nil
	case found == 0:
		return errors.New("there is no link between them")
	}
	return fmt.Errorf("it needs %d links, and there is %d between them", least, found)
}

// Cuts implements Fault.
func (Isolate) Cuts(step history.Step) []history.Cut {
	first := min(len(step.Nodes), 1)
	return between(step.Nodes[:first], step.Nodes[first:])
}

// Cuts implements Fault.
func (Split) Cuts(step history.Step) []history.Cut {
	half := (len(step.Nodes) + 1) / 2
	return between(step.Nodes[:half], step.Nodes[half:])
}

// Cuts implements Fault: any of the links can be among those that are cut.
func (Swizzle) Cuts(step history.Step) []history.Cut {
	var all []history.Cut
	for i, node := range step.Nodes {
		all = append(all, between([]string{node}, step.Nodes[i+1:])...)
	}
	return all
}

// between is every link from a node of one set to a node of the other.
func between(one, other []string) []history.Cut {
	var cuts []history.Cut
	for _, a := range one {
		for _, b := range other {
			cuts = append(cuts, history.Cut{Node: a, Peer: b})
		}
	}
	return cuts
}

// Prepare implements Fault.
func (i Isolate) Prepare(handles Handles, step history.Step) (*Injection, error) {
	p, err := partingOf(i, handles, step, i.Cuts(step))
	if err != nil {
		return nil, err
	}
	return p.injection(i, step), nil
}

// Prepare implements Fault.
func (s Split) Prepare(handles Handles, step history.Step) (*Injection, error) {
	p, err := partingOf(s, handles, step, s.Cuts(step))
	if err != nil {
		return nil, err
	}
	return p.injection(s, step), nil
}

// swizzlePause is the pause between two links that are cut or healed.
const swizzlePause = 100 * time.Millisecond

// Prepare implements Fault.
func (s Swizzle) Prepare(handles Handles, step history.Step) (*Injection, error) {
	p, err := partingOf(s, handles, step, s.Cuts(step))
	if err != nil {
		return nil, err
	}
	if len(p.cuts) < leastSwizzled {
		return nil, fmt.Errorf("preparing %s: it needs %d links at least between these nodes: %s", s.Name(), leastSwizzled, strings.Join(step.Nodes, ", "))
	}
	p.pause = swizzlePause
	p.shuffle(p.cuts)
	p.cuts = p.cuts[:leastSwizzled+p.random.IntN(len(p.cuts)-leastSwizzled+1)]
	p.healing = slices.Clone(p.cuts)
	for slices.Equal(p.healing, p.cuts) {
		p.shuffle(p.healing)
	}
	return p.injection(s, step), nil
}

// partingOf finds the links between pairs of nodes. Two servers have one each way; two clients have none.
func partingOf(fault Fault, handles Handles, step history.Step, pairs []history.Cut) (*parting, error) {
	if len(step.Nodes) < 2 {
		return nil, fmt.Errorf("preparing %s: it needs two nodes at least, not %q", fault.Name(), step.Nodes)
	}
	p := &parting{random: rand.New(rand.NewPCG(step.Seed, 3))}
	for _, pair := range pairs {
		for _, ends := range [][2]string{{pair.Node, pair.Peer}, {pair.Peer, pair.Node}} {
			node, err := handles.Node(ends[0])
			if err != nil {
				return nil, fmt.Errorf("preparing %s: %w", fault.Name(), err)
			}
			if link, err := handles.Link(ends[0], ends[1]); err == nil {
				p.cuts = append(p.cuts, &cut{Partition: Partition{Up: true, Down: true}, node: node, link: link})
			}
		}
	}
	if len(p.cuts) == 0 {
		return nil, fmt.Errorf("preparing %s: there is no link between these nodes: %s", fault.Name(), strings.Join(step.Nodes, ", "))
	}
	return p, nil
}

// injection is that of a step, which excuses nothing but the links that are cut.
func (p *parting) injection(fault Fault, step history.Step) *Injection {
	made := newInjection(fault, step, p)
	made.record.Cuts = nil
	for _, c := range p.cuts {
		pair, back := history.Cut{Node: c.link.From(), Peer: c.link.To()}, history.Cut{Node: c.link.To(), Peer: c.link.From()}
		if !slices.Contains(made.record.Cuts, back) {
			made.record.Cuts = append(made.record.Cuts, pair)
		}
	}
	return made
}

// only leaves the links open in one direction, as seen from some of the nodes: a link is up from the node that connects, wherever that is.
func (p *parting) only(direction string, from []string) {
	for _, c := range p.cuts {
		outward := slices.Contains(from, c.link.From())
		c.Up = direction == bothWays || outward == (direction == upOnly)
		c.Down = direction == bothWays || outward == (direction == downOnly)
	}
}

// parting is the partition of several links.
type parting struct {
	cuts    []*cut
	healing []*cut        // the same links in the order in which they are healed; nil for that in which they are cut
	pause   time.Duration // between one link and the next
	random  *rand.Rand
}

func (p *parting) inject(ctx context.Context) error {
	return p.each(ctx, p.cuts, (*cut).inject)
}

// recover heals all links that can be healed.
func (p *parting) recover(ctx context.Context) error {
	order := p.healing
	if order == nil {
		order = p.cuts
	}
	return p.each(ctx, order, (*cut).recover)
}

func (p *parting) shuffle(cuts []*cut) {
	p.random.Shuffle(len(cuts), func(i, j int) { cuts[i], cuts[j] = cuts[j], cuts[i] })
}

// each does something to one link after the other, also where it failed for one.
func (p *parting) each(ctx context.Context, cuts []*cut, do func(*cut, context.Context) error) error {
	var failures []error
	for i, c := range cuts {
		if i > 0 && p.pause > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(p.pause):
			}
		}
		if err := do(c, ctx); err != nil {
			failures = append(failures, fmt.Errorf("the link from %s to %s: %w", c.link.From(), c.link.To(), err))
		}
	}
	return errors.Join(failures...)
}

func (p *parting) prove(ctx context.Context) (string, error) {
	return p.proofs(ctx, (*cut).prove)
}

func (p *parting) proveRecovered(ctx context.Context) (string, error) {
	return p.proofs(ctx, (*cut).proveRecovered)
}

// proofs asks for the proof of every link, all at once.
func (p *parting) proofs(ctx context.Context, prove func(*cut, context.Context) (string, error)) (string, error) {
	proofs, failures := make([]string, len(p.cuts)), make([]error, len(p.cuts))
	var all sync.WaitGroup
	for i, c := range p.cuts {
		all.Go(func() { proofs[i], failures[i] = prove(c, ctx) })
	}
	all.Wait()
	return strings.Join(proofs, ", "), errors.Join(failures...)
}
