package vice

import (
	"context"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
)

// commit applies those records of a batch that were not answered before, as one durable transaction, and answers the whole batch. caller says for whom: nil is
// this server itself, which may do everything, also in a locked volume.
func (s *Server) commit(
	ctx context.Context, caller func(context.Context) (*coda.Identity, error), batch wire.Batch, records []coda.Record, up *uploads,
) (wire.Answer, error) {
	unlock, err := s.policies.locking.write(ctx, batch, records)
	if err != nil {
		return wire.Answer{}, err
	}
	defer unlock()
	base, _, _ := s.promises.read(0)
	defer base.release()
	row, err := getReplay(base, batch.Volume, batch.Client)
	if err != nil {
		return wire.Answer{}, err
	}
	who, err := caller(ctx)
	if err != nil {
		return wire.Answer{}, err
	}
	volume := s.locations.Load().find(batch.Volume)
	if volume == nil {
		return wire.Answer{}, coda.Errorf("find volume", coda.NotFound, "%x has been purged", batch.Volume)
	}
	t := newTransaction(base, s.ground(), batchID{batch.Volume, batch.Client, batch.First, batch.Last}, who)
	t.within(*volume, s.used.of(volume.ID))
	unknown := row.forget(batch, records)
	if batch.Last <= row.last {
		return s.replay(t, row, batch, unknown)
	}
	if volume.Locked && who != nil {
		return wire.Answer{}, coda.Errorf("reintegrate", coda.Busy, "volume %s is locked", volume.Name)
	}
	if answer, adopted, err := s.adopt(ctx, t, batch, up); adopted || err != nil {
		return answer, err
	}
	var refusals []coda.Refusal
	for _, r := range records {
		if r.Number <= row.last {
			continue
		}
		refused, err := t.apply(r, up.arrived)
		if err != nil {
			return wire.Answer{}, fmt.Errorf("apply record %d (%v): %w", r.Number, r.Operation, err)
		}
		if refused != nil {
			refusals = append(refusals, *refused)
		}
	}
	t.refused = refusals
	row = row.advance(batch, refusals, t.changed())
	answer, outdated, err := t.answer(row, batch)
	if err != nil {
		return wire.Answer{}, err
	}
	if err := s.policies.breaking.before(ctx, t, batch.Session); err != nil {
		return wire.Answer{}, err
	}
	waiting(ctx, "commit to the disk")
	if err := s.write(t, row, batch.Session, &answer, up); err != nil {
		return wire.Answer{}, err
	}
	s.promises.outdate(batch.Session, append(outdated, unknown...), &answer)
	return answer, nil
}

// forget drops what the row says about objects, and lists them, where the batch overlaps with records that were answered and does not have
// the last of these: its client has lost that in a loss of power, and would take what it changed for the work of the others.
func (p *replayRow) forget(batch wire.Batch, records []coda.Record) (unknown []coda.Fid) {
	if batch.First > p.last || slices.ContainsFunc(records, func(r coda.Record) bool { return r.Number == p.last }) {
		return nil
	}
	for _, c := range p.changed {
		unknown = append(unknown, c.fid)
	}
	p.changed = nil
	return unknown
}

// write makes the transaction and the client's new row durable, publishes them, and removes the contents that are not needed any more.
func (s *Server) write(t *transaction, row replayRow, session uint64, answer *wire.Answer, up *uploads) error {
	b := s.store.db.NewBatch()
	defer b.Close()
	taken, garbage, err := t.write(b, up.arrived)
	if err == nil {
		err = b.Set(replayKey(t.batch.volume, t.client), row.encode(), nil)
	}
	if err != nil {
		return &coda.Error{Op: "write a batch", Kind: coda.IO, Err: err}
	}
	s.store.commit(b)
	s.promises.count(session, t.batch.volume, t.batch.last)
	s.made(t, session, answer, up, taken, garbage)
	return nil
}

// made publishes a durable transaction and removes the contents that are not needed any more.
func (s *Server) made(t *transaction, session uint64, answer *wire.Answer, up *uploads, taken map[uint64]upload, garbage []upload) {
	s.used.changed(t)
	s.retire(garbage, func() {
		changed := t.rightsChanged()
		opened := changed && s.restricted.CompareAndSwap(false, true)
		s.promises.publish(s.newView(), t, session, answer, changed)
		if opened { // clients were told that there is nothing to ask for
			s.promises.dismiss("the volume has got its first ACL")
		}
		up.hand(taken)
	})
	s.tellRooms(t, session)
}

// retire removes contents that no view names any more once publish has returned.
func (s *Server) retire(garbage []upload, publish func()) {
	garbage = slices.DeleteFunc(garbage, func(g upload) bool { return g.content.place != inContainer })
	for _, g := range garbage {
		s.store.containers.move(g.fid, g.content.id)
	}
	publish()
	for _, g := range garbage {
		if err := s.store.containers.giveUp(g.fid, g.content.id); err != nil {
			s.cfg.Log.Warn("remove an old container", "fid", g.fid, "err", err)
		}
	}
}

// replay answers a batch all of whose records were answered before.
func (s *Server) replay(t *transaction, row replayRow, batch wire.Batch, unknown []coda.Fid) (wire.Answer, error) {
	answer, outdated, err := t.answer(row, batch)
	if err != nil {
		return wire.Answer{}, err
	}
	s.promises.renew(batch.Session, &answer)
	s.promises.outdate(batch.Session, append(outdated, unknown...), &answer)
	s.cfg.Log.Info("answered a batch again", "client", batch.Client, "first", batch.First, "last", batch.Last)
	return answer, nil
}

// getReplay reads what the server remembers of a client; a zero row for a client that it does not know.
func getReplay(r pebble.Reader, volume uint32, client coda.ClientID) (row replayRow, err error) {
	_, err = get(r, replayKey(volume, client), func(b []byte) (err error) {
		row, err = decodeReplay(volume, b)
		return err
	})
	return row, err
}

// advance gives the client's row after a batch. A client sends its batches one after the other, so the answers before the batch's first
// record have arrived and can be forgotten.
func (p replayRow) advance(batch wire.Batch, refusals []coda.Refusal, changed []*object) replayRow {
	next := replayRow{last: batch.Last, first: batch.First}
	before := map[coda.Fid]replayChanged{}
	if batch.First <= p.last {
		for _, r := range p.refusals {
			if r.Number >= batch.First {
				next.refusals = append(next.refusals, r)
			}
		}
		for _, c := range p.changed {
			before[c.fid] = c
		}
	}
	next.refusals = append(next.refusals, refusals...)
	for _, o := range changed {
		c, again := before[o.fid()]
		if !again {
			c = replayChanged{fid: o.fid(), before: o.before.version()}
		}
		delete(before, o.fid())
		if o.now != nil {
			c.after = o.now.status.Version
			next.changed = append(next.changed, c)
		}
	}
	for _, c := range before {
		next.changed = append(next.changed, c)
	}
	slices.SortFunc(next.changed, func(a, b replayChanged) int { return a.fid.Compare(b.fid) })
	return next
}

// maxChanged is about how many bytes of statuses an answer may hold.
const maxChanged = wire.MaxReply / 2

// answer makes the answer to a batch from the client's row and the state after the batch. Objects that others have changed again since the
// batch was applied, which can be only when it is answered again, and objects for which there is no room are left out and listed as
// outdated.
func (t *transaction) answer(row replayRow, batch wire.Batch) (a wire.Answer, outdated []coda.Fid, err error) {
	a = wire.Answer{Done: row.last}
	for _, r := range row.refusals {
		if r.Number >= batch.First && r.Number <= batch.Last {
			a.Refusals = append(a.Refusals, r)
		}
	}
	room := maxChanged
	for _, c := range row.changed {
		v, err := t.lookup(c.fid)
		if err != nil {
			return wire.Answer{}, nil, err
		}
		if v != nil {
			room -= 512 + len(v.status.Target)
		}
		if v == nil || v.status.Version != c.after || room < 0 {
			outdated = append(outdated, c.fid)
			continue
		}
		a.Changed = append(a.Changed, wire.Changed{Status: v.status, Before: c.before})
	}
	return a, outdated, nil
}
