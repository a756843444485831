package venus

import (
	"context"
	"time"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
)

// settle takes over the answer to a batch: what was applied is now the server's word, and what was refused is kept as a conflict.
func (v *Venus) settle(ctx context.Context, batch []*record, answer wire.Answer, q request) error {
	v.awaitBreaks(ctx, q, answer.Breaks)
	refused := map[uint64]coda.Refusal{}
	for _, r := range answer.Refusals {
		refused[r.Number] = r
	}
	if err := v.syncRefused(batch, refused); err != nil {
		return err
	}
	t := v.store.begin()
	v.mu.Lock()
	a := v.newSettlement(t, answer)
	for _, r := range batch {
		a.note(r)
		r.answered = true
		refusal, ok := refused[r.Number]
		if !ok {
			continue
		}
		r.refusal = &refusal
		// A caller who waits hears of it. What he wrote is kept nevertheless: most programs do not look what close(2) says.
		if !r.connected || r.contents != nil {
			v.hold(t, r, refusal)
		}
	}
	for _, r := range batch {
		if _, ok := refused[r.Number]; ok {
			a.refuse(r)
		} else {
			a.apply(r)
		}
	}
	a.finish(q, answer.Breaks)
	for _, r := range batch {
		if refusal, ok := refused[r.Number]; ok {
			v.lookAgain(t, r, refusal)
		}
	}
	v.frozen = frozen{}
	t.meta(metaFrozen, v.frozen)
	v.eased()
	v.answered = batch[len(batch)-1].Number
	close(v.settled)
	v.settled = make(chan struct{})
	if err := v.done(t); err != nil || len(refused) == 0 {
		return err
	}
	// The server remembers what it refused until it gets the next batch, so from then on a loss of power must not take the conflicts.
	return v.store.sync()
}

// awaitBreaks waits, for a moment, until the breaks that were sent before a batch was committed have been processed: then the
// directories are at the versions that the batch was applied to.
func (v *Venus) awaitBreaks(ctx context.Context, q request, breaks uint64) {
	limit := time.NewTimer(100 * time.Millisecond)
	defer limit.Stop()
	for {
		v.mu.Lock()
		r := q.to
		there := r.id != q.session || r.breaks >= breaks || r.state != linkUp
		broken, changed := r.broken, v.group.changed
		v.mu.Unlock()
		if there {
			return
		}
		select {
		case <-broken:
		case <-changed:
		case <-limit.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// settlement is the answer to a batch while it is being taken over. v.mu is held all the time.
type settlement struct {
	v        *Venus
	t        *tx
	changed  map[coda.Fid]wire.Changed
	affected map[coda.Fid]bool // objects and directories that the batch is about
	ahead    map[coda.Fid]bool // directories that were fetched after the batch had been applied
	renamed  map[coda.Fid]bool // directories in which a record was applied
	removed  map[coda.Fid]bool // objects that an applied record took a name from
	stored   map[coda.Fid]stored
}

// stored are contents that the batch stored, with a reference to the container.
type stored struct {
	contents *container
	digest   coda.Digest
}

func (v *Venus) newSettlement(t *tx, answer wire.Answer) *settlement {
	a := &settlement{
		v: v, t: t, changed: make(map[coda.Fid]wire.Changed, len(answer.Changed)),
		affected: map[coda.Fid]bool{}, ahead: map[coda.Fid]bool{}, renamed: map[coda.Fid]bool{}, removed: map[coda.Fid]bool{},
		stored: map[coda.Fid]stored{},
	}
	for _, c := range answer.Changed {
		a.changed[c.Status.Fid] = c
	}
	return a
}

// note holds on to everything that a record is about.
func (a *settlement) note(r *record) {
	hold := func(f coda.Fid) {
		if !a.affected[f] {
			a.affected[f] = true
			o := a.v.object(f)
			o.users++
			c, ok := a.changed[f]
			a.ahead[f] = ok && o.complete() && !o.at().IsZero() && c.Status.Version.Compare(o.at()) != coda.Dominant
		}
	}
	for _, f := range objectsOf(r.Operation) {
		hold(f)
	}
	for _, n := range namings(r.Operation) {
		hold(n.dir)
	}
}

// apply makes a record that the server has applied the server's word.
func (a *settlement) apply(r *record) {
	v := a.v
	if op, ok := r.Operation.(coda.Store); ok {
		if old, ok := a.stored[op.Fid]; ok {
			v.release(old.contents)
		}
		a.stored[op.Fid] = stored{v.retain(r.contents), op.Digest}
	}
	switch op := r.Operation.(type) {
	case coda.Remove, coda.RemoveDirectory:
		a.removed[op.Target()] = true
	case coda.Rename:
		if !op.Replaced.IsZero() {
			a.removed[op.Replaced] = true
		}
	}
	for _, n := range namings(r.Operation) {
		if a.renamed[n.dir] = true; a.ahead[n.dir] {
			continue
		}
		if !n.entry.Fid.IsZero() && n.entry.Kind == 0 {
			n.entry.Kind = kindOf(v.object(n.entry.Fid))
		}
		v.setEntry(a.t, v.object(n.dir), n.name, n.entry)
	}
	v.detach(a.t, r)
}

// kindOf is the kind of an object, guessed from its fid where nothing else is known.
func kindOf(o *object) coda.ObjectKind {
	switch {
	case o.local().Kind != 0:
		return o.local().Kind
	case o.fid.IsDirectory():
		return coda.Directory
	default:
		return coda.File
	}
}

// refuse takes a record that the server has refused out of the local view.
func (a *settlement) refuse(r *record) {
	for _, n := range namings(r.Operation) {
		a.v.notices.entry(n.dir, n.name)
	}
	for _, f := range objectsOf(r.Operation) {
		a.v.notices.object(f)
		a.v.voidPromise(a.v.object(f))
	}
	a.v.detach(a.t, r)
}

// lookAgain finds out what the server has of an object about which it has refused a record.
func (v *Venus) lookAgain(t *tx, r *record, refusal coda.Refusal) {
	switch r.Operation.(type) {
	case coda.Store, coda.SetAttributes:
		if o := v.object(r.Operation.Target()); refusal.Kind == coda.NotFound && o.known() {
			v.forget(t, o)
			return
		}
	}
	v.checkConflict(r.Operation.Target())
}

// finish takes over the new attributes.
func (a *settlement) finish(q request, breaks uint64) {
	v := a.v
	for f := range a.affected {
		o := v.object(f)
		c, ok := a.changed[f]
		switch {
		case ok:
			a.takeStatus(o, c, q, breaks)
		case a.removed[f]:
			v.forget(a.t, o)
		case a.renamed[f]:
			o.listing().at = coda.VersionVector{} // others have changed it since
			v.voidPromise(o)
			v.saveObject(a.t, o)
		default:
			v.voidPromise(o)
		}
		stash := o.unstash()
		for _, change := range stash {
			v.takeChange(a.t, o, change)
		}
		o.users--
		v.tidy(o)
	}
	for _, s := range a.stored {
		v.release(s.contents)
	}
}

func (a *settlement) takeStatus(o *object, c wire.Changed, q request, breaks uint64) {
	v := a.v
	if o.fid.IsDirectory() && !a.ahead[o.fid] {
		switch {
		case c.Before.IsZero() && !o.known():
			l := o.listing()
			l.complete, l.at = true, c.Status.Version // the batch made it, so all that it holds was in the log
			l.recount()
		case o.complete() && o.at().Compare(c.Before) == coda.Equal:
			o.listing().at = c.Status.Version
		default:
			o.listing().at = coda.VersionVector{} // others changed it, too, and that has not been heard of yet
		}
	}
	before := o.base().Version
	took := v.setBase(a.t, o, c.Status)
	if took && c.Promised {
		v.promised(o, q, breaks)
	}
	if s, ok := a.stored[o.fid]; ok && o.contents == nil && o.base().Digest == s.digest {
		o.contents = v.retain(s.contents)
	}
	o.replay(v.id.Client)
	v.saveObject(a.t, o)
	if took && !before.IsZero() && before.Compare(c.Before) != coda.Equal {
		v.notices.object(o.fid)
	}
}
