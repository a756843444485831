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
	Seed    uint64        // of what is drawn

	Failing   float64 // the share of the calls that fail
	Call      int     // the first of the calls that fail, counted from 1 and from when the state was set; 0 where the share decides
	Count     int     // how many fail from that one on
	Operation string  // the calls that are meant, one of DiskOperations; "" for every read, write and sync
	Error     string  // what they fail with, DiskFails or DiskHasNoSpace; "" for the former
}

// What a call of a disk fails with.
const (
	DiskFails      = "EIO"
	DiskHasNoSpace = "ENOSPC"
)

// DiskOperations are the kinds of calls of a disk that can be made to fail. Sync is of a file, syncdir of a directory.
func DiskOperations() []string {
	return []string{"read", "write", "sync", "syncdir", "create", "open", "rename", "link", "remove", "truncate", "allocate", "copy", "list"}
}

// DiskHarm is what the state of a node's disk has done to the calls of the daemon that keeps its data there, since the state was set.
type DiskHarm struct {
	Calls   int           // that the daemon made
	Refused int           // of them had no space, or were told that there is none, or failed
	Delayed int           // took longer
	Longer  time.Duration // by so much, all together
	Stalled int           // waited, or still wait, since no call returned
	First   string        // the first of the refused, delayed and stalled ones: what was done, and with what
}

// DiskLoss is what a loss of power took from a node's disk: contents of files and changes of names, each file and each change counted once.
type DiskLoss struct {
	Unsynced int // that were not synced
	Lost     int // of them, in part or as a whole
}

// Disks is what an Agent has besides whose node's disk can be made to work badly: a simulated one.
type Disks interface {
	// SetDisk makes the node's disk work as a state says, from now on.
	SetDisk(ctx context.Context, state DiskState) error
	// DiskHarm says what the state has done so far.
	DiskHarm(ctx context.Context) (DiskHarm, error)
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
		return nil, fmt.Errorf("the disk of %s cannot be set: only a simulation does that", n.Name())
	}
	return disks, nil
}
