package agent

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/codastress/codastress/harness/agent/agentpb"
	"github.com/codastress/codastress/harness/agent/ill"
)

// SetDisk implements agentpb.AgentServer.
func (s *service) SetDisk(ctx context.Context, r *agentpb.SetDiskRequest) (*agentpb.SetDiskReply, error) {
	if s.hooks.Disk == nil {
		return nil, errNotHere
	}
	var state ill.State
	if err := json.Unmarshal(r.State, &state); err != nil {
		return nil, statusOf(fmt.Errorf("reading how well a disk is to work: %w", err))
	}
	if err := s.hooks.Disk.SetDisk(ctx, state); err != nil {
		return nil, statusOf(err)
	}
	return &agentpb.SetDiskReply{}, nil
}

// DiskHarm implements agentpb.AgentServer.
func (s *service) DiskHarm(ctx context.Context, _ *agentpb.DiskHarmRequest) (*agentpb.DiskHarmReply, error) {
	if s.hooks.Disk == nil {
		return nil, errNotHere
	}
	harm, err := s.hooks.Disk.DiskHarm(ctx)
	if err != nil {
		return nil, statusOf(err)
	}
	said, err := json.Marshal(harm)
	if err != nil {
		return nil, statusOf(fmt.Errorf("saying what a disk has done: %w", err))
	}
	return &agentpb.DiskHarmReply{Harm: said}, nil
}

// ProbeDisk implements agentpb.AgentServer.
func (s *service) ProbeDisk(ctx context.Context, _ *agentpb.ProbeDiskRequest) (*agentpb.ProbeDiskReply, error) {
	if s.hooks.Disk == nil {
		return nil, errNotHere
	}
	if err := s.hooks.Disk.ProbeDisk(ctx); err != nil {
		return nil, statusOf(err)
	}
	return &agentpb.ProbeDiskReply{}, nil
}
