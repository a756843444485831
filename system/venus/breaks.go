package venus

import (
	"slices"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
)

// takeBreak processes a break: the promise on an object has ended, or a directory has changed and the change is with it.
func (v *Venus) takeBreak(r *replica, b wire.Break) error {
	t := v.store.begin()
	v.mu.Lock()
	defer t.finish(v.logger)
	defer v.mu.Unlock()
	if v.closed {
		return nil
	}
	if b.Number != r.breaks+1 {
		return coda.Errorf("read a break", coda.Invalid, "number %d follows number %d", b.Number, r.breaks)
	}
	known := r.take(b.Fid, b.Number)
	v.unpresume(r, b.Fid)
	o := v.objects[b.Fid]
	if o == nil || known && o.promised.has(r.slot) {
		return nil
	}
	if b.Change == nil {
		v.withdraw(o, r)
		v.notices.object(o.fid)
		v.checkConflict(o.fid)
		return nil
	}
	v.policies.directories.changed(v, t, o, r, *b.Change)
	t.enqueue()
	return nil
}

// voidPromise notes that the replicas may have something newer.
func (v *Venus) voidPromise(o *object) {
	o.promised = 0
	o.unstash()
}

// withdraw notes that one replica may have something newer.
func (v *Venus) withdraw(o *object, r *replica) {
	o.promised &^= only(r.slot)
	if o.names != nil {
		o.names.stash = slices.DeleteFunc(o.names.stash, func(s stashed) bool { return s.from == r })
	}
}

// takeChange turns a cached directory into what a replica says that it is now, and keeps the replica's promise, or voids it where the change
// does not follow what is cached. Other replicas send the same change, with versions in which each counts it for itself.
func (v *Venus) takeChange(t *tx, o *object, r *replica, c coda.DirectoryChange) {
	how := coda.Dominant
	if o.known() {
		how = c.Status.Version.Compare(o.base().Version)
	}
	switch {
	case !o.known():
		v.withdraw(o, r)
	case how == coda.Equal || how == coda.Submissive || how != coda.Dominant && !v.group.replicated():
		// It is in what was fetched.
	case v.group.replicated() && o.passed(c.Status.Digest):
		same := o.base() // another replica has told of it before
		same.Version = allCounted(same.Version, c.Status.Version)
		v.setBase(t, o, same)
	case !o.complete() && (how == coda.Dominant || v.leadsOn(o, c)):
		c.Status.Version = allCounted(c.Status.Version, o.base().Version)
		v.setBase(t, o, c.Status)
		v.notices.object(o.fid)
	case o.complete() && v.leadsOn(o, c):
		o.pass(&v.group)
		c.Status.Version = allCounted(c.Status.Version, o.base().Version)
		v.applyChange(t, o, c)
	case o.complete() && v.inBatch(o):
		// It may follow what the batch under way makes of the directory.
		o.names.stash = append(o.names.stash, stashed{r, c})
	default:
		v.withdraw(o, r)
		v.notices.object(o.fid)
	}
}

// leadsOn reports whether a change of a directory is one of what is cached. Replicas that have the same updates may count them differently.
func (v *Venus) leadsOn(o *object, c coda.DirectoryChange) bool {
	if !v.group.replicated() {
		return o.at().Compare(c.From) == coda.Equal
	}
	return !c.FromDigest.IsZero() && c.FromDigest == o.word.digest && (!o.complete() || o.fresh(needEntries))
}

// inBatch reports whether the batch that is under way changes names in a directory.
func (v *Venus) inBatch(o *object) bool {
	for _, ts := range o.touches() {
		for _, x := range ts {
			if x.record.frozen {
				return true
			}
		}
	}
	return false
}

// applyChange applies a change that follows what is cached.
func (v *Venus) applyChange(t *tx, o *object, c coda.DirectoryChange) {
	for _, name := range c.Removed {
		v.setEntry(t, o, name, coda.Entry{})
		v.notices.entry(o.fid, name)
	}
	for _, e := range c.Added {
		v.setEntry(t, o, e.Name, e)
		v.notices.entry(o.fid, e.Name)
	}
	o.listing().at = c.Status.Version
	v.setBase(t, o, c.Status)
	v.notices.object(o.fid)
}

// setEntry changes the server's word about a name; the zero entry frees it.
func (v *Venus) setEntry(t *tx, o *object, name string, e coda.Entry) {
	o.setBaseEntry(name, e)
	if e.Fid.IsZero() {
		t.delete(entryKey(o.fid, name))
		return
	}
	t.set(entryKey(o.fid, name), encodeEntry(e))
}

// setBase takes over the server's word on the attributes of an object, unless it is older than what is known. It reports whether it did.
// Contents that do not belong to the new attributes are let go.
func (v *Venus) setBase(t *tx, o *object, s coda.Status) bool {
	if o.known() {
		switch s.Version.Compare(o.base().Version) {
		case coda.Submissive:
			return false
		case coda.Equal:
			if s == o.base() {
				return true
			}
		}
		if s.Version.Store != o.base().Version.Store && s.Version.Store.Client != v.id.Client {
			o.foreign++
		}
		if o.contents != nil && s.Digest != o.base().Digest {
			v.release(o.contents)
			o.contents = nil
		}
		if o.complete() && o.fresh(needEntries) && weaklyEqual(s, o.base()) {
			o.names.at = s.Version // the names are the same
		}
	}
	if o.word.marked != s.Inconsistent {
		v.noticeName(o)
	}
	o.word, o.gone = wordOf(s), false
	o.replay(v.id.Client)
	v.saveObject(t, o)
	return true
}

// noticeName has the front end look at the name of an object again, which is about to stand for something else.
func (v *Venus) noticeName(o *object) {
	if dir, name, ok := v.nameOf(o.fid); ok {
		v.notices.entry(dir, name)
	}
}

// goBack forgets the server's word on an object when the server, asked about just that version, has an older one: it was restored from a
// backup, or lost what it had acknowledged. What the server has now is all there is, and waiting for something newer would never end.
func (v *Venus) goBack(o *object, s coda.Status) {
	if !o.known() || s.Version.Compare(o.base().Version) != coda.Submissive {
		return
	}
	v.logger.Error("the server has an older version than it had", "object", o.fid, "had", o.base().Version, "has", s.Version)
	if o.contents != nil && s.Digest != o.base().Digest {
		v.release(o.contents)
		o.contents = nil
	}
	o.word = word{}
	if o.names != nil {
		o.names.at = coda.VersionVector{}
	}
	o.foreign++
}

// promised installs a promise that came with the answer to a request, unless a break that came after it was processed before the answer.
func (v *Venus) promised(o *object, q request, breaks uint64) {
	r := q.to
	if q.session != r.id || r.recent[o.fid] > breaks {
		return
	}
	o.promised |= only(r.slot)
	if breaks > r.breaks {
		r.ahead[o.fid], r.behind = breaks, max(r.behind, breaks)
	}
}

// forgetDeparted drops what is kept of an object's past.
func (v *Venus) forgetDeparted(o *object) {
	if o.work == nil {
		return
	}
	if o.work.departed.contents != nil {
		v.release(o.work.departed.contents)
	}
	o.work.departed = departed{}
}

// forget drops the server's word on an object that the server does not have any more.
func (v *Venus) forget(t *tx, o *object) {
	if o.known() && len(o.pending()) > 0 {
		v.forgetDeparted(o)
		o.work.departed, o.contents = departed{o.base(), o.contents}, nil
	}
	if o.contents != nil {
		v.release(o.contents)
		o.contents = nil
	}
	if o.complete() {
		t.clearDirectory(o.fid)
		o.names.complete, o.names.at, o.names.entries = false, coda.VersionVector{}, nil
		o.names.recount()
	}
	if o.known() {
		o.foreign++
		o.word = word{}
		t.delete(objectKey(o.fid))
	}
	o.gone = true
	o.promised = 0
	o.unstash()
	o.replay(v.id.Client)
	v.notices.object(o.fid)
	if dir, name, ok := v.mounts.place(o.fid.Volume); ok && isRoot(o.fid) {
		v.notices.entry(dir, name) // the mount link leads nowhere now
	}
	v.agreed(t, o)
	v.tidy(o)
}
