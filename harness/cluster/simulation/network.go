package simulation

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"syscall"

	"github.com/codastress/codastress/harness/cluster"
)

// A Network carries connections between the nodes of one cluster, and within each. An address is a node's name and a port. Connections within a
// node are not in anybody's hands; all others go through a link, of which there is one for each pair that may connect.
type Network struct {
	mu        sync.Mutex
	listeners map[string]*listener // by address
	links     map[string]*link
	conns     []*wire // that have not ended, in the order in which they were made
	buffers   buffers
}

// A link leads from one node to another.
type link struct {
	up, down gate
}

var _ cluster.Network = (*Network)(nil)

// NewNetwork makes a network without links.
func NewNetwork() *Network {
	return &Network{listeners: map[string]*listener{}, links: map[string]*link{}}
}

// AddLink lets one node connect to another.
func (n *Network) AddLink(from, to string, up, down Shape) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := &link{}
	l.up.shaping, l.down.shaping = up, down
	n.links[cluster.LinkName(from, to)] = l
}

// SetLink implements cluster.Network. What was past the gate is not held any more; connections that lost bytes are reset by healing.
func (n *Network) SetLink(_ context.Context, name string, state cluster.LinkState) error {
	l, conns, err := n.link(name)
	if err != nil {
		return err
	}
	for _, c := range conns {
		c.up.settle()
		c.down.settle()
	}
	l.up.set(state.Up, state.Shape)
	l.down.set(state.Down, state.Shape)
	for _, c := range conns {
		torn := c.up.settle()
		torn = c.down.settle() || torn
		if torn && l.up.flow() != cluster.FlowDrop && l.down.flow() != cluster.FlowDrop {
			c.reset()
		}
		c.wake()
	}
	return nil
}

// ResetLink implements cluster.Network.
func (n *Network) ResetLink(_ context.Context, name string) error {
	_, conns, err := n.link(name)
	if err != nil {
		return err
	}
	for _, c := range conns {
		c.reset()
	}
	return nil
}

// LinkCounters implements cluster.Network.
func (n *Network) LinkCounters(_ context.Context, name string) (cluster.LinkCounters, error) {
	l, conns, err := n.link(name)
	if err != nil {
		return cluster.LinkCounters{}, err
	}
	for _, c := range conns {
		c.up.settle()
		c.down.settle()
	}
	counters := cluster.LinkCounters{BytesUp: l.up.passed.Load(), BytesDown: l.down.passed.Load(), Connections: len(conns)}
	for _, g := range []*gate{&l.up, &l.down} {
		counters.Slices += g.slices.Load()
		counters.Late += g.late.Load()
		counters.Flipped += g.flipped.Load()
		counters.Spoiled += g.spoiled.Load()
	}
	for _, c := range conns {
		counters.Trusted += c.up.trusted() + c.down.trusted()
	}
	return counters, nil
}

// link finds a link and its connections.
func (n *Network) link(name string) (*link, []*wire, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.links[name]
	if l == nil {
		return nil, nil, fmt.Errorf("there is no link %s", name)
	}
	var conns []*wire
	for _, c := range n.conns {
		if c.link == l {
			conns = append(conns, c)
		}
	}
	return l, conns, nil
}

// between returns the gates from one node to another.
func (n *Network) between(from, to string) (*link, error) {
	if from == to {
		return nil, nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.links[cluster.LinkName(from, to)]
	if l == nil {
		return nil, fmt.Errorf("%w: no link leads from %s to %s", syscall.ENETUNREACH, from, to)
	}
	return l, nil
}

func (n *Network) add(w *wire) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns = append(n.conns, w)
}

func (n *Network) remove(w *wire) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns = slices.DeleteFunc(n.conns, func(c *wire) bool { return c == w })
}

// of returns the connections that a stack has an end of.
func (n *Network) of(s *Stack) []*wire {
	n.mu.Lock()
	defer n.mu.Unlock()
	var conns []*wire
	for _, c := range n.conns {
		if c.dialer.stack == s || c.listener.stack == s {
			conns = append(conns, c)
		}
	}
	return conns
}
