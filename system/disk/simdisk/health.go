package simdisk

import (
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Health is how well a disk works. The zero value is a healthy one. What ails a disk goes over to the copy that a crash or a loss of power leaves.
type Health struct {
	Slowest time.Duration // every call but Usage and Close takes a time that is drawn, up to this, on top of the latency
	Stalled bool          // no call returns
	Full    bool          // there is no space but what is taken already
	Random  *rand.Rand    // draws; needed where Slowest or Failing is not zero. Nobody else may use it

	Failing float64     // the share of the calls of the Refused kinds that fail
	Call    int         // the first of them that fails, counted from 1 since the health was set; 0 where the share decides. What a crash leaves counts on
	Count   int         // how many fail from that one on
	Refused []Operation // empty for reads, writes and syncs
	Err     unix.Errno  // that they fail with; 0 for EIO
}

// A Harm is what the health of a disk has done to the calls that came to it since it was set. What a crash or a loss of power leaves counts on.
type Harm struct {
	Calls   int           // that came
	Refused int           // of them had no space, or were told by Usage that there is none, or failed with EIO
	Delayed int           // took longer
	Longer  time.Duration // by so much, all together
	Stalled int           // waited, or still wait, since no call returned
	First   string        // the first of the refused, delayed and stalled ones: what was done, and with what
}

// Harm gives what the health of the disk has done so far.
func (d *Disk) Harm() Harm {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.harm
}

// hit notes that a call is one of those that health harms, which count counts. d.mu is held.
func (d *Disk) hit(count *int, op Operation, path string) {
	if d.harm.First == "" {
		d.harm.First = string(op) + " " + path
	}
	*count++
}

// SetHealth makes a disk work well or badly from now on. Calls that are stalled go on as soon as the disk is not. It sets the capacity as well.
func (d *Disk) SetHealth(h Health) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.health, d.harm, d.met, d.capacity = h, Harm{}, 0, 0
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

// slowness draws how much longer than usual a call takes. d.mu is held.
func (d *Disk) slowness(op Operation) time.Duration {
	if d.health.Slowest == 0 || op == Usage || op == Close {
		return 0
	}
	return time.Duration(d.health.Random.Int64N(int64(d.health.Slowest)) + 1)
}

// ailment says whether a call fails, as was chosen or is drawn. d.mu is held.
func (d *Disk) ailment(op Operation, path string) error {
	h := &d.health
	if h.Failing == 0 && h.Call == 0 || !h.refuses(op) {
		return nil
	}
	d.met++
	if h.Call > 0 && (d.met < h.Call || d.met >= h.Call+h.Count) || h.Call == 0 && h.Random.Float64() >= h.Failing {
		return nil
	}
	d.hit(&d.harm.Refused, op, path)
	if h.Err == 0 {
		return unix.EIO
	}
	return h.Err
}

// refuses says whether calls of a kind can fail.
func (h *Health) refuses(op Operation) bool {
	if len(h.Refused) > 0 {
		return slices.Contains(h.Refused, op)
	}
	switch op {
	case Read, Write, Copy, Sync, SyncDirectory:
		return true
	}
	return false
}

// noSpace is the error of a call for which there is no space. d.mu is held.
func (d *Disk) noSpace(op Operation, path string) error {
	if d.health.Full {
		d.hit(&d.harm.Refused, op, path)
	}
	return failed(op, path, unix.ENOSPC)
}

// recover makes a disk healthy whose successor has what ailed it. d.mu is held.
func (d *Disk) recover() {
	d.capacity, d.faults, d.health, d.harm = 0, nil, Health{}, Harm{}
	if d.stalled != nil {
		close(d.stalled)
		d.stalled = nil
	}
}
