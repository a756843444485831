package cluster

import (
	"context"
	"fmt"

	"github.com/codastress/codastress/harness/agent/ill"
)

// DiskState is how well the disk of a node works. The zero value is a healthy one.
type DiskState = ill.State

// What a call of a disk fails with.
const (
	DiskFails      = ill.Fails
	DiskHasNoSpace = ill.HasNoSpace
)

// DiskOperations are the kinds of calls of a disk that can be made to fail. Sync is of a file, syncdir of a directory.
func DiskOperations() []string { return ill.Operations() }

// DiskHarm is what the state of a node's disk has done to the calls of the daemon that keeps its data there, since the state was set.
type DiskHarm = ill.Harm

// DiskLoss is what a loss of power took from a node's disk: contents of files and changes of names, each file and each change counted once.
type DiskLoss struct {
	Unsynced int // that were not synced
	Lost     int // of them, in part or as a whole
}

// Disks is what an Agent has besides whose node's disk can be made to work badly.
type Disks interface {
	// SetDisk makes the node's disk work as a state says, from now on.
	SetDisk(ctx context.Context, state DiskState) error
	// DiskHarm says what the state has done so far.
	DiskHarm(ctx context.Context) (DiskHarm, error)
	// ProbeDisk writes a file on the node's disk, syncs it, reads it and removes it, and returns the error of the call that failed. It ends with ctx.
	ProbeDisk(ctx context.Context) error
}

// SetDisk makes the node's disk work as a state says, from now on, where the disk can be set.
func (n *Node) SetDisk(ctx context.Context, state DiskState) error {
	disks, err := n.disks()
	if err != nil {
		return err
	}
	return n.doing(disks.SetDisk(ctx, state), "setting the disk of %s")
}

// DiskHarm says what the state that the node's disk was set to has done to the calls of its daemon, where the disk can be set.
func (n *Node) DiskHarm(ctx context.Context) (DiskHarm, error) {
	disks, err := n.disks()
	if err != nil {
		return DiskHarm{}, err
	}
	harm, err := disks.DiskHarm(ctx)
	return harm, n.doing(err, "asking what the disk of %s has done")
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
		return nil, fmt.Errorf("the disk of %s cannot be set", n.Name())
	}
	return disks, nil
}
