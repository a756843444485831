package simulation

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// A Moment is a point in the life of a daemon at which it is worth dying: just before or after something becomes durable or known to others.
// Between two of them nothing happens that anybody else could see.
type Moment = history.Failpoint

// The moments, as package history explains them.
const (
	Committing = history.Committing
	Writing    = history.Writing
	Sending    = history.Sending
	Sent       = history.Sent
	Answering  = history.Answering
)

// A blow is what a fault does to a daemon when its moment has come.
type blow struct {
	strike func()
	worth  func() bool // whether it takes anything at the moment; nil for always
}

// An aim is a blow that waits for its moment.
type aim struct {
	blow
	moment Moment // "" for any
	left   int    // how many of these pass before
	hit    chan struct{}
}

// takes says whether a moment is one of those that the blow waits for.
func (a *aim) takes(moment Moment) bool {
	return (a.moment == "" || a.moment == moment) && (a.worth == nil || a.worth())
}

const (
	// aimTime is how long a fault waits for its moment until it strikes without.
	aimTime = 300 * time.Millisecond
	// worthTime is how long it waits then for a moment when it takes something.
	worthTime = 3 * time.Second
	// aimMost is how many moments of its kind a fault lets pass at most.
	aimMost = 60
)

// draw aims at a moment, or at none: one time in four a fault strikes when it was planned, or as soon as it takes something.
func draw(random *rand.Rand, b blow) (aimed *aim, now bool) {
	moments := history.Failpoints()
	aimed = &aim{blow: b, hit: make(chan struct{})}
	if random.IntN(4) == 0 {
		return aimed, aimed.takes("")
	}
	aimed.left = random.IntN(1 + random.IntN(aimMost)) // the next ones are likelier
	aimed.moment = moments[random.IntN(len(moments))]
	return aimed, false
}

// at is told of each moment of a daemon, by the goroutine that it happens in. If a fault waits for it, it has struck when at returns.
func (n *node) at(d *daemon, life int, moment Moment) {
	n.mu.Lock()
	if d.life != life {
		n.mu.Unlock()
		return
	}
	if met := d.come(moment); len(met) > 0 {
		n.mu.Unlock()
		n.stand(d, met)
		n.mu.Lock()
	}
	a := d.aim
	if a == nil || d.life != life || !a.takes(moment) {
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

// whenWorthIt strikes at a drawn moment of a daemon, within a bounded time; at once where it stands at one that somebody has waited for.
func (n *node) whenWorthIt(ctx context.Context, d *daemon, b blow) {
	n.mu.Lock()
	if d.standing > 0 {
		n.mu.Unlock()
		b.strike()
		return
	}
	aimed, now := draw(n.machine.Random, b)
	if !now {
		d.aim = aimed
	}
	n.mu.Unlock()
	if now {
		b.strike()
		return
	}
	if n.waitFor(ctx, d, aimed, aimTime) {
		return
	}
	n.mu.Lock()
	aimed = &aim{blow: b, hit: make(chan struct{})}
	if now = aimed.takes(""); !now {
		d.aim = aimed
	}
	n.mu.Unlock()
	if now || !n.waitFor(ctx, d, aimed, worthTime) {
		b.strike()
	}
}

// waitFor waits until an aim has struck, and says whether it did. If not it will not any more.
func (n *node) waitFor(ctx context.Context, d *daemon, aimed *aim, long time.Duration) bool {
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-aimed.hit:
	case <-timer.C:
	case <-ctx.Done():
	}
	n.mu.Lock()
	missed := d.aim == aimed
	if missed {
		d.aim = nil
	}
	n.mu.Unlock()
	if missed {
		return false
	}
	<-aimed.hit // at the latest when it has struck
	n.machine.Log.Debug("a fault struck", "daemon", d.name, "moment", aimed.moment)
	return true
}
