package venus

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// Replicas of which none has the newest version are mostly about to be equal: another client's update has reached some of them and is on its way to the
// others. So they are asked again for a moment. Then they have been cut off from each other, and are asked to resolve what they have.
const (
	accordPause    = 5 * time.Millisecond // before they are asked again, doubled each time
	accordPatience = 5                    // how often they are asked again before they are to resolve the object
	accordAttempts = 9                    // how often they are found to differ before that is an error
)

// awaitAccord waits for the replicas to agree on an object over which they were found to differ so many times before.
func (v *Venus) awaitAccord(ctx context.Context, c *call, f coda.Fid, hint siblings, times int) error {
	if times >= accordAttempts {
		return c.fail(coda.TimedOut, "the replicas differ over %v, and have not resolved it", f)
	}
	if times >= accordPatience {
		v.mu.Lock()
		fl := v.takeOffResolve(v.object(f), hint)
		v.mu.Unlock()
		if err := c.wait(ctx, fl.done, fl.what); err != nil {
			return err
		}
		if fl.err == nil {
			return nil
		}
		v.logger.Warn("resolve", "object", f, "error", fl.err)
	}
	return c.waitAny(ctx, nil, nil, time.After(min(accordPause<<times, v.cfg.Timing.Retry)), "the replicas to agree")
}

// takeOffResolve joins the request that is under way for an object, or asks the replicas to resolve it, together with the directory that it is in: whether
// it should be there is a question about that. v.mu is held.
func (v *Venus) takeOffResolve(o *object, hint siblings) *flight {
	if o.flight != nil {
		return o.flight
	}
	fids := []coda.Fid{o.fid}
	if parent := o.base().Parent; !parent.IsZero() {
		fids = append(fids, parent)
	} else if hint.dir != nil {
		fids = append(fids, hint.dir.fid)
	}
	fl := &flight{what: "the replicas to resolve it", done: make(chan struct{})}
	o.flight = fl
	v.goRequest(func(ctx context.Context) { v.land([]*object{o}, fl, v.resolve(ctx, fids)) })
	return fl
}

// resolveSoon has the servers asked to resolve objects, and waits for nothing: they would do so by themselves. v.mu is held.
func (v *Venus) resolveSoon(objects map[coda.Fid]bool) {
	if len(objects) == 0 {
		return
	}
	fids := slices.SortedFunc(maps.Keys(objects), coda.Fid.Compare)
	v.goRequest(func(ctx context.Context) {
		if err := v.resolve(ctx, fids[:min(len(fids), maxResolve)]); err != nil {
			v.logger.Warn("resolve what servers have applied in part", "error", err)
		}
	})
}

// maxResolve is the largest number of objects that one Resolve speaks about.
const maxResolve = 1000

// resolve asks the replicas to resolve objects.
func (v *Venus) resolve(ctx context.Context, fids []coda.Fid) error {
	v.mu.Lock()
	vice := v.group.preferred().remote.vice
	v.resolving++
	v.review()
	v.mu.Unlock()
	defer func() {
		v.mu.Lock()
		v.resolving--
		v.review()
		v.mu.Unlock()
	}()
	ctx, cancel := context.WithTimeout(ctx, v.cfg.Timing.Idle)
	defer cancel()
	request := &vicepb.ResolveRequest{}
	for _, f := range fids {
		request.Fids = append(request.Fids, wire.FidToProto(f))
	}
	reply, err := vice.Resolve(ctx, request)
	if err != nil {
		return wire.FromError("resolve", err)
	}
	for i, r := range reply.Resolutions {
		if r.Outcome == vicepb.Resolution_OUTCOME_FAILED && i < len(fids) {
			return coda.Errorf("resolve "+fids[i].String(), coda.TimedOut, "the server says: %s", r.Why)
		}
	}
	return nil
}
