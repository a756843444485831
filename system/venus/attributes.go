package venus

import (
	"context"
	"time"

	"github.com/codastress/codastress/system/coda"
)

// Changes are the attributes to change: those that are not nil.
type Changes struct {
	Mode     *uint32 // permission bits
	Modified *time.Time
	Owner    *uint32
	Length   *uint64 // of a file
}

// SetAttributes changes attributes, and the length of a file as open, truncate and close would.
func (v *Venus) SetAttributes(ctx context.Context, f coda.Fid, changes Changes) (coda.Status, error) {
	ctx, c, err := v.upcall(ctx, "setattr", f, "", mutating)
	if err != nil {
		return coda.Status{}, err
	}
	defer c.leave()
	needed := coda.Write
	if changes.Owner != nil {
		needed |= coda.Administer
	}
	if err := v.permit(ctx, c, f, needed); err != nil {
		return coda.Status{}, err
	}
	return v.setAttributes(ctx, c, f, changes)
}

func (v *Venus) setAttributes(ctx context.Context, c *call, f coda.Fid, changes Changes) (coda.Status, error) {
	if changes.Length != nil {
		if err := v.setLength(ctx, c, f, *changes.Length); err != nil {
			return coda.Status{}, err
		}
	}
	if changes.Mode == nil && changes.Modified == nil && changes.Owner == nil {
		return v.attributes(ctx, c, f)
	}
	o, err := v.ensure(ctx, c, f, needStatus, siblings{})
	if err != nil {
		return coda.Status{}, err
	}
	if err = v.untouchable(c, o); err == nil {
		err = v.admit(c)
	}
	if err != nil {
		v.mu.Unlock()
		return coda.Status{}, err
	}
	t := v.store.begin().by(c.user(v))
	r, err := v.logAttributes(t, o, changes)
	if err != nil {
		v.mu.Unlock()
		return coda.Status{}, t.abandon(c.wrap(err))
	}
	s := o.status()
	return s, v.policies.updates.conclude(ctx, c, t, r)
}

func (v *Venus) logAttributes(t *tx, o *object, changes Changes) (*record, error) {
	op := coda.SetAttributes{Fid: o.fid, Owner: changes.Owner}
	if changes.Mode != nil {
		mode := *changes.Mode & coda.ModeMask
		op.Mode = &mode
	}
	if changes.Modified != nil {
		modified := coda.TimeOf(*changes.Modified)
		op.Modified = &modified
		// What has been written and not flushed will be stored with the time of its container.
		if s := o.session; s != nil {
			_, _, unflushed, err := s.unflushed()
			if err != nil {
				return nil, err
			}
			if unflushed {
				if err := s.file.SetModified(*changes.Modified); err != nil {
					return nil, containerError("set the time of "+o.fid.String(), err)
				}
				s.dirty = true
			}
		}
	}
	v.dropOverwritten(t, o, op)
	v.supersedeStores(t, o, false, nil) // an owner may not be changed between them any more
	op.Base = o.local().Version
	return v.append(t, v.now(), v.mergeAttributes(t, o, op)), nil
}

func (v *Venus) setLength(ctx context.Context, c *call, f coda.Fid, n uint64) error {
	h, err := v.open(ctx, c, f, OpenFlags{Write: true, Truncate: n == 0})
	if err != nil {
		return err
	}
	if err = v.truncate(h.session, n); err == nil {
		err = v.flushShared(ctx, c, h.session)
	}
	if leaveErr := v.leaveSession(ctx, c, h.session); err == nil {
		err = leaveErr
	}
	return err
}
