package agent

import (
	"context"
	"time"

	"github.com/codastress/codastress/harness/agent/agentpb"
	"github.com/codastress/codastress/harness/proxy"
)

// AddLink implements agentpb.AgentServer.
func (s *service) AddLink(ctx context.Context, r *agentpb.AddLinkRequest) (*agentpb.Link, error) {
	if s.hooks.Links == nil {
		return nil, errNotHere
	}
	added, err := s.hooks.Links.AddLink(ctx, r.Name, r.Listen, r.Upstream)
	if err != nil {
		return nil, statusOf(err)
	}
	return linkMessage(added), nil
}

// SetLink implements agentpb.AgentServer.
func (s *service) SetLink(ctx context.Context, r *agentpb.SetLinkRequest) (*agentpb.Link, error) {
	if s.hooks.Links == nil {
		return nil, errNotHere
	}
	set, err := s.hooks.Links.SetLink(ctx, r.Name, proxy.State{
		Up: proxy.Flow(r.Up), Down: proxy.Flow(r.Down),
		Shape: proxy.Shape{
			Latency: time.Duration(r.GetShape().GetLatency()), Jitter: time.Duration(r.GetShape().GetJitter()),
			Bandwidth: int(r.GetShape().GetBandwidth()), Seed: r.GetShape().GetSeed(),
			Piece: int(r.GetShape().GetPiece()), Pause: time.Duration(r.GetShape().GetPause()),
			Linger: time.Duration(r.GetShape().GetLinger()), Flip: int(r.GetShape().GetFlip()),
		},
	})
	if err != nil {
		return nil, statusOf(err)
	}
	return linkMessage(set), nil
}

// ResetLink implements agentpb.AgentServer.
func (s *service) ResetLink(ctx context.Context, r *agentpb.ResetLinkRequest) (*agentpb.ResetLinkReply, error) {
	if s.hooks.Links == nil {
		return nil, errNotHere
	}
	connections, err := s.hooks.Links.ResetLink(ctx, r.Name)
	if err != nil {
		return nil, statusOf(err)
	}
	return &agentpb.ResetLinkReply{Connections: uint32(connections)}, nil
}

// Links implements agentpb.AgentServer.
func (s *service) Links(ctx context.Context, _ *agentpb.LinksRequest) (*agentpb.LinksReply, error) {
	if s.hooks.Links == nil {
		return nil, errNotHere
	}
	links, err := s.hooks.Links.Links(ctx)
	if err != nil {
		return nil, statusOf(err)
	}
	reply := &agentpb.LinksReply{}
	for _, one := range links {
		reply.Links = append(reply.Links, linkMessage(one))
	}
	return reply, nil
}

// linkMessage and linkOf rely on the flows having the same numbers in both languages; a test holds them to it.
func linkMessage(l proxy.Link) *agentpb.Link {
	return &agentpb.Link{
		Name: l.Name, Listen: l.Listen, Upstream: l.Upstream, Up: agentpb.Flow(l.State.Up), Down: agentpb.Flow(l.State.Down),
		BytesUp: l.BytesUp, BytesDown: l.BytesDown, DroppedUp: l.DroppedUp, DroppedDown: l.DroppedDown,
		Connections: l.Connections, Open: l.Open,
		Slices: l.Harm.Slices, Late: l.Harm.Late, Flipped: l.Harm.Flipped, Spoiled: l.Harm.Spoiled, Trusted: l.Harm.Trusted,
	}
}

func linkOf(m *agentpb.Link) proxy.Link {
	return proxy.Link{
		Name: m.Name, Listen: m.Listen, Upstream: m.Upstream, State: proxy.State{Up: proxy.Flow(m.Up), Down: proxy.Flow(m.Down)},
		BytesUp: m.BytesUp, BytesDown: m.BytesDown, DroppedUp: m.DroppedUp, DroppedDown: m.DroppedDown,
		Connections: m.Connections, Open: m.Open,
		Harm: proxy.Harm{Slices: m.Slices, Late: m.Late, Flipped: m.Flipped, Spoiled: m.Spoiled, Trusted: m.Trusted},
	}
}
