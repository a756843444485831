package cluster

import (
	"context"
	"fmt"
	"time"
)

// DiskState is how well the disk of a node works. The zero value is a healthy one.
type DiskState struct {
	Slowest time.Duration // each call takes a time that is drawn, up to this
	Stalled bool          // no call returns
	Full    bool          // there is no space left
	Failing float64       // the share of reads, writes and syncs that fail with EIO
	Seed    uint64        // of what is drawn
}

// Disks is what an Agent has besides whose node's disk can be made to work badly: a simulated one.
type Disks interface {
	// SetDisk makes the node's disk work as a state says, from now on.
	SetDisk(ctx context.Context, state DiskState) error
	// ProbeDisk writes a file on the node's disk, syncs it, reads it and removes it, and returns the error of the call that failed. It ends with ctx.
	ProbeDisk(ctx context.Context) error
}

// SetDisk makes the node's disk work as a state says, from now on. Only a simulation can: elsewhere it is an error.
func (n *Node) SetDisk(ctx context.Context, state DiskState) error {
	disks, err := n.disks()
	if err != nil {
		return err
	}
	return n.doing(disks.SetDisk(ctx, state), "setting the disk of %s")
}

// ProbeDisk writes a file on the node's disk, syncs it, reads it and removes it, and returns the error of the call that failed, where the
// disk can be set.
func (n *Node) ProbeDisk(ctx context.Context) error {
	disks, err := n.disks()
	if err != nil {
		return err
	}
	return n.doing(disks.ProbeDisk(ctx), "probing the disk of %s")
}

func (n *Node) disks() (Disks, error) {
	disks, ok := n.agent.(Disks)
	if !ok {
		return nil, fmt.Errorf("the disk of %s cannot be set: only a simulation does that", n.Name())
	}
	return disks, nil
}
