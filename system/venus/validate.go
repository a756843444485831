package venus

import (
	"cmp"
	"context"
	"slices"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// validate compares the versions of objects with the server's, and takes over what is newer. Objects of which nothing is known yet are
// asked for with no version, so that the answer brings their status. The objects are in a flight.
func (v *Venus) validate(ctx context.Context, list []*object) error {
	v.mu.Lock()
	q := v.group.preferred().ask()
	request := &vicepb.ValidateRequest{Session: q.session, Items: make([]*vicepb.ValidateItem, len(list))}
	for i, o := range list {
		request.Items[i] = &vicepb.ValidateItem{Fid: wire.FidToProto(o.fid), Version: wire.VersionToProto(o.base().Version)}
	}
	v.mu.Unlock()
	defer v.ended(q)
	ctx, cancel := context.WithTimeout(ctx, v.cfg.Timing.Idle)
	defer cancel()
	reply, err := q.to.remote.vice.Validate(ctx, request)
	if err != nil {
		return wire.FromError("validate", err)
	}
	if len(reply.Results) != len(list) {
		return coda.Errorf("validate", coda.Invalid, "%d answers to %d questions", len(reply.Results), len(list))
	}
	answers := make([]wire.Validity, len(list))
	for i, o := range list {
		if answers[i], err = wire.ValidityFromProto(reply.Results[i], o.fid); err != nil {
			return err
		}
	}
	t := v.store.begin()
	v.mu.Lock()
	for i, o := range list {
		version, err := wire.VersionFromProto(request.Items[i].Version)
		t.fail(err)
		v.takeValidity(t, o, version, answers[i], q, reply.Breaks)
	}
	t.enqueue()
	v.mu.Unlock()
	return t.wait()
}

// takeValidity takes over what the server says about an object that had been asked for with a version.
func (v *Venus) takeValidity(t *tx, o *object, asked coda.VersionVector, a wire.Validity, q request, breaks uint64) {
	switch a.Answer {
	case vicepb.ValidateResult_ANSWER_GONE:
		if o.base().Version.Compare(asked) == coda.Equal {
			v.forget(t, o)
		}
	case vicepb.ValidateResult_ANSWER_CURRENT:
		if a.Promised && o.known() && o.base().Version.Compare(asked) == coda.Equal {
			v.promised(o, q, breaks)
		}
	case vicepb.ValidateResult_ANSWER_STALE:
		if !o.fid.IsDirectory() && o.inFlight() {
			return
		}
		fresh := !o.known()
		if o.base().Version.Compare(asked) == coda.Equal {
			v.goBack(o, a.Status)
		}
		if v.setBase(t, o, a.Status) {
			if a.Promised {
				v.promised(o, q, breaks)
			}
			if !fresh {
				v.notices.object(o.fid)
			}
		}
	}
}

// revalidateBatch is how many objects one background request validates: enough to be few, and not so many that a request
// that somebody waits for stands behind it for long.
const revalidateBatch = 1000

// revalidate validates, whenever a session has been opened, what is cached, most recently used first. So what changed while
// the server was out of reach is known before somebody asks, and a large cache costs few requests.
func (v *Venus) revalidate(ctx context.Context) {
	for {
		v.mu.Lock()
		up, changed := v.group.state == linkUp, v.group.changed
		v.mu.Unlock()
		if up {
			v.revalidateAll(ctx)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
		if ctx.Err() != nil {
			return
		}
	}
}

func (v *Venus) revalidateAll(ctx context.Context) {
	all := v.cached()
	for len(all) > 0 && ctx.Err() == nil {
		v.mu.Lock()
		up := v.group.state == linkUp
		v.mu.Unlock()
		if !up {
			return
		}
		fl := &flight{what: "the server to validate what is cached", done: make(chan struct{})}
		list := v.board(all[:min(len(all), revalidateBatch)], fl)
		all = all[min(len(all), revalidateBatch):]
		if len(list) == 0 {
			continue
		}
		err := v.validate(ctx, list)
		v.land(list, fl, err)
		if err != nil {
			v.logger.Warn("validate the cache", "error", err)
			return
		}
	}
}

// cached lists the objects that the cache knows, most recently used first.
func (v *Venus) cached() []coda.Fid {
	type use struct {
		fid  coda.Fid
		used uint64
	}
	v.mu.Lock()
	list := make([]use, 0, len(v.objects))
	for f, o := range v.objects {
		if o.known() {
			list = append(list, use{f, o.used})
		}
	}
	v.mu.Unlock()
	slices.SortFunc(list, func(a, b use) int { return cmp.Compare(b.used, a.used) })
	fids := make([]coda.Fid, len(list))
	for i, u := range list {
		fids[i] = u.fid
	}
	return fids
}

// board puts those objects into a flight that have no valid promise and are in no other flight.
func (v *Venus) board(fids []coda.Fid, fl *flight) []*object {
	v.mu.Lock()
	defer v.mu.Unlock()
	var list []*object
	for _, f := range fids {
		if o := v.objects[f]; o != nil && o.known() && o.flight == nil && !v.valid(o) {
			o.flight = fl
			list = append(list, o)
		}
	}
	return list
}
