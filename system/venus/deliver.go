package venus

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
)

// delivery is a batch on its way to one replica, and the answer.
type delivery struct {
	request
	answer wire.Answer
	err    error
}

// address prepares a delivery to each available replica. v.mu is held.
func (v *Venus) address() (list []*delivery) {
	for _, r := range v.group.members(v.group.reachable()) {
		list = append(list, &delivery{request: r.ask()})
	}
	return list
}

// delivered ends the requests.
func (v *Venus) delivered(list []*delivery) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, d := range list {
		d.end()
	}
}

// deliver sends a batch to several replicas at once, Coda's COP1. It returns when all have answered, or failed, or have not done so for too long
// after one had: whatever has become of the batch there, they are not available any more.
func (v *Venus) deliver(ctx context.Context, batch []*record, list []*delivery) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var late *time.Timer
	answered := make(chan struct{}, len(list))
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-answered:
		case <-ctx.Done():
			return
		}
		late = time.NewTimer(v.cfg.Timing.Dead)
		defer late.Stop()
		select {
		case <-late.C:
			cancel(fmt.Errorf("others have answered %v ago: %w", v.cfg.Timing.Dead, context.DeadlineExceeded))
		case <-ctx.Done():
		}
	}()
	together(list, func(d *delivery) {
		if d.answer, d.err = v.send(ctx, batch, d.request); d.err == nil {
			answered <- struct{}{}
		}
	})
	cancel(nil)
	<-done
}

// leaveOut ends the sessions with the replicas of which nobody knows whether they have applied a batch that others have applied. When they are back what
// is cached is compared with what they have.
func (v *Venus) leaveOut(list []*delivery) {
	for _, d := range list {
		if d.err != nil && inDoubt(d.err) && d.life != nil && d.life.Err() == nil {
			v.logger.Warn("a server has not answered a batch that others have applied", "server", d.to.server.Address, "error", d.err)
			d.to.remote.cut()
		}
	}
}

// answersOf picks those that were answered; where none was, it gives the error of one, rather of one that leaves in doubt whether the batch was applied.
func answersOf(list []*delivery) (answered []*delivery, err error) {
	for _, d := range list {
		switch {
		case d.err == nil:
			answered = append(answered, d)
		case err == nil || inDoubt(d.err) && !inDoubt(err):
			err = d.err
		}
	}
	if len(answered) > 0 {
		return answered, nil
	}
	return nil, err
}

// inDoubt reports whether a batch that failed so may have been applied, or may be yet.
func inDoubt(err error) bool {
	switch coda.KindOf(err) {
	case coda.TimedOut, coda.Closed, coda.IO:
		return true
	default:
		return false
	}
}

// agreement is what several replicas have made of a batch, as far as it is one thing. What one of them has applied counts as applied, and what the
// others have then is for the servers to resolve.
type agreement struct {
	refused  map[uint64]coda.Refusal // records that all have refused
	disputed map[uint64]bool         // records that some have refused
	groups   []replicas              // those that have refused the same records
}

// agree finds what the answers of replicas have in common.
func agree(list []*delivery) agreement {
	a := agreement{refused: map[uint64]coda.Refusal{}, disputed: map[uint64]bool{}}
	times := map[uint64]int{}
	for _, d := range list {
		for _, r := range d.answer.Refusals {
			if times[r.Number]++; times[r.Number] == len(list) {
				a.refused[r.Number] = r
			}
		}
	}
	for number, n := range times {
		if n < len(list) {
			a.disputed[number] = true
		}
	}
	var leaders []*delivery
	for _, d := range list {
		i := slices.IndexFunc(leaders, func(l *delivery) bool { return sameRefusals(l.answer, d.answer) })
		if i < 0 {
			leaders, a.groups = append(leaders, d), append(a.groups, only(d.to.slot))
			continue
		}
		a.groups[i] |= only(d.to.slot)
	}
	return a
}

func sameRefusals(a, b wire.Answer) bool {
	return slices.EqualFunc(a.Refusals, b.Refusals, func(x, y coda.Refusal) bool { return x.Number == y.Number })
}

// groupOf is the set of replicas that have done the same as one of them.
func (a agreement) groupOf(slot int) replicas {
	for _, g := range a.groups {
		if g.has(slot) {
			return g
		}
	}
	return only(slot)
}

// outcome is what a batch has made of one object on one replica.
type outcome struct {
	from    request
	breaks  uint64
	changed wire.Changed
	settled coda.VersionVector // the version that it will have after the second phase
}

// outcomes are what a batch has made of each object, by replica in the order of slots.
func (a agreement) outcomes(list []*delivery) map[coda.Fid][]outcome {
	all := map[coda.Fid][]outcome{}
	for _, d := range list {
		for _, c := range d.answer.Changed {
			f := c.Status.Fid
			all[f] = append(all[f], outcome{d.request, d.answer.Breaks, c, a.settled(d.to.slot, c)})
		}
	}
	return all
}

// settled is the version that an object has once the replica knows which others have applied the batch: it counts their updates then as it has counted
// its own.
func (a agreement) settled(slot int, c wire.Changed) coda.VersionVector {
	version := c.Status.Version
	own := version.Slots[slot] - c.Before.Slots[slot]
	for other := range coda.VersionSlots {
		if other != slot && a.groupOf(slot).has(other) {
			version.Slots[other] += own
		}
	}
	return version
}

// newestOutcome gives the outcome that no other one is newer than; nil where there is none.
func newestOutcome(list []outcome) *outcome {
	for i, o := range list {
		newer := slices.ContainsFunc(list, func(other outcome) bool {
			how := other.settled.Compare(o.settled)
			return how == coda.Dominant || how == coda.Inconsistent
		})
		if !newer {
			return &list[i]
		}
	}
	return nil
}
