package venus

import (
	"time"

	"github.com/codastress/codastress/system/coda"
)

// batching decides when the log is sent, and how much of it at once. v.mu is held.
type batching interface {
	// wait says for how long the log is not to be sent yet, 0 when its turn has come.
	wait(head *record) time.Duration
	// full reports whether a record is not to follow a batch of some records with some bytes of contents.
	full(batch []*record, bytes uint64, next *record) bool
	// rest is called when nothing is left to send.
	rest()
	// listens reports whether a wait ends when something is logged or somebody waits for the log.
	listens() bool
}

// streamed is the batching of today: as soon as the first record has waited for others for a moment, as much as fits.
type streamed struct{ v *Venus }

func (s streamed) wait(head *record) time.Duration {
	v := s.v
	// A clock that was set back must not hold records up.
	age := v.age(head)
	if young := v.cfg.Timing.Age - age; young > 0 && age >= 0 && len(v.forced) == 0 && v.log.count < v.cfg.Limits.BatchRecords {
		return young
	}
	return 0
}

func (s streamed) full(batch []*record, bytes uint64, next *record) bool {
	limits := s.v.cfg.Limits
	if len(batch) >= limits.BatchRecords || bytes >= limits.BatchBytes {
		return true
	}
	op, ok := next.Operation.(coda.Store)
	return ok && bytes > 0 && bytes+op.Length > limits.BatchBytes
}

func (streamed) rest() {}

func (streamed) listens() bool { return false }

// trickled is the batching of Coda: looked at now and then, in order, when the first record is old enough. A store is sent alone, and nothing behind
// what cannot be sent. What a connected caller waits for is sent at once, and by itself.
type trickled struct {
	v       *Venus
	running bool
	next    time.Time // the next look
}

func (b *trickled) wait(head *record) time.Duration {
	if len(b.v.forced) > 0 || b.v.awaited() {
		return 0
	}
	timing := b.v.cfg.Timing
	if !b.running {
		if left := time.Until(b.next); left > 0 {
			return left
		}
		b.running, b.next = true, time.Now().Add(timing.Trickle)
	}
	age := b.v.age(head)
	if age >= 0 && age < timing.Age {
		b.running = false
		return max(time.Until(b.next), time.Millisecond)
	}
	return 0
}

func (b *trickled) full(batch []*record, bytes uint64, next *record) bool {
	if len(batch) == 0 {
		return false
	}
	_, stores := next.Operation.(coda.Store)
	return stores || bytes > 0 || batch[0].connected || next.connected || len(batch) >= b.v.cfg.Limits.BatchRecords
}

func (b *trickled) rest() { b.running = false }

func (b *trickled) listens() bool { return true }

// awaited reports whether a caller waits for something in the log. v.mu is held.
func (v *Venus) awaited() bool {
	for r := v.log.head; r != nil; r = r.next {
		if r.connected {
			return true
		}
	}
	return false
}
