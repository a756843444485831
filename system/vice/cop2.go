package vice

import (
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// maxCOP2 is the largest number of batches in one COP2.
const maxCOP2 = 1000

// COP2 counts the updates of the other replicas. It changes no contents, so that it breaks no promise.
func (s *Server) COP2(ctx context.Context, request *vicepb.COP2Request) (*vicepb.COP2Reply, error) {
	client, err := wire.ClientIDFromProto(request.Client)
	if err != nil {
		return nil, err
	}
	about(ctx, client)
	if n := len(request.Updates); n > maxCOP2 {
		return nil, coda.Errorf("COP2", coda.Invalid, "%d batches, at most %d are allowed", n, maxCOP2)
	}
	r := s.cfg.Replication
	if !r.replicated() {
		return &vicepb.COP2Reply{}, nil
	}
	for _, u := range request.Updates {
		if set := slots(u.Slots); set&^r.all() != 0 || !set.has(r.Slot) {
			return nil, coda.Errorf("COP2", coda.Invalid, "the set %b of %d replicas, sent to the one in slot %d", set, r.replicas(), r.Slot)
		}
	}
	err = s.amend(ctx, "a COP2 of client "+client.String(), func(a *amendment) error {
		for _, u := range request.Updates {
			if err := a.count(batchID{volume: u.Volume, client: client, first: u.First, last: u.Last}, slots(u.Slots)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &vicepb.COP2Reply{}, nil
}

// amendment changes versions of objects, and nothing else of them.
type amendment struct {
	ground
	base  pebble.Reader
	batch *pebble.Batch

	vnodes     map[coda.Fid]*vnode
	tombstones map[coda.Fid]*unsettledRow
}

// amend makes an amendment durable and visible.
func (s *Server) amend(ctx context.Context, holder string, do func(*amendment) error) error {
	if err := s.writer.take(ctx, holder); err != nil {
		return err
	}
	defer s.writer.give()
	base, _, _ := s.promises.read(0)
	defer base.release()
	b := s.store.db.NewBatch()
	defer b.Close()
	a := &amendment{ground: s.ground(), base: base, batch: b, vnodes: map[coda.Fid]*vnode{}, tombstones: map[coda.Fid]*unsettledRow{}}
	if err := errors.Join(do(a), a.write()); err != nil {
		return err
	}
	if b.Count() == 0 {
		return nil
	}
	s.store.commit(b)
	s.promises.advance(s.newView())
	return nil
}

// advance makes a durable commit visible that is nothing to tell clients about.
func (p *promises) advance(v *view) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current.release()
	p.current = v
}

// count adds what a batch did on other replicas to the versions of its objects.
func (a *amendment) count(id batchID, applied slots) error {
	row, ok, err := getBatch(a.base, id)
	if err != nil || !ok {
		return err
	}
	changed := false
	for i := range row.objects {
		o := &row.objects[i]
		if o.owed == 0 {
			continue
		}
		if err := a.add(o.fid, o.owed&applied, o.count); err != nil {
			return err
		}
		row.behind |= o.owed &^ applied // they may have it all the same, and their answers were lost
		o.owed = 0
		changed = true
	}
	if applied == slots(1)<<a.replicas-1 && !row.everywhere {
		row.everywhere, changed = true, true
	}
	if !changed {
		return nil
	}
	return a.batch.Set(batchKey(id), row.encode(), nil)
}

// add counts updates of other replicas in the version of an object, or of what is left of it.
func (a *amendment) add(f coda.Fid, of slots, count uint64) error {
	version, err := a.version(f)
	if err != nil || version == nil {
		return err
	}
	for i := range version.Slots {
		if of.has(i) {
			version.Slots[i] += count
		}
	}
	return nil
}

// version finds the version of an object, to be changed; nil where nothing is left of the object.
func (a *amendment) version(f coda.Fid) (*coda.VersionVector, error) {
	if v := a.vnodes[f]; v != nil {
		return &v.status.Version, nil
	}
	if u := a.tombstones[f]; u != nil {
		return &u.removed.version, nil
	}
	v, err := getVnode(a.base, f)
	if err != nil {
		return nil, err
	}
	if v != nil {
		a.vnodes[f] = v
		return &v.status.Version, nil
	}
	u, _, err := getUnsettled(a.base, f)
	if err != nil || u.removed == nil {
		return nil, err
	}
	a.tombstones[f] = &u
	return &u.removed.version, nil
}

func (a *amendment) write() error {
	var errs []error
	for f, v := range a.vnodes {
		errs = append(errs, a.batch.Set(vnodeKey(f), v.encode(), nil))
	}
	for f, u := range a.tombstones {
		errs = append(errs, a.batch.Set(unsettledKey(f), u.encode(), nil))
	}
	return errors.Join(errs...)
}
