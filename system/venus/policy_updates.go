package venus

import (
	"context"

	"github.com/codastress/codastress/system/coda"
)

// updates decides when a change is done.
type updates interface {
	// conclude ends a change whose record has been logged; the record is nil where the change has cancelled what it undoes. It is called with v.mu
	// held and returns without, when the change is done.
	conclude(ctx context.Context, c *call, t *tx, r *record) error
	// storing is told of the record of contents that have been flushed. v.mu is held.
	storing(r *record)
	// stored returns when the contents that a session has flushed are where they have to be.
	stored(ctx context.Context, c *call, s *session) error
}

// logged are the updates of today: a change is done when it is in the modify log.
type logged struct{ v *Venus }

func (l logged) conclude(_ context.Context, _ *call, t *tx, _ *record) error { return l.v.done(t) }

func (l logged) storing(*record) {}

func (l logged) stored(context.Context, *call, *session) error { return nil }

// connected are the updates of Coda up to 6.1: while the volume is hoarding, a change is done when the server has answered it, and a refusal is the
// caller's. What it changes is locked meanwhile, so that whoever looks something up in the directory waits, too. A record is in the log until
// then, and stays there where the server goes away.
type connected struct{ v *Venus }

func (u connected) conclude(ctx context.Context, c *call, t *tx, r *record) error {
	v := u.v
	if r == nil || !v.hoarding(r) {
		return v.done(t)
	}
	r.connected = true
	defer v.lock(r)()
	if err := v.done(t); err != nil {
		return err
	}
	return u.await(ctx, c, r)
}

// storing marks the record at once: those who change something meanwhile must not take it for one that is left to be reintegrated.
func (u connected) storing(r *record) { r.connected = u.v.hoarding(r) }

func (u connected) stored(ctx context.Context, c *call, s *session) error {
	v := u.v
	v.mu.Lock()
	shared := s.published()
	var last *record
	for _, r := range s.o.pending() {
		if _, ok := r.Operation.(coda.Store); ok {
			last = r
		}
	}
	waits := last != nil && last.connected
	v.mu.Unlock()
	if !waits {
		return nil
	}
	if shared {
		// What is sent must not change any more.
		if err := v.protect(ctx, c, s); err != nil {
			return err
		}
	}
	v.mu.Lock()
	free := v.lock(last)
	v.mu.Unlock()
	defer free()
	return u.await(ctx, c, last)
}

// await waits until the server has answered a record, or cannot be asked.
func (u connected) await(ctx context.Context, c *call, r *record) error {
	v := u.v
	v.wakeReintegrator()
	for {
		v.mu.Lock()
		answered, refusal := r.answered, r.refusal
		settled, changed, closed := v.settled, v.group.changed, v.closed
		leave := !answered && v.group.state != linkUp
		if leave {
			r.connected = false // it is an entry of the log like others now
			v.review()
		}
		v.mu.Unlock()
		switch {
		case refusal != nil:
			return c.fail(refusal.Kind, "the server says: %s", refusal.Why)
		case answered, leave:
			return nil
		case closed:
			return c.fail(coda.Closed, "venus is stopping")
		}
		if err := c.waitLong(ctx, settled, changed, "the server to answer record "+r.String()); err != nil {
			return err
		}
	}
}

// hoarding reports whether a record goes to the server at once: it is there, and nothing else is in the log but what others wait for. v.mu is held.
func (v *Venus) hoarding(next *record) bool {
	return v.group.state == linkUp && v.policies.transitions.state() == volumeReachable && !v.leftOver(next)
}

// lock locks what a record concerns, so that those who need it wait. v.mu is held, but not when the lock is given back by the function that it returns.
func (v *Venus) lock(r *record) (free func()) {
	var held []*object
	for _, f := range objectsOf(r.Operation) {
		held = append(held, v.object(f))
	}
	for _, n := range namings(r.Operation) {
		held = append(held, v.object(n.dir))
	}
	for _, o := range held {
		o.users++
		w := o.begin(v.id.Client)
		if w.holders++; w.free == nil {
			w.free = make(chan struct{})
		}
	}
	return func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		for _, o := range held {
			o.users--
			if o.work.holders--; o.work.holders == 0 {
				close(o.work.free)
				o.work.free = nil
			}
			v.tidy(o)
		}
	}
}
