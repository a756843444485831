package vice

import (
	"context"
	"fmt"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// AllocateVnodes grants numbers, which are good in all volumes. The grant is durable before it is answered, so no restart gives them again.
func (s *Server) AllocateVnodes(ctx context.Context, request *vicepb.AllocateVnodesRequest) (*vicepb.AllocateVnodesReply, error) {
	if _, err := s.known(ctx, request.Volume); err != nil {
		return nil, err
	}
	if request.Count == 0 || request.Count > wire.MaxAllocate {
		return nil, coda.Errorf("allocate vnodes", coda.Invalid, "%d of them", request.Count)
	}
	if err := s.granting.take(ctx, "a grant"); err != nil {
		return nil, err
	}
	defer s.granting.give()
	row := s.row
	first := s.next.Load()
	if s.cfg.Replication.replicated() && grantOf(first).count+uint64(request.Count) > mostCount {
		return nil, coda.Errorf("allocate vnodes", coda.NoSpace, "the server has granted all of its numbers")
	}
	row.next = first + uint64(request.Count)
	b := s.store.db.NewBatch()
	defer b.Close()
	if err := b.Set(serverKey(), row.encode(), nil); err != nil {
		return nil, fmt.Errorf("allocate vnodes: %w", err)
	}
	s.store.commit(b)
	s.next.Store(row.next)
	return &vicepb.AllocateVnodesReply{First: first, Count: request.Count}, nil
}
