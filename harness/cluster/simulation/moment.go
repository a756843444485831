package simulation

import (
	"context"
	"math/rand/v2"
	"time"
)

// A Moment is a point in the life of a daemon at which it is worth dying: just before or after something becomes durable or known to others.
// Between two of them nothing happens that anybody else could see.
type Moment string

// The moments.
const (
	Committing Moment = "committing" // something is about to be synced, renamed or removed on the disk
	Writing    Moment = "writing"    // bytes are about to be written to the disk
	Sending    Moment = "sending"    // bytes are about to be sent to a peer
	Sent       Moment = "sent"
	Answering  Moment = "answering" // an application is about to be answered
)

// An aim is a fault that waits for its moment.
type aim struct {
	moment Moment
	left   int // how many of these pass before
	strike func()
	hit    chan struct{}
}

const (
	// aimTime is how long a fault waits for its moment until it strikes without.
	aimTime = 300 * time.Millisecond
	// aimMost is how many moments of its kind a fault lets pass at most.
	aimMost = 60
)

// draw aims at a moment, or at none: one time in four a fault strikes when it was planned.
func draw(random *rand.Rand) (aimed aim, now bool) {
	moments := []Moment{Committing, Writing, Sending, Sent, Answering}
	if random.IntN(4) == 0 {
		return aim{}, true
	}
	left := random.IntN(1 + random.IntN(aimMost)) // the next ones are likelier
	return aim{moment: moments[random.IntN(len(moments))], left: left, hit: make(chan struct{})}, false
}

// at is told of each moment of a daemon, by the goroutine that it happens in. If a fault waits for it, it has struck when at returns.
func (n *node) at(d *daemon, life int, moment Moment) {
	n.mu.Lock()
	a := d.aim
	if a == nil || d.life != life || a.moment != moment {
		n.mu.Unlock()
		return
	}
	if a.left > 0 {
		a.left--
		n.mu.Unlock()
		return
	}
	d.aim = nil
	n.mu.Unlock()
	a.strike()
	close(a.hit)
}

// whenWorthIt strikes at a drawn moment of a daemon, within a bounded time.
func (n *node) whenWorthIt(ctx context.Context, d *daemon, strike func()) {
	n.mu.Lock()
	aimed, now := draw(n.machine.Random)
	if now {
		n.mu.Unlock()
		strike()
		return
	}
	aimed.strike = strike
	d.aim = &aimed
	n.mu.Unlock()
	timer := time.NewTimer(aimTime)
	defer timer.Stop()
	select {
	case <-aimed.hit:
		n.machine.Log.Debug("a fault struck", "daemon", d.name, "moment", aimed.moment)
		return
	case <-timer.C:
	case <-ctx.Done():
	}
	n.mu.Lock()
	missed := d.aim == &aimed
	if missed {
		d.aim = nil
	}
	n.mu.Unlock()
	if missed {
		strike()
		return
	}
	<-aimed.hit // it is striking
}
