package venus

import (
	"context"

	"github.com/codastress/codastress/system/coda"
)

// Rename moves an object to another name, which it takes from what stands there unless noReplace is set. As in Coda, a file with several names stays
// in its directory (coda.CrossDevice). Two names of one file stay as they are, as rename(2) has it.
func (v *Venus) Rename(ctx context.Context, fromDir coda.Fid, fromName string, toDir coda.Fid, toName string, noReplace bool) error {
	ctx, c, err := v.upcall(ctx, "rename", fromDir, fromName, mutating)
	if err != nil {
		return err
	}
	defer c.leave()
	return v.rename(ctx, c, place{fromDir, fromName}, place{toDir, toName}, noReplace)
}

func (v *Venus) rename(ctx context.Context, c *call, from, to place, noReplace bool) error {
	if err := newNameAllowed(to.name); err != nil {
		return c.wrap(err)
	}
	if from.dir.Volume != to.dir.Volume {
		return c.fail(coda.CrossDevice, "%v and %v are in different volumes", from.dir, to.dir)
	}
	for {
		m, err := v.prepareMove(ctx, c, from.dir, from.name, to.dir, to.name)
		if err != nil {
			return err
		}
		if err := v.permitRename(ctx, c, m); err != nil {
			return err
		}
		// Everything that the move depends on has been made usable; now it is looked at in one hold of the mutex.
		v.mu.Lock()
		if v.closed {
			v.mu.Unlock()
			return c.fail(coda.Closed, "venus is stopping")
		}
		if !v.still(c, m) {
			v.mu.Unlock()
			if ctx.Err() != nil || c.overdue() {
				return c.fail(coda.TimedOut, "the names keep changing")
			}
			continue
		}
		return v.move(ctx, c, m, noReplace)
	}
}

// movement is a rename that is being prepared.
type movement struct {
	fromDir, toDir   coda.Fid
	fromName, toName string
	object           coda.Fid
	replaced         coda.Fid // zero for none
}

// prepareMove waits until everything that a rename depends on can be used.
func (v *Venus) prepareMove(ctx context.Context, c *call, fromDir coda.Fid, fromName string, toDir coda.Fid, toName string) (movement, error) {
	m := movement{fromDir: fromDir, toDir: toDir, fromName: fromName, toName: toName}
	o, err := v.child(ctx, c, fromDir, fromName, needStatus)
	if err != nil {
		return m, err
	}
	m.object = o.fid
	err = v.untouchable(c, o)
	v.mu.Unlock()
	if err != nil {
		return m, err
	}
	d, err := v.directory(ctx, c, toDir)
	if err != nil {
		return m, err
	}
	if d.madeUp {
		err = v.untouchable(c, d)
	}
	e, taken := v.entry(c, d, toName)
	v.mu.Unlock()
	if err != nil {
		return m, err
	}
	if taken {
		m.replaced = e.Fid
		n := needStatus
		if e.Fid.IsDirectory() {
			n = needEntries
		}
		if replaced, err := v.ensure(ctx, c, e.Fid, n, siblings{}); err != nil {
			if coda.KindOf(err) != coda.NotFound {
				return m, err
			}
		} else {
			err := v.untouchable(c, replaced)
			v.mu.Unlock()
			if err != nil {
				return m, err
			}
		}
	}
	if m.object.IsDirectory() && fromDir != toDir {
		return m, v.checkLoop(ctx, c, m.object, toDir)
	}
	return m, nil
}

// checkLoop refuses to move a directory below itself.
func (v *Venus) checkLoop(ctx context.Context, c *call, moved, dir coda.Fid) error {
	for !dir.IsZero() {
		if dir == moved {
			return c.fail(coda.Invalid, "a directory cannot be moved below itself")
		}
		s, err := v.attributes(ctx, c, dir)
		if err != nil {
			return err
		}
		dir = s.Parent
	}
	return nil
}

// still reports whether the names are what they were when the move was prepared. v.mu is held.
func (v *Venus) still(c *call, m movement) bool {
	from, ok := v.entry(c, v.object(m.fromDir), m.fromName)
	if !ok || from.Fid != m.object {
		return false
	}
	to, _ := v.entry(c, v.object(m.toDir), m.toName)
	return to.Fid == m.replaced
}

// move checks and logs a rename. It is called with v.mu held and returns without.
func (v *Venus) move(ctx context.Context, c *call, m movement, noReplace bool) error {
	o := v.object(m.object)
	if m.object == m.replaced {
		v.mu.Unlock()
		if noReplace {
			return c.fail(coda.Exists, "%q is taken", m.toName)
		}
		return nil
	}
	if err := v.movable(c, o, m, noReplace); err != nil {
		v.mu.Unlock()
		return err
	}
	t := v.store.begin().by(c.user(v))
	op := coda.Rename{FromParent: m.fromDir, FromName: m.fromName, ToParent: m.toDir, ToName: m.toName, Fid: m.object}
	if !m.replaced.IsZero() {
		r := v.object(m.replaced)
		replaced := v.replace(t, r, m)
		op.Replaced, op.ReplacedBase = replaced.fid, replaced.base
		defer v.tidyLater(r)
	}
	var logged *record
	if op.Replaced == op.Fid {
		// The new name stands for the object on the server, so that all that is left to do is to take the old one away.
		logged = v.append(t, v.now(), coda.Remove{Parent: m.fromDir, Name: m.fromName, Fid: m.object, Base: o.local().Version})
	} else {
		logged = v.append(t, v.now(), op)
	}
	return v.policies.updates.conclude(ctx, c, t, logged)
}

// replace cancels what need not be sent of an object that is about to be replaced, and gives what the rename has to name as replaced.
func (v *Venus) replace(t *tx, r *object, m movement) inheritance {
	if r.local().Links == 1 {
		if heir, cancelled := v.discard(t, r, m.toDir, m.toName); cancelled {
			return heir
		}
	}
	return inheritance{r.fid, r.local().Version}
}

// tidyLater is tidy for when v.mu has been let go of.
func (v *Venus) tidyLater(o *object) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.tidy(o)
}

func (v *Venus) movable(c *call, o *object, m movement, noReplace bool) error {
	if m.fromDir != m.toDir && o.local().Kind != coda.Directory && o.local().Links > 1 {
		return c.fail(coda.CrossDevice, "%v has %d names", o.fid, o.local().Links)
	}
	if m.replaced.IsZero() {
		return v.admit(c)
	}
	if noReplace {
		return c.fail(coda.Exists, "%q is taken", m.toName)
	}
	r := v.object(m.replaced)
	isDir, wasDir := o.fid.IsDirectory(), r.fid.IsDirectory()
	switch {
	case isDir && !wasDir:
		return c.fail(coda.NotDirectory, "%v", r.fid)
	case !isDir && wasDir:
		return c.fail(coda.IsDirectory, "%v", r.fid)
	case wasDir && (r.count() > 0 || v.holdsConflict(r)):
		return c.fail(coda.NotEmpty, "%v has %d entries", r.fid, r.count())
	case wasDir && !r.complete() && !r.ours(), !r.exists():
		return c.fail(coda.Busy, "%v is changing", r.fid)
	}
	return v.admit(c)
}
