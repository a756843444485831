package ailing

import (
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Health is how well a disk works. The zero value is a healthy one.
type Health struct {
	Slowest time.Duration // every call but Usage and Close takes a time that is drawn, up to this, longer than it would
	Stalled bool          // no call returns
	Full    bool          // there is no space but what is taken already
	Seed    uint64        // of what is drawn

	Failing float64     // the share of the calls of the Refused kinds that fail
	Call    int         // the first of them that fails, counted from 1 since the health was set; 0 where the share decides
	Count   int         // how many fail from that one on
	Refused []Operation // empty for reads, writes and syncs
	Err     unix.Errno  // that they fail with; 0 for EIO
}

// ails says whether a disk with this health is a bad one.
func (h *Health) ails() bool {
	return h.Slowest > 0 || h.Stalled || h.Full || h.Failing > 0 || h.Call > 0
}

// A Harm is what the health of a disk has done to the calls that came to it since it was set.
type Harm struct {
	Calls   int           // that came
	Refused int           // of them had no space, or were told by Usage that there is none, or failed
	Delayed int           // took longer
	Longer  time.Duration // by so much, all together
	Stalled int           // waited, or still wait, since no call returned
	First   string        // the first of the refused, delayed and stalled ones: what was done, and with what
}

// A Course is the health of a disk and what it does to the calls that come. The zero value is a healthy one. Whoever has it guards it with a mutex.
type Course struct {
	health  Health
	harm    Harm
	met     int // calls of the kinds that the health refuses
	random  *rand.Rand
	stalled chan struct{} // closed when the disk works again; nil while it does
}

// Set begins with another health, which has done nothing yet. Calls that are stalled go on as soon as the disk is not.
func (c *Course) Set(h Health) {
	c.health, c.harm, c.met = h, Harm{}, 0
	c.random = rand.New(rand.NewPCG(h.Seed, 0))
	switch {
	case h.Stalled && c.stalled == nil:
		c.stalled = make(chan struct{})
	case !h.Stalled && c.stalled != nil:
		close(c.stalled)
		c.stalled = nil
	}
}

// Harm gives what the health has done so far.
func (c *Course) Harm() Harm { return c.harm }

// resume goes on with a course that an earlier life had, which this one was nothing of before.
func (c *Course) resume(r Record) {
	c.Set(r.Health)
	c.harm, c.met = r.Harm, r.Met
	c.random = rand.New(rand.NewPCG(r.Health.Seed, uint64(r.Harm.Calls))) // or the first calls of each life would meet the same
}

// PassOn gives the course of the disk that takes this one's place, which counts on, and makes this one healthy.
func (c *Course) PassOn() Course {
	next := *c
	if c.stalled != nil {
		next.stalled = make(chan struct{})
		close(c.stalled)
	}
	*c = Course{}
	return next
}

// Come counts a call.
func (c *Course) Come() { c.harm.Calls++ }

// Stall gives what a call has to wait for until it is closed, nil for nothing.
func (c *Course) Stall() <-chan struct{} { return c.stalled }

// Slowness draws how much longer than usual a call takes.
func (c *Course) Slowness(op Operation) time.Duration {
	if c.health.Slowest == 0 || op == Usage || op == Close {
		return 0
	}
	return time.Duration(c.random.Int64N(int64(c.health.Slowest)) + 1)
}

// WasStalled notes that a call has to wait.
func (c *Course) WasStalled(op Operation, path string) { c.hit(&c.harm.Stalled, op, path) }

// WasSlow notes that a call took longer, if the disk still is slow.
func (c *Course) WasSlow(op Operation, path string, longer time.Duration) {
	if longer > 0 && c.health.Slowest > 0 {
		c.hit(&c.harm.Delayed, op, path)
		c.harm.Longer += longer
	}
}

// HadNoSpace notes that there was no space for a call, if the disk is full by its health.
func (c *Course) HadNoSpace(op Operation, path string) {
	if c.health.Full {
		c.hit(&c.harm.Refused, op, path)
	}
}

// Refusal says whether a call fails, as was chosen or is drawn: 0 where it does not.
func (c *Course) Refusal(op Operation, path string) unix.Errno {
	h := &c.health
	if h.Failing == 0 && h.Call == 0 || !h.refuses(op) {
		return 0
	}
	c.met++
	if h.Call > 0 && (c.met < h.Call || c.met >= h.Call+h.Count) || h.Call == 0 && c.random.Float64() >= h.Failing {
		return 0
	}
	c.hit(&c.harm.Refused, op, path)
	if h.Err == 0 {
		return unix.EIO
	}
	return h.Err
}

// hit notes that a call is one of those that the health harms, which count counts.
func (c *Course) hit(count *int, op Operation, path string) {
	if c.harm.First == "" {
		c.harm.First = string(op) + " " + path
	}
	*count++
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
