package simdisk

import (
	"math/rand/v2"
	"time"

	"golang.org/x/sys/unix"
)

// Health is how well a disk works. The zero value is a healthy one. What ails a disk goes over to the copy that a crash or a loss of power leaves.
type Health struct {
	Slowest time.Duration // every call but Usage and Close takes a time that is drawn, up to this, on top of the latency
	Stalled bool          // no call returns
	Full    bool          // there is no space but what is taken already
	Failing float64       // the share of reads, writes and syncs that fail with EIO
	Random  *rand.Rand    // draws; needed where Slowest or Failing is not zero. Nobody else may use it
}

// SetHealth makes a disk work well or badly from now on. Calls that are stalled go on as soon as the disk is not. It sets the capacity as well.
func (d *Disk) SetHealth(h Health) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.health, d.capacity = h, 0
	if h.Full {
		d.capacity = max(d.used, 1) // 0 is no limit
	}
	switch {
	case h.Stalled && d.stalled == nil:
		d.stalled = make(chan struct{})
	case !h.Stalled && d.stalled != nil:
		close(d.stalled)
		d.stalled = nil
	}
}

// delay draws how long a call takes. d.mu is held.
func (d *Disk) delay(op Operation) time.Duration {
	delay := d.latency.of(op)
	if d.health.Slowest > 0 && op != Usage && op != Close {
		delay += time.Duration(d.health.Random.Int64N(int64(d.health.Slowest)) + 1)
	}
	return delay
}

// ailment draws whether a call fails. d.mu is held.
func (d *Disk) ailment(op Operation) error {
	switch op {
	case Read, Write, Copy, Sync, SyncDirectory:
		if d.health.Failing > 0 && d.health.Random.Float64() < d.health.Failing {
			return unix.EIO
		}
	}
	return nil
}

// recover makes a disk healthy whose successor has what ailed it. d.mu is held.
func (d *Disk) recover() {
	d.capacity, d.faults, d.health = 0, nil, Health{}
	if d.stalled != nil {
		close(d.stalled)
		d.stalled = nil
	}
}
