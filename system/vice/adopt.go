package vice

import (
	"context"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
)

// adopt answers a batch that this replica has from another one already: the client sends it to all replicas until one has answered, and by then the
// replicas may have joined. Nothing is applied again. The updates are counted as if they had been, because the client will tell the others with its
// COP2 that they were; the others that have joined this one before have to do that once more (batchRow.behind). It reports whether the batch is such a one.
func (s *Server) adopt(ctx context.Context, t *transaction, batch wire.Batch, up *uploads) (a wire.Answer, adopted bool, err error) {
	if !t.replicated() {
		return a, false, nil
	}
	held, ok, err := getBatch(t.base, t.batch)
	if err != nil || !ok {
		return a, false, err
	}
	row := replayRow{last: batch.Last, first: batch.First, refusals: held.refusals()}
	var fids []coda.Fid
	for _, o := range held.objects {
		fids = append(fids, o.fid)
		v, err := t.lookup(o.fid)
		if err != nil {
			return a, false, err
		}
		if v != nil {
			now := new(*v)
			now.status.Version.Slots[t.slot] += o.count
			t.vnodes[o.fid].now = now
		}
	}
	held.behind |= 1 << t.slot
	t.adopted = &held
	a = wire.Answer{Done: batch.Last, Refusals: row.refusals}
	if err := s.policies.breaking.before(ctx, t, batch.Session); err != nil {
		return a, false, err
	}
	if err := s.write(t, row, batch.Session, &a, up); err != nil {
		return a, false, err
	}
	s.promises.outdate(batch.Session, fids, &a)
	s.cfg.Log.Info("answered a batch that came from another replica", "client", batch.Client, "first", batch.First, "last", batch.Last)
	return a, true, nil
}
