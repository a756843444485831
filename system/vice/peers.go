package vice

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"google.golang.org/grpc"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/peerpb"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// peerService answers the other servers of the volume.
type peerService struct {
	peerpb.UnimplementedPeerServer
	s *Server
}

// replica is another server of the volume.
type replica struct {
	slot    int
	conn    *grpc.ClientConn
	service peerpb.PeerClient
	joining *turn // whoever reads its state and joins it

	mu     sync.Mutex
	knows  map[batchID]bool // batches that it has said to have
	agrees map[batchID]bool // and of which it knows that all have them
	joined map[batchID]bool // that it has joined since this server counted them late
}

// connectPeers makes the connections to the other servers. They are used, and tried, only when there is something to say.
func (s *Server) connectPeers() error {
	for slot, p := range s.cfg.Replication.Peers {
		if slot == s.cfg.Replication.Slot || !s.cfg.Replication.replicated() {
			continue
		}
		if p.Address == "" {
			continue // in a test of one server alone
		}
		conn, err := wire.Dial(p.Address, p.Connection)
		if err != nil {
			return fmt.Errorf("connect to the server in slot %d: %w", slot, err)
		}
		s.peers = append(s.peers, &replica{
			slot: slot, conn: conn, service: peerpb.NewPeerClient(conn),
			joining: newTurn(fmt.Sprintf("joining of slot %d", slot)), knows: map[batchID]bool{}, agrees: map[batchID]bool{}, joined: map[batchID]bool{},
		})
	}
	return nil
}

func (s *Server) closePeers() error {
	var errs []error
	for _, p := range s.peers {
		errs = append(errs, p.conn.Close())
	}
	return errors.Join(errs...)
}

// peerAt finds the server in a slot.
func (s *Server) peerAt(slot int) (*replica, error) {
	for _, p := range s.peers {
		if p.slot == slot {
			return p, nil
		}
	}
	return nil, coda.Errorf("find a server of the volume", coda.Invalid, "slot %d", slot)
}

// Fetch sends an object to another server.
func (p *peerService) Fetch(request *vicepb.FetchRequest, stream grpc.ServerStreamingServer[vicepb.FetchReply]) error {
	return p.s.fetch(request, stream, nil)
}

// Join has this server read the state of the one that asks.
func (p *peerService) Join(ctx context.Context, request *peerpb.JoinRequest) (*peerpb.JoinReply, error) {
	if request.Slot >= coda.VersionSlots {
		return nil, coda.Errorf("join", coda.Invalid, "slot %d", request.Slot)
	}
	other, err := p.s.peerAt(int(request.Slot))
	if err != nil {
		return nil, err
	}
	also, err := fidsFromProto(request.Also, maxAlso)
	if err != nil {
		return nil, err
	}
	if err := p.s.join(ctx, other, also); err != nil {
		return nil, err
	}
	return &peerpb.JoinReply{}, nil
}
