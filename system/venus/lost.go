package venus

import (
	"context"
	"errors"
	"slices"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// A loss of power takes contents that were never synced, and with them the store that has them. Where the store is part of a batch that
// was under way, the server may have applied it all the same, and then what was done after it is based on it; or it may not, and then that
// is based on what the store was based on. So such a store stays in the log, without contents, until the server has been asked.

// lost gives the first store of the batch under way whose contents are lost, nil for none. v.mu is held.
func (v *Venus) lost() *record {
	if v.frozen == (frozen{}) || v.group.state != linkUp {
		return nil
	}
	for r := v.log.head; r != nil && r.Number <= v.frozen.Last; r = r.next {
		if _, ok := r.Operation.(coda.Store); ok && r.contents == nil {
			return r
		}
	}
	return nil
}

// settleLost asks what has become of the stores whose contents are lost, and takes them out of the log.
func (v *Venus) settleLost(ctx context.Context) error {
	for {
		v.mu.Lock()
		r := v.lost()
		v.mu.Unlock()
		if r == nil {
			return nil
		}
		op := r.Operation.(coda.Store)
		applied, err := v.applied(ctx, op.Fid, r.Number)
		if err != nil && !applied {
			return err
		}
		t := v.store.begin()
		v.mu.Lock()
		if !applied {
			v.rethread(t, v.object(op.Fid), r.Number, op.Base)
		}
		v.detach(t, r)
		v.shortened()
		if err := v.done(t); err != nil {
			return err
		}
	}
}

// applied asks the servers whether one of them has applied an update of an object by this client. It may say no where the object is gone, or others
// have changed it since: then nothing can be based on the update any more.
func (v *Venus) applied(ctx context.Context, f coda.Fid, number uint64) (bool, error) {
	v.mu.Lock()
	members := v.group.members(v.group.reachable())
	v.mu.Unlock()
	answers, errs := make([]bool, len(v.group.all)), make([]error, len(v.group.all))
	together(members, func(r *replica) { answers[r.slot], errs[r.slot] = v.appliedAt(ctx, r, f, number) })
	return slices.Contains(answers, true), errors.Join(errs...)
}

// appliedAt is applied for one of the servers.
func (v *Venus) appliedAt(ctx context.Context, r *replica, f coda.Fid, number uint64) (bool, error) {
	ctx, _, cancel := withPatience(ctx, v.cfg.Timing.Idle)
	defer cancel()
	stream, err := r.remote.vice.Fetch(wire.WithToken(ctx, v.background().token()), &vicepb.FetchRequest{Fid: wire.FidToProto(f)})
	var part *vicepb.FetchReply
	if err == nil {
		part, err = stream.Recv()
	}
	if err != nil {
		if err = wire.FromError("ask for the version of "+f.String(), err); coda.KindOf(err) == coda.NotFound {
			return false, nil
		}
		return false, err
	}
	status, err := wire.StatusFromProto(part.GetHead().GetStatus())
	if err != nil {
		return false, err
	}
	last := status.Version.Store
	return last.Client == v.id.Client && last.Number >= number, nil
}
