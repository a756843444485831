package vice

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/peerpb"
)

// A batch is settled in three steps, so that none of them hangs on a message that may be lost. A replica learns that all have the batch, from a COP2
// or from the others' word (batchRow.everywhere). When it has learned that all others know that, too, nobody will ever again take the batch for
// news, and it forgets what it has kept about it.

// maxSettle is the largest number of batches in one Settle.
const maxSettle = 10_000

// Settle says which batches this replica has, and notes which ones all have.
func (p *peerService) Settle(ctx context.Context, request *peerpb.SettleRequest) (*peerpb.SettleReply, error) {
	s := p.s
	if n := len(request.Batches); n > maxSettle {
		return nil, coda.Errorf("settle", coda.Invalid, "%d batches, at most %d are allowed", n, maxSettle)
	}
	reply := &peerpb.SettleReply{}
	v, _, _ := s.promises.read(0)
	defer v.release()
	var told []batchID
	for _, b := range request.Batches {
		c, err := wire.ClientIDFromProto(b.GetClient())
		if err != nil {
			return nil, err
		}
		id := batchID{b.Volume, c, b.First, b.Last}
		row, ok, err := getBatch(v, id)
		if err != nil {
			return nil, err
		}
		state := peerpb.SettleReply_STATE_UNKNOWN
		switch {
		case ok && (row.everywhere || b.Everywhere) && row.counted():
			state = peerpb.SettleReply_STATE_EVERYWHERE
		case ok:
			state = peerpb.SettleReply_STATE_KNOWN
		}
		if ok && b.Everywhere && !row.everywhere {
			told = append(told, id)
		}
		reply.States = append(reply.States, state)
	}
	return reply, s.markEverywhere(ctx, told)
}

// markEverywhere notes durably that all replicas have some batches.
func (s *Server) markEverywhere(ctx context.Context, ids []batchID) error {
	return s.amendBatches(ctx, ids, func(b *batchRow) { b.everywhere = true })
}

// amendBatches changes, durably, what is kept about batches.
func (s *Server) amendBatches(ctx context.Context, ids []batchID, change func(*batchRow)) error {
	if len(ids) == 0 {
		return nil
	}
	return s.amend(ctx, "the settling of batches", func(a *amendment) error {
		for _, id := range ids {
			row, ok, err := getBatch(a.base, id)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			change(&row)
			if err := a.batch.Set(batchKey(id), row.encode(), nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// forget drops, durably, what is kept about batches of which all know that all have them.
func (s *Server) forget(ctx context.Context, ids []batchID) error {
	if len(ids) == 0 {
		return nil
	}
	return s.amend(ctx, "the forgetting of settled batches", func(a *amendment) error {
		list, err := readBatches(a.base)
		if err != nil {
			return err
		}
		settled := map[batchID]bool{}
		for _, id := range ids {
			settled[id] = true
		}
		var gone, left []*heldBatch
		for _, b := range list {
			if settled[b.batchID] && b.everywhere {
				gone = append(gone, b)
			} else {
				left = append(left, b)
			}
		}
		return errors.Join(a.drop(newKnowledge(gone), newKnowledge(left)), a.compareLater(gone), a.remember(gone))
	})
}

// remember notes that batches that are being forgotten were answered, by another replica where not by this one. A client sends a batch when those before it
// were answered by somebody; but what it has sent to this replica may still be on its way, and would be taken for new otherwise.
func (a *amendment) remember(gone []*heldBatch) error {
	type author struct {
		volume uint32
		client coda.ClientID
	}
	last := map[author]*heldBatch{}
	for _, b := range gone {
		by := author{b.volume, b.client}
		if last[by] == nil || last[by].last < b.last {
			last[by] = b
		}
	}
	var errs []error
	for by, b := range last {
		row, err := getReplay(a.base, by.volume, by.client)
		if err != nil || row.last >= b.last {
			errs = append(errs, err)
			continue
		}
		row = replayRow{last: b.last, first: b.first, refusals: b.refusals()}
		errs = append(errs, a.batch.Set(replayKey(by.volume, by.client), row.encode(), nil))
	}
	return errors.Join(errs...)
}

// drop deletes the rows that hang on batches that go and not on one of those that are left.
func (a *amendment) drop(gone, left *knowledge) error {
	var errs []error
	touched := map[coda.Fid]bool{}
	for _, b := range left.batches {
		for _, o := range b.objects {
			touched[o.fid] = true
		}
	}
	dropped := map[coda.Fid]bool{}
	for id, b := range gone.batches {
		errs = append(errs, a.batch.Delete(batchKey(id), nil))
		for _, o := range b.objects {
			if dropped[o.fid] {
				continue
			}
			dropped[o.fid] = true
			if !touched[o.fid] {
				errs = append(errs, a.batch.Delete(unsettledKey(o.fid), nil))
			} else {
				errs = append(errs, a.dropAttributes(o.fid, gone))
			}
		}
	}
	return errors.Join(append(errs, a.dropNames(left))...)
}

// dropAttributes forgets who has set a directory's attributes, where that is settled.
func (a *amendment) dropAttributes(f coda.Fid, gone *knowledge) error {
	row, ok, err := getUnsettled(a.base, f)
	if err != nil || !ok || gone.find(row.attributes) == nil {
		return err
	}
	row.attributes = coda.StoreID{}
	return a.batch.Set(unsettledKey(f), row.encode(), nil)
}

// dropNames forgets the names about which no batch that is left says anything.
func (a *amendment) dropNames(left *knowledge) error {
	return scanNames(a.base, func(p location, row nameRow) error {
		if left.find(row.update) != nil || left.find(row.removal) != nil {
			return nil
		}
		for _, also := range row.also {
			if left.find(also.update) != nil || left.find(also.removal) != nil {
				return nil
			}
		}
		return a.batch.Delete(renamedKey(p.dir, p.name), nil)
	})
}

// settling is what the server remembers, while it runs, of batches that are not settled.
type settling struct {
	mu    sync.Mutex
	since map[batchID]time.Time // when a batch was seen first
}

// startSettling starts, for each other server of the volume, who talks with it about what is unsettled.
func (s *Server) startSettling() {
	s.settling = &settling{since: map[batchID]time.Time{}}
	for _, p := range s.peers {
		s.background(func() { s.attendPeer(p) })
	}
}

// settleTicks is how often, in one COP2 time, a server looks at what is unsettled.
const settleTicks = 10

// attendPeer settles with another server what there is to settle, until the server stops. One that cannot be reached delays nobody: it has an
// attendant of its own.
func (s *Server) attendPeer(p *replica) {
	every := max(s.cfg.Timing.COP2/settleTicks, time.Millisecond)
	timer := time.NewTimer(every)
	defer timer.Stop()
	for round := 0; ; round++ {
		select {
		case <-s.stopping.Done():
			return
		case <-timer.C:
		}
		ctx, cancel := context.WithTimeout(s.stopping, s.cfg.Timing.Request)
		if round%settleTicks == 0 {
			if err := s.askCell(ctx, p); err != nil && s.stopping.Err() == nil {
				s.cfg.Log.Debug("ask another server for users, groups and volumes", "slot", p.slot, "err", err)
			}
		}
		if err := s.settleWith(ctx, p); err != nil && s.stopping.Err() == nil {
			s.cfg.Log.Debug("settle with another server", "slot", p.slot, "err", err)
		}
		cancel()
		timer.Reset(every)
	}
}

// settleWith does what there is to do with one other server.
func (s *Server) settleWith(ctx context.Context, p *replica) error {
	filling, err := s.filling()
	if err != nil {
		return err
	}
	if filling {
		if err := s.join(ctx, p, nil); err != nil {
			return err
		}
	}
	if err := s.compareVersions(ctx, p); err != nil {
		return err
	}
	list, err := s.waitingBatches()
	if err != nil {
		return err
	}
	p.keep(list)
	if len(list) == 0 {
		return nil
	}
	overdue := s.overdue(list)
	missing, err := s.askAbout(ctx, p, overdue)
	if err != nil {
		return err
	}
	if missing {
		if err := s.join(ctx, p, nil); err != nil {
			return err
		}
		if err := s.joinedBy(ctx, p, nil); err != nil {
			return err
		}
		p.noteJoined(overdue)
		if _, err := s.askAbout(ctx, p, overdue); err != nil {
			return err
		}
	}
	return s.conclude(ctx, list)
}

func (s *Server) waitingBatches() ([]*heldBatch, error) {
	v, _, _ := s.promises.read(0)
	defer v.release()
	return readBatches(v)
}

// waits reports whether the batch still waits for its COP2.
func (b *batchRow) waits() bool {
	return slices.ContainsFunc(b.objects, func(o batchObject) bool { return o.owed != 0 })
}

// counted reports whether the updates of all replicas that have the batch are counted.
func (b *batchRow) counted() bool { return !b.waits() && b.behind == 0 }

// lacks reports whether the updates of another replica may not be counted yet.
func (b *batchRow) lacks(slot int) bool {
	return b.behind.has(slot) || slices.ContainsFunc(b.objects, func(o batchObject) bool { return o.owed.has(slot) })
}

// overdue picks the batches that wait for no COP2 any more, or for too long.
func (s *Server) overdue(list []*heldBatch) []*heldBatch {
	now := time.Now()
	s.settling.mu.Lock()
	defer s.settling.mu.Unlock()
	present := map[batchID]time.Time{}
	var picked []*heldBatch
	for _, b := range list {
		since, ok := s.settling.since[b.batchID]
		if !ok {
			since = now
		}
		present[b.batchID] = since
		if !b.waits() || now.Sub(since) >= s.cfg.Timing.COP2 {
			picked = append(picked, b)
		}
	}
	s.settling.since = present
	return picked
}

// askAbout asks another server which batches it has, and tells it which ones all have. It reports whether there is one that the other server does
// not have, or one whose updates are not counted yet although no COP2 will come.
func (s *Server) askAbout(ctx context.Context, p *replica, list []*heldBatch) (missing bool, err error) {
	var asked []*heldBatch
	p.mu.Lock()
	for _, b := range list {
		missing = missing || b.lacks(p.slot)
		heard := p.knows[b.batchID] && !b.everywhere && !b.lacks(p.slot)
		if !heard && !p.agrees[b.batchID] {
			asked = append(asked, b)
		}
	}
	p.mu.Unlock()
	for part := range slices.Chunk(asked, maxSettle) {
		request := &peerpb.SettleRequest{}
		for _, b := range part {
			request.Batches = append(request.Batches, &peerpb.SettleBatch{
				Volume: b.volume, Client: wire.ClientIDToProto(b.client), First: b.first, Last: b.last, Everywhere: b.everywhere,
			})
		}
		reply, err := p.service.Settle(ctx, request)
		if err != nil {
			return false, err
		}
		if len(reply.States) != len(part) {
			return false, coda.Errorf("settle", coda.Invalid, "%d states of %d batches", len(reply.States), len(part))
		}
		missing = p.note(part, reply.States, s.cfg.Replication.Slot) || missing
	}
	return missing, nil
}

// note remembers what another server has said about batches, and reports whether there is something to join.
func (p *replica) note(list []*heldBatch, states []peerpb.SettleReply_State, own int) (missing bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, b := range list {
		switch {
		case states[i] == peerpb.SettleReply_STATE_EVERYWHERE, states[i] == peerpb.SettleReply_STATE_UNKNOWN && b.everywhere:
			p.knows[b.batchID], p.agrees[b.batchID] = true, true
		case states[i] == peerpb.SettleReply_STATE_KNOWN:
			p.knows[b.batchID] = true
		default:
			missing = true
		}
		missing = missing || b.lacks(p.slot) || (b.behind.has(own) && !p.joined[b.batchID])
	}
	return missing
}

// keep drops what another server has said about batches that are not kept any more: they are settled, or their volume was purged.
func (p *replica) keep(list []*heldBatch) {
	kept := make(map[batchID]bool, len(list))
	for _, b := range list {
		kept[b.batchID] = true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, said := range []map[batchID]bool{p.knows, p.agrees, p.joined} {
		maps.DeleteFunc(said, func(id batchID, _ bool) bool { return !kept[id] })
	}
}

// noteJoined remembers that another server has joined this one.
func (p *replica) noteJoined(list []*heldBatch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range list {
		p.joined[b.batchID] = true
	}
}

// conclude marks the batches that all others have said to have, and forgets those of which all others know that all have them.
func (s *Server) conclude(ctx context.Context, list []*heldBatch) error {
	var everywhere, settled, late []batchID
	for _, b := range list {
		known, agreed, joined := true, true, true
		for _, p := range s.peers {
			p.mu.Lock()
			known, agreed, joined = known && p.knows[b.batchID], agreed && p.agrees[b.batchID], joined && p.joined[b.batchID]
			p.mu.Unlock()
		}
		if b.behind.has(s.cfg.Replication.Slot) && joined {
			late = append(late, b.batchID)
		}
		switch {
		case !b.everywhere && known:
			everywhere = append(everywhere, b.batchID)
		case b.everywhere && agreed && b.counted():
			settled = append(settled, b.batchID)
		}
	}
	if err := s.markEverywhere(ctx, everywhere); err != nil {
		return err
	}
	if err := s.amendBatches(ctx, late, func(b *batchRow) { b.behind &^= 1 << s.cfg.Replication.Slot }); err != nil {
		return err
	}
	if s.asking.Load() > 0 {
		settled = nil // a join must know which batches there were when it asked
	}
	return s.forget(ctx, settled)
}
