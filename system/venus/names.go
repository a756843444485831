package venus

import (
	"context"
	"time"

	"github.com/codastress/codastress/system/coda"
)

// The operations that change names. Each waits until what it depends on can be used, checks it and logs its record in one hold of the mutex, and
// returns when the record survives a crash.

// newName waits until a directory can be used and a free name in it can be taken. On success it returns with v.mu held.
func (v *Venus) newName(ctx context.Context, c *call, dir coda.Fid, name string) (*object, error) {
	if err := newNameAllowed(name); err != nil {
		return nil, c.wrap(err)
	}
	d, err := v.directory(ctx, c, dir)
	if err != nil {
		return nil, err
	}
	if d.madeUp {
		defer v.mu.Unlock()
		return nil, v.untouchable(c, d)
	}
	if _, taken := v.entry(c, d, name); taken {
		v.mu.Unlock()
		return nil, c.fail(coda.Exists, "the name is taken")
	}
	if err := v.admit(c); err != nil {
		v.mu.Unlock()
		return nil, err
	}
	return d, nil
}

// newNameAllowed refuses names that no object can have, and those to which the links of conflicts lead.
func newNameAllowed(name string) error {
	if coda.IsConflictTarget(name) {
		return coda.Errorf("check name", coda.Invalid, "%q stands for an object in conflict", name)
	}
	return coda.ValidName(name)
}

// admit refuses a change when the log or the disk has no room for it. v.mu is held.
func (v *Venus) admit(c *call) error {
	if v.diskFull {
		return c.fail(coda.NoSpace, "the disk of the cache is full")
	}
	if v.log.count >= v.cfg.Limits.LogRecords {
		return c.fail(coda.NoSpace, "the modify log has %d records", v.log.count)
	}
	return nil
}

// make makes an object: operation makes its record from the new fid. On success it returns with v.mu held and the change not enqueued.
func (v *Venus) make(ctx context.Context, c *call, t *tx, dir coda.Fid, name string, kind coda.ObjectKind, operation func(coda.Fid) coda.Operation) (*object, error) {
	allowed := false
	for {
		if _, err := v.newName(ctx, c, dir, name); err != nil {
			return nil, err
		}
		if !allowed && c.upcall && v.users.restricted.Load() { // that the name is taken is said first
			v.mu.Unlock()
			if err := v.permit(ctx, c, dir, coda.Insert|coda.Lookup); err != nil {
				return nil, err
			}
			allowed = true
			continue
		}
		if len(v.objects) >= v.cfg.Limits.CacheObjects {
			if err := v.awaitPlace(ctx, c); err != nil {
				return nil, err
			}
			continue
		}
		if err := v.policies.quotas.create(c, dir.Volume); err != nil {
			v.mu.Unlock()
			return nil, err
		}
		f, ok := v.newFid(t, dir.Volume, kind)
		if ok {
			v.append(t, v.now(), operation(f))
			o := v.object(f)
			v.use(o)
			return o, nil
		}
		granted, state, changed := v.granted, v.group.state, v.group.changed
		v.mu.Unlock()
		if state == linkDown {
			return nil, c.fail(coda.TimedOut, "no vnode numbers are left and the server is out of reach")
		}
		wake(v.wakeGrant)
		if err := c.waitAny(ctx, granted, changed, nil, "the server to grant vnode numbers"); err != nil {
			return nil, err
		}
	}
}

// awaitPlace makes a place for another object by evicting what is clean. Where nothing is, it waits for a moment, unless the server is not taking the
// log: then the cache is full. It is called with v.mu held and returns without.
func (v *Venus) awaitPlace(ctx context.Context, c *call) error {
	settled, changed := v.settled, v.group.changed
	hopeless := v.group.state != linkUp || v.log.count == 0
	v.mu.Unlock()
	v.evictNow(0, 0)
	v.mu.Lock()
	objects := len(v.objects)
	v.mu.Unlock()
	switch {
	case objects < v.cfg.Limits.CacheObjects:
		return nil
	case hopeless || c.overdue():
		return c.fail(coda.NoSpace, "the cache has %d objects that are dirty, hoarded or in use", objects)
	default:
		return c.waitAny(ctx, settled, changed, time.After(evictPause), "the server to take the modify log")
	}
}

// done enqueues a change, lets go of the mutex and waits until the change survives a crash.
func (v *Venus) done(t *tx) error {
	v.review()
	t.enqueue()
	v.mu.Unlock()
	return t.wait()
}

// MakeDirectory makes an empty directory.
func (v *Venus) MakeDirectory(ctx context.Context, dir coda.Fid, name string, mode, owner uint32) (coda.Status, error) {
	ctx, c, err := v.upcall(ctx, "mkdir", dir, name, mutating)
	if err != nil {
		return coda.Status{}, err
	}
	defer c.leave()
	return v.makeDirectory(ctx, c, place{dir, name}, mode, owner)
}

func (v *Venus) makeDirectory(ctx context.Context, c *call, at place, mode, owner uint32) (coda.Status, error) {
	t := v.store.begin().by(c.user(v))
	o, err := v.make(ctx, c, t, at.dir, at.name, coda.Directory, func(f coda.Fid) coda.Operation {
		return coda.MakeDirectory{Parent: at.dir, Name: at.name, Fid: f, Mode: mode & coda.ModeMask, Owner: owner}
	})
	if err != nil {
		return coda.Status{}, t.abandon(err)
	}
	s := o.status()
	return s, v.policies.updates.conclude(ctx, c, t, o.pending()[len(o.pending())-1])
}

// MakeSymlink makes a symbolic link.
func (v *Venus) MakeSymlink(ctx context.Context, dir coda.Fid, name, target string, owner uint32) (coda.Status, error) {
	ctx, c, err := v.upcall(ctx, "symlink", dir, name, mutating)
	if err != nil {
		return coda.Status{}, err
	}
	defer c.leave()
	return v.makeSymlink(ctx, c, place{dir, name}, target, owner)
}

func (v *Venus) makeSymlink(ctx context.Context, c *call, at place, target string, owner uint32) (coda.Status, error) {
	if err := coda.ValidTarget(target); err != nil {
		return coda.Status{}, c.wrap(err)
	}
	if coda.IsConflictTarget(target) {
		return coda.Status{}, c.fail(coda.Invalid, "the link would look like an object in conflict")
	}
	if _, mounts := coda.MountedVolume(target); mounts && !c.mounts {
		return coda.Status{}, c.fail(coda.Invalid, "the link would mount a volume: see cfs mkmount")
	}
	t := v.store.begin().by(c.user(v))
	o, err := v.make(ctx, c, t, at.dir, at.name, coda.Symlink, func(f coda.Fid) coda.Operation {
		return coda.MakeSymlink{Parent: at.dir, Name: at.name, Fid: f, PointsTo: target, Owner: owner}
	})
	if err != nil {
		return coda.Status{}, t.abandon(err)
	}
	s := o.status()
	return s, v.policies.updates.conclude(ctx, c, t, o.pending()[len(o.pending())-1])
}

// Link gives a file or symlink another name in the directory that it is in. Across directories it fails with coda.CrossDevice, as in Coda.
func (v *Venus) Link(ctx context.Context, dir coda.Fid, name string, f coda.Fid) (coda.Status, error) {
	ctx, c, err := v.upcall(ctx, "link", dir, name, mutating)
	if err != nil {
		return coda.Status{}, err
	}
	defer c.leave()
	return v.link(ctx, c, place{dir, name}, f)
}

func (v *Venus) link(ctx context.Context, c *call, at place, f coda.Fid) (coda.Status, error) {
	if f.IsDirectory() {
		return coda.Status{}, c.fail(coda.IsDirectory, "%v", f)
	}
	if err := v.permit(ctx, c, at.dir, coda.Insert|coda.Lookup); err != nil {
		return coda.Status{}, err
	}
	if _, err := v.attributes(ctx, c, f); err != nil {
		return coda.Status{}, err
	}
	if role, _ := unshadow(f); role != 0 {
		return coda.Status{}, c.fail(coda.Conflict, "it has to be repaired")
	}
	if _, err := v.newName(ctx, c, at.dir, at.name); err != nil {
		return coda.Status{}, err
	}
	o := v.object(f)
	if err := v.linkable(c, o, at.dir); err != nil {
		v.tidy(o)
		v.mu.Unlock()
		return coda.Status{}, err
	}
	t := v.store.begin().by(c.user(v))
	r := v.append(t, v.now(), coda.Link{Parent: at.dir, Name: at.name, Fid: f})
	s := o.status()
	return s, v.policies.updates.conclude(ctx, c, t, r)
}

func (v *Venus) linkable(c *call, o *object, dir coda.Fid) error {
	switch err := v.untouchable(c, o); {
	case err != nil:
		return err
	case !o.exists():
		return c.fail(coda.NotFound, "%v was removed", o.fid)
	case o.local().Parent != dir:
		return c.fail(coda.CrossDevice, "%v is in %v", o.fid, o.local().Parent)
	case o.local().Links >= coda.MaxLinks:
		return c.fail(coda.TooManyLinks, "%v", o.fid)
	}
	return nil
}

// Remove takes a name from a file or symlink, and removes it with its last name.
func (v *Venus) Remove(ctx context.Context, dir coda.Fid, name string) error {
	ctx, c, err := v.upcall(ctx, "remove", dir, name, mutating)
	if err != nil {
		return err
	}
	defer c.leave()
	if err := v.permit(ctx, c, dir, coda.Delete|coda.Lookup); err != nil {
		return err
	}
	return v.remove(ctx, c, dir, name)
}

func (v *Venus) remove(ctx context.Context, c *call, dir coda.Fid, name string) error {
	return v.removeBy(ctx, c, dir, name, v.policies.updates.conclude)
}

// removeBy is remove with another way of concluding it.
func (v *Venus) removeBy(ctx context.Context, c *call, dir coda.Fid, name string, conclude func(context.Context, *call, *tx, *record) error) error {
	o, err := v.child(ctx, c, dir, name, needStatus)
	if err != nil {
		return err
	}
	err = v.untouchable(c, o)
	switch {
	case err != nil:
	case o.local().Kind == coda.Directory:
		err = c.fail(coda.IsDirectory, "%v", o.fid)
	default:
		err = v.admit(c)
	}
	if err != nil {
		v.mu.Unlock()
		return err
	}
	t := v.store.begin().by(c.user(v))
	gone := inheritance{fid: o.fid}
	if o.local().Links == 1 {
		heir, cancelled := v.discard(t, o, dir, name)
		if cancelled {
			gone = heir
		} else {
			gone.base = o.local().Version
		}
	} else {
		gone.base = o.local().Version
	}
	var r *record
	if !gone.fid.IsZero() {
		r = v.append(t, v.now(), coda.Remove{Parent: dir, Name: name, Fid: gone.fid, Base: gone.base})
	}
	v.tidy(o)
	return conclude(ctx, c, t, r)
}

// discard cancels what need not be sent of an object that is about to lose its last name: all of it when ok is true.
func (v *Venus) discard(t *tx, o *object, dir coda.Fid, name string) (heir inheritance, ok bool) {
	if o.session != nil {
		o.session.gone = true
	}
	if heir, ok = v.cancelLife(t, o, dir, name); ok {
		return heir, true
	}
	v.cancelChanges(t, o)
	return heir, false
}

// RemoveDirectory removes an empty directory.
func (v *Venus) RemoveDirectory(ctx context.Context, dir coda.Fid, name string) error {
	ctx, c, err := v.upcall(ctx, "rmdir", dir, name, mutating)
	if err != nil {
		return err
	}
	defer c.leave()
	if err := v.permit(ctx, c, dir, coda.Delete|coda.Lookup); err != nil {
		return err
	}
	return v.removeDirectory(ctx, c, dir, name)
}

func (v *Venus) removeDirectory(ctx context.Context, c *call, dir coda.Fid, name string) error {
	for {
		o, err := v.child(ctx, c, dir, name, needStatus)
		if err != nil {
			return err
		}
		f, kind, refused := o.fid, o.local().Kind, v.untouchable(c, o)
		v.mu.Unlock()
		if refused != nil {
			return refused
		}
		if kind != coda.Directory {
			return c.fail(coda.NotDirectory, "%v is a %v", f, kind)
		}
		if o, err = v.directory(ctx, c, f); err != nil {
			return err
		}
		d := v.object(dir)
		if e, ok := v.entry(c, d, name); !ok || e.Fid != f {
			v.mu.Unlock() // the name changed meanwhile
			continue
		}
		if names := o.count(); names > 0 || v.holdsConflict(o) && !c.repairs {
			v.mu.Unlock()
			return c.fail(coda.NotEmpty, "%v has %d entries, and what is in conflict", f, names)
		}
		if err := v.admit(c); err != nil {
			v.mu.Unlock()
			return err
		}
		t := v.store.begin().by(c.user(v))
		gone := f
		if heir, cancelled := v.discard(t, o, dir, name); cancelled {
			gone = heir.fid
		}
		var r *record
		if !gone.IsZero() {
			r = v.append(t, v.now(), coda.RemoveDirectory{Parent: dir, Name: name, Fid: gone})
		}
		v.tidy(o)
		return v.policies.updates.conclude(ctx, c, t, r)
	}
}
