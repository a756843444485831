package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/codastress/codastress/harness/agent/rot"
	"github.com/codastress/codastress/harness/cluster"
)

// A Disk is what a node keeps between the lives of its daemons. The system under test gives it back as the type that it knows.
type Disk interface {
	// Crash returns the disk as a killed process leaves it: with everything that was written. What is done to the old one later changes
	// nothing on the new one, and the old one takes everything from then on, whatever ails the new one.
	Crash() Disk
	// LosePower returns the disk as a loss of power leaves it, with what was synced and some of the rest, and says what it took.
	LosePower(random *rand.Rand) (Disk, cluster.DiskLoss)
	// Unsynced says whether a loss of power may take something.
	Unsynced() bool
	// Watch has moments told, Committing and Writing, by the goroutines that they happen in; nil tells nobody.
	Watch(at func(Moment))
	// Freeze makes all calls wait for Thaw, as those of a stopped process do.
	Freeze()
	Thaw()
	// Set makes the disk work well or badly.
	Set(state cluster.DiskState)
	// Harm says what the state has done to the calls since it was set. What Crash and LosePower return counts on.
	Harm() cluster.DiskHarm
	// SetClock sets the clock that times of modification are taken from. It goes over to what Crash and LosePower return.
	SetClock(clock func() time.Time)
	// Probe writes a file, syncs it, reads it and removes it, and returns the first error.
	Probe() error
	// Contents is the disk as something that can rot, and the folder of a server's contents.
	Contents() (disk rot.Disk, folder string)
}

var _ cluster.Rotting = (*node)(nil)

// Cached implements cluster.Rotting.
func (n *node) Cached(ctx context.Context, daemon string) ([]rot.Content, error) {
	return n.software.Cached(ctx, daemon)
}

// FlipBits implements cluster.Rotting.
func (n *node) FlipBits(_ context.Context, daemon string, among []rot.Content, share float64, seed uint64) (flips []rot.Flip, err error) {
	disk, folder := n.contents()
	if among == nil {
		if daemon != cluster.Codasrv {
			return nil, fmt.Errorf("what %s keeps is not known by its names", daemon)
		}
		if among, err = rot.In(disk, folder); err != nil {
			return nil, err
		}
	}
	return rot.Bits(disk, among, share, rand.New(rand.NewPCG(seed, 0)))
}

// LookAtBits implements cluster.Rotting.
func (n *node) LookAtBits(_ context.Context, _ string, flips []rot.Flip, back bool) (map[rot.State]int, error) {
	disk, _ := n.contents()
	return rot.Look(disk, flips, back)
}

func (n *node) contents() (disk rot.Disk, folder string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.disk.Contents()
}

var _ cluster.Disks = (*node)(nil)

// SetDisk implements cluster.Disks.
func (n *node) SetDisk(_ context.Context, state cluster.DiskState) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.disk.Set(state)
	return nil
}

// DiskHarm implements cluster.Disks. Only one daemon of a node uses its disk.
func (n *node) DiskHarm(context.Context) (cluster.DiskHarm, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.disk.Harm(), nil
}

// ProbeDisk implements cluster.Disks. A probe that ctx has overtaken ends when the disk lets it, or with the cluster.
func (n *node) ProbeDisk(ctx context.Context) error {
	n.mu.Lock()
	disk := n.disk
	n.mu.Unlock()
	probed := make(chan error, 1)
	n.world.zombies.Go(func() { probed <- disk.Probe() })
	select {
	case err := <-probed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// mend makes a node's disk healthy, so that nothing waits for it any more.
func (n *node) mend() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.disk.Set(cluster.DiskState{})
}
