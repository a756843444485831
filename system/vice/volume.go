package vice

import (
	"context"
	"fmt"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// Probe answers at once.
func (s *Server) Probe(context.Context, *vicepb.ProbeRequest) (*vicepb.ProbeReply, error) {
	return &vicepb.ProbeReply{ServerEpoch: s.row.epoch}, nil
}

// Volume describes the volume.
func (s *Server) Volume(_ context.Context, request *vicepb.VolumeRequest) (*vicepb.VolumeReply, error) {
	if request.Name != s.volume.name {
		return nil, coda.Errorf("find volume", coda.NotFound, "%q", request.Name)
	}
	reply := &vicepb.VolumeReply{Volume: s.volume.id, Name: s.volume.name, Root: wire.FidToProto(coda.RootFid(s.volume.id))}
	if r := s.cfg.Replication; r.replicated() {
		reply.Slot, reply.Replicas = uint32(r.Slot), uint32(r.replicas())
	}
	return reply, nil
}

// known refuses a volume that this server does not have.
func (s *Server) known(id uint32) error {
	if id != s.volume.id {
		return coda.Errorf("find volume", coda.NotFound, "%x", id)
	}
	return nil
}

// AllocateVnodes grants numbers. The grant is durable before it is answered, so no restart gives them again.
func (s *Server) AllocateVnodes(ctx context.Context, request *vicepb.AllocateVnodesRequest) (*vicepb.AllocateVnodesReply, error) {
	if err := s.known(request.Volume); err != nil {
		return nil, err
	}
	if request.Count == 0 || request.Count > wire.MaxAllocate {
		return nil, coda.Errorf("allocate vnodes", coda.Invalid, "%d of them", request.Count)
	}
	v := &s.volume
	if err := v.granting.take(ctx, "a grant"); err != nil {
		return nil, err
	}
	defer v.granting.give()
	first := v.next.Load()
	if s.cfg.Replication.replicated() && grantOf(first).count+uint64(request.Count) > mostCount {
		return nil, coda.Errorf("allocate vnodes", coda.NoSpace, "the server has granted all of its numbers")
	}
	row := volumeRow{id: v.id, next: first + uint64(request.Count), slot: s.cfg.Replication.Slot, replicas: s.cfg.Replication.replicas()}
	b := s.store.db.NewBatch()
	defer b.Close()
	if err := b.Set(volumeKey(v.name), row.encode(), nil); err != nil {
		return nil, fmt.Errorf("allocate vnodes: %w", err)
	}
	s.store.commit(b)
	v.next.Store(row.next)
	return &vicepb.AllocateVnodesReply{First: first, Count: request.Count}, nil
}
