package main

import (
	"context"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/harness/agent/ill"
)

// stubDisk is a disk to which nobody but those who probe it comes.
type stubDisk struct {
	mu    sync.Mutex
	state ill.State
	harm  ill.Harm
}

// SetDisk implements agent.Disk.
func (d *stubDisk) SetDisk(_ context.Context, state ill.State) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.state, d.harm = state, ill.Harm{}
	return nil
}

// DiskHarm implements agent.Disk.
func (d *stubDisk) DiskHarm(context.Context) (ill.Harm, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.harm, nil
}

// ProbeDisk implements agent.Disk.
func (d *stubDisk) ProbeDisk(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.harm.Calls++
	if !d.state.Full {
		return nil
	}
	d.harm.Refused++
	d.harm.First = "write probe"
	return unix.ENOSPC
}
