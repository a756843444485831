package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"

	"github.com/codastress/codastress/harness/agent/agentpb"
	"github.com/codastress/codastress/harness/agent/rot"
)

// Cached implements agentpb.AgentServer.
func (s *service) Cached(ctx context.Context, r *agentpb.DaemonRequest) (*agentpb.CachedReply, error) {
	if s.hooks.Cached == nil {
		return nil, errNotHere
	}
	contents, err := s.hooks.Cached(ctx, r.Name)
	if err != nil {
		return nil, statusOf(err)
	}
	reply := &agentpb.CachedReply{}
	if reply.Contents, err = json.Marshal(contents); err != nil {
		return nil, statusOf(fmt.Errorf("saying what is cached: %w", err))
	}
	return reply, nil
}

// meant gives the contents of which bits are to be flipped.
func (s *service) meant(r *agentpb.FlipBitsRequest) (among []rot.Content, err error) {
	if len(r.Among) > 0 {
		if err := json.Unmarshal(r.Among, &among); err != nil {
			return nil, fmt.Errorf("reading which contents are meant: %w", err)
		}
		return among, nil
	}
	folder, err := s.daemons.Contents(r.Daemon)
	if err != nil {
		return nil, err
	}
	return rot.In(rot.Machine{}, folder)
}

// FlipBits implements agentpb.AgentServer.
func (s *service) FlipBits(_ context.Context, r *agentpb.FlipBitsRequest) (*agentpb.FlipBitsReply, error) {
	among, err := s.meant(r)
	if err != nil {
		return nil, statusOf(err)
	}
	flips, err := rot.Bits(rot.Machine{}, among, r.Share, rand.New(rand.NewPCG(r.Seed, 0)))
	reply := &agentpb.FlipBitsReply{}
	if err != nil {
		reply.Problem = err.Error() // what was flipped before has to be known
	}
	if reply.Flips, err = json.Marshal(flips); err != nil {
		return nil, statusOf(err)
	}
	return reply, nil
}

// LookAtBits implements agentpb.AgentServer.
func (s *service) LookAtBits(_ context.Context, r *agentpb.LookAtBitsRequest) (*agentpb.LookAtBitsReply, error) {
	var flips []rot.Flip
	if err := json.Unmarshal(r.Flips, &flips); err != nil {
		return nil, statusOf(fmt.Errorf("reading which bits were flipped: %w", err))
	}
	states, err := rot.Look(rot.Machine{}, flips, r.Back)
	if err != nil {
		return nil, statusOf(err)
	}
	reply := &agentpb.LookAtBitsReply{States: map[string]int64{}}
	for state, count := range states {
		reply.States[string(state)] = int64(count)
	}
	return reply, nil
}
