package vice

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc/connectivity"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/peerpb"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// Resolve joins this replica with all that it can reach, and has these join it.
func (s *Server) Resolve(ctx context.Context, request *vicepb.ResolveRequest) (*vicepb.ResolveReply, error) {
	fids, err := fidsFromProto(request.Fids, maxAlso)
	if err != nil {
		return nil, err
	}
	for _, f := range fids {
		about(ctx, f)
		if _, err := s.known(ctx, f.Volume); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timing.COP2)
	defer cancel()
	took, why := s.resolve(ctx, fids)
	v, _, _ := s.promises.read(0)
	defer v.release()
	reply := &vicepb.ResolveReply{}
	for _, f := range fids {
		r := &vicepb.Resolution{Outcome: vicepb.Resolution_OUTCOME_EQUAL, Slots: uint32(took), Why: why}
		found, err := getVnode(v, f)
		switch {
		case err != nil:
			return nil, err
		case found == nil:
			r.Outcome = vicepb.Resolution_OUTCOME_GONE
		case found.status.Inconsistent:
			r.Outcome = vicepb.Resolution_OUTCOME_INCONSISTENT
		}
		reply.Resolutions = append(reply.Resolutions, r)
	}
	return reply, nil
}

// resolve makes this replica and those that it can reach equal, as far as they do not change meanwhile. It says which took part, and why others did
// not.
func (s *Server) resolve(ctx context.Context, also []coda.Fid) (took slots, why string) {
	took = 1 << s.cfg.Replication.Slot
	var mu sync.Mutex
	each := func(among slots, do func(*replica) error) (done slots) {
		var wait sync.WaitGroup
		for _, p := range s.peers {
			if !among.has(p.slot) {
				continue
			}
			wait.Go(func() {
				err := do(p)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					why = fmt.Sprintf("slot %d: %v", p.slot, err)
					return
				}
				done |= 1 << p.slot
			})
		}
		wait.Wait()
		return done
	}
	reached := each(s.cfg.Replication.all(), func(p *replica) error {
		if err := p.connected(ctx, s.cfg.Timing.COP2/resolveGrace); err != nil {
			return err
		}
		return s.join(ctx, p, also)
	})
	return took | each(reached, func(p *replica) error { return s.joinedBy(ctx, p, also) }), why
}

// resolveGrace is the part of the COP2 time for which a resolution, for which somebody waits, waits for the connection to a server: long enough for one that
// is being made. To find out that nobody answers takes a connection 5 s.
const resolveGrace = 20

// connected waits, but not for long, for the connection to another server.
func (p *replica) connected(ctx context.Context, grace time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	waiting(ctx, fmt.Sprintf("the connection to slot %d", p.slot))
	p.conn.Connect()
	for {
		state := p.conn.GetState()
		if state == connectivity.Ready {
			return nil
		}
		if state == connectivity.TransientFailure || !p.conn.WaitForStateChange(ctx, state) {
			return coda.Errorf("connect", coda.TimedOut, "there is no connection to the server in slot %d", p.slot)
		}
	}
}

// joinedBy has another replica join this one.
func (s *Server) joinedBy(ctx context.Context, p *replica, also []coda.Fid) error {
	request := &peerpb.JoinRequest{Slot: uint32(s.cfg.Replication.Slot)}
	for _, f := range also {
		request.Also = append(request.Also, wire.FidToProto(f))
	}
	_, err := p.service.Join(ctx, request)
	return err
}
