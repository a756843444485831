package cluster

import (
	"context"
	"fmt"

	"github.com/codastress/codastress/harness/agent/rot"
)

// A Content is a file of contents that a daemon keeps.
type Content = rot.Content

// A Flip is a bit of contents that was flipped.
type Flip = rot.Flip

// BitState is what has become of it.
type BitState = rot.State

// The states of a flipped bit.
const (
	BitFlipped = rot.Flipped
	BitRight   = rot.Right // as it was before
	BitGone    = rot.Gone  // with its file, or with the contents that it was of
)

// Rotting is what an Agent has besides whose daemons keep contents in files that can be reached.
type Rotting interface {
	// Cached lists the contents that a daemon, which runs, keeps beside others that have them as well.
	Cached(ctx context.Context, daemon string) ([]Content, error)
	// FlipBits flips a bit in each of a share of some contents, one at least; which, the seed draws. Nil stands for all that a daemon keeps, where these are known by
	// their names. With an error come those that were flipped before it.
	FlipBits(ctx context.Context, daemon string, among []Content, share float64, seed uint64) ([]Flip, error)
	// LookAtBits says how many of these are in which state. Before, it flips those back that are still flipped, where that is wanted.
	LookAtBits(ctx context.Context, daemon string, flips []Flip, back bool) (map[BitState]int, error)
}

// Cached lists the contents that a daemon of the node, which runs, keeps beside others that have them as well.
func (n *Node) Cached(ctx context.Context, daemon string) ([]Content, error) {
	rotting, err := n.rotting()
	if err != nil {
		return nil, err
	}
	contents, err := rotting.Cached(ctx, daemon)
	return contents, n.doing(err, "asking what %s has cached on %s", daemon)
}

// FlipBits flips a bit in each of a share of some contents, one at least, and returns when the node's disk gives the other bytes. Which, the seed draws. Nil stands
// for all contents that a daemon of the node keeps, where these are known by their names. With an error come those that were flipped before it.
func (n *Node) FlipBits(ctx context.Context, daemon string, among []Content, share float64, seed uint64) ([]Flip, error) {
	rotting, err := n.rotting()
	if err != nil {
		return nil, err
	}
	flips, err := rotting.FlipBits(ctx, daemon, among, share, seed)
	return flips, n.doing(err, "flipping bits of what %s keeps on %s", daemon)
}

// LookAtBits says how many of bits that were flipped are in which state. Before, it flips those back that are still flipped, where that is wanted.
func (n *Node) LookAtBits(ctx context.Context, daemon string, flips []Flip, back bool) (map[BitState]int, error) {
	rotting, err := n.rotting()
	if err != nil {
		return nil, err
	}
	states, err := rotting.LookAtBits(ctx, daemon, flips, back)
	return states, n.doing(err, "looking at what %s keeps on %s", daemon)
}

func (n *Node) rotting() (Rotting, error) {
	rotting, ok := n.agent.(Rotting)
	if !ok {
		return nil, fmt.Errorf("nobody reaches what the daemons of %s keep", n.Name())
	}
	return rotting, nil
}
