package venus

import (
	"context"
	"slices"
	"time"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
)

// settle takes over the answers to a batch: what was applied is now the server's word, and what was refused is kept as a conflict.
func (v *Venus) settle(ctx context.Context, batch []*record, answers []*delivery) error {
	for _, d := range answers {
		v.awaitBreaks(ctx, d.request, d.answer.Breaks)
	}
	common := agree(answers)
	if err := v.syncRefused(batch, common.refused); err != nil {
		return err
	}
	t := v.store.begin()
	v.mu.Lock()
	a := v.newSettlement(t, common.outcomes(answers))
	learnRooms(answers)
	for _, r := range batch {
		a.note(r)
		r.answered = true
		refusal, ok := common.refused[r.Number]
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
		if _, ok := common.refused[r.Number]; ok {
			a.refuse(r)
		} else {
			a.apply(r, common.disputed[r.Number])
		}
	}
	a.finish()
	for _, r := range batch {
		if refusal, ok := common.refused[r.Number]; ok {
			v.lookAgain(t, r, refusal)
		}
	}
	v.conclude(batch, common)
	v.resolveSoon(a.disputed)
	t.meta(metaFrozen, v.frozen)
	if err := v.done(t); err != nil || len(common.refused) == 0 {
		return err
	}
	// The server remembers what it refused until it gets the next batch, so from then on a loss of power must not take the conflicts.
	return v.store.sync()
}

// conclude ends a batch. v.mu is held.
func (v *Venus) conclude(batch []*record, common agreement) {
	v.owe(batch, common.groups)
	v.frozen = frozen{}
	v.eased()
	v.answered = batch[len(batch)-1].Number
	v.shortened()
}

// shortened has those look again who wait for records to leave the log. v.mu is held.
func (v *Venus) shortened() {
	close(v.settled)
	v.settled = make(chan struct{})
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
	changed  map[coda.Fid][]outcome
	affected map[coda.Fid]bool        // objects and directories that the batch is about
	ahead    map[coda.Fid]bool        // directories that were fetched after the batch had been applied
	renamed  map[coda.Fid]bool        // directories in which a record was applied
	removed  map[coda.Fid]bool        // objects that an applied record took a name from
	disputed map[coda.Fid]bool        // objects and directories that replicas have made different things of
	digests  map[coda.Fid]coda.Digest // of directories, with the records that were applied
	stored   map[coda.Fid]stored
}

// stored are contents that the batch stored, with a reference to the container.
type stored struct {
	contents *container
	digest   coda.Digest
}

func (v *Venus) newSettlement(t *tx, changed map[coda.Fid][]outcome) *settlement {
	return &settlement{
		v: v, t: t, changed: changed,
		affected: map[coda.Fid]bool{}, ahead: map[coda.Fid]bool{}, renamed: map[coda.Fid]bool{}, removed: map[coda.Fid]bool{},
		disputed: map[coda.Fid]bool{}, digests: map[coda.Fid]coda.Digest{}, stored: map[coda.Fid]stored{},
	}
}

// note holds on to everything that a record is about.
func (a *settlement) note(r *record) {
	hold := func(f coda.Fid) {
		if !a.affected[f] {
			a.affected[f] = true
			o := a.v.object(f)
			o.users++
			a.ahead[f] = o.complete() && !o.at().IsZero() && a.v.hasBatch(o, a.changed[f])
			a.digests[f] = o.word.digest
		}
	}
	for _, f := range objectsOf(r.Operation) {
		hold(f)
	}
	for _, n := range namings(r.Operation) {
		hold(n.dir)
	}
}

// hasBatch reports whether what is cached of a directory has in it what a batch has made of the directory on some replica.
func (v *Venus) hasBatch(o *object, list []outcome) bool {
	return slices.ContainsFunc(list, func(c outcome) bool {
		status := c.changed.Status
		if !v.group.replicated() {
			return status.Version.Compare(o.at()) != coda.Dominant
		}
		how := status.Version.Compare(o.at())
		return how == coda.Submissive || how == coda.Equal || o.fresh(needEntries) && o.passed(status.Digest)
	})
}

// apply makes a record that the server has applied the server's word. It is disputed where others have refused it.
func (a *settlement) apply(r *record, disputed bool) {
	v := a.v
	if disputed {
		for _, f := range objectsOf(r.Operation) {
			a.disputed[f] = true
		}
		for _, n := range namings(r.Operation) {
			a.disputed[n.dir] = true
		}
	}
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
	a.count(r)
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

// count adds a record that was applied to the digests of the directories that it has changed.
func (a *settlement) count(r *record) {
	if !a.v.group.replicated() {
		return
	}
	changed := map[coda.Fid]bool{}
	for _, n := range namings(r.Operation) {
		changed[n.dir] = true
	}
	switch r.Operation.(type) {
	case coda.MakeDirectory, coda.SetAttributes, coda.SetACL:
		changed[r.Operation.Target()] = true
	}
	for f := range changed {
		a.digests[f] = a.digests[f].After(coda.StoreID{Client: a.v.id.Client, Number: r.Number})
	}
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
	case coda.Store, coda.SetAttributes, coda.SetACL:
		if o := v.object(r.Operation.Target()); refusal.Kind == coda.NotFound && o.known() {
			v.forget(t, o)
			return
		}
	}
	v.checkConflict(r.Operation.Target())
}

// finish takes over the new attributes.
func (a *settlement) finish() {
	v := a.v
	for f := range a.affected {
		o := v.object(f)
		switch list := a.changed[f]; {
		case len(list) > 0:
			a.takeOutcomes(o, list)
		case a.removed[f]:
			v.forget(a.t, o)
		case a.renamed[f]:
			o.listing().at = coda.VersionVector{} // others have changed it since
			v.voidPromise(o)
			v.saveObject(a.t, o)
		default:
			v.voidPromise(o)
		}
		for _, s := range o.unstash() {
			v.takeChange(a.t, o, s.from, s.change)
		}
		o.users--
		v.tidy(o)
	}
	for _, s := range a.stored {
		v.release(s.contents)
	}
}

// takeOutcomes takes over what a batch has made of an object on the replicas.
func (a *settlement) takeOutcomes(o *object, list []outcome) {
	v := a.v
	newest := newestOutcome(list)
	clear := newest != nil && !a.disputed[o.fid]
	if newest == nil {
		newest = &list[0]
	}
	c := newest.changed
	status, sure := a.settled(o, list, newest)
	clear = clear && sure
	if o.fid.IsDirectory() && !a.ahead[o.fid] {
		switch {
		case c.Before.IsZero() && !o.known():
			l := o.listing()
			l.complete, l.at = true, status.Version // the batch made it, so all that it holds was in the log
			l.recount()
		case o.complete() && a.follows(o, c):
			o.pass(&v.group)
			o.listing().at = status.Version
		default:
			o.listing().at = coda.VersionVector{} // others changed it, too, and that has not been heard of yet
		}
	}
	before := o.base().Version
	took := v.setBase(a.t, o, status)
	for _, one := range list {
		if took && one.changed.Promised {
			v.promised(o, one.from, one.breaks)
		}
	}
	if !clear {
		v.voidPromise(o)
	}
	if s, ok := a.stored[o.fid]; ok && o.contents == nil && o.base().Digest == s.digest {
		o.contents = v.retain(s.contents)
	}
	o.replay(v.id.Client)
	v.saveObject(a.t, o)
	known := before.IsZero() || before.Compare(c.Before) == coda.Equal || v.group.replicated() && before.WeaklyEqual(c.Before)
	if took && !known {
		v.notices.object(o.fid)
	}
}

// settled is what an object is after the second phase of the batch, as far as is known: what others have done on top of it may be known already. It is not sure
// where the batch has changed just what was known, and counts say that others have changed something that has no store id, such as the number of names.
func (a *settlement) settled(o *object, list []outcome, newest *outcome) (status coda.Status, sure bool) {
	status = newest.changed.Status
	if !a.v.group.replicated() {
		return status, true
	}
	status.Version = newest.settled
	if !o.known() {
		return status, true
	}
	base := o.base()
	// Replicas that have the same updates may count them differently, so that counts alone do not tell that somebody has changed the object meanwhile.
	justThis := newest.changed.Before.WeaklyEqual(base.Version)
	sure = !justThis || newest.changed.Before.Slots == base.Version.Slots
	if status.Kind == coda.Directory {
		justThis, sure = a.digests[o.fid] == status.Digest, true
	}
	if !justThis && slices.ContainsFunc(list, func(c outcome) bool {
		s := c.changed.Status
		return s.Version.Compare(base.Version) == coda.Submissive || s.Kind == coda.Directory && s.Digest != base.Digest && o.passed(s.Digest)
	}) {
		base.Version = allCounted(base.Version, status.Version)
		return base, true
	}
	status.Version = allCounted(status.Version, base.Version)
	return status, sure
}

// follows reports whether a batch has changed just what was cached of a directory.
func (a *settlement) follows(o *object, c wire.Changed) bool {
	if !a.v.group.replicated() {
		return o.at().Compare(c.Before) == coda.Equal
	}
	return o.fresh(needEntries) && a.digests[o.fid] == c.Status.Digest
}
