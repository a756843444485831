package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/codastress/codastress/harness/agent/agentpb"
	"github.com/codastress/codastress/harness/agent/rot"
)

// Cached lists the contents that a daemon, which runs, keeps beside others that have them as well. The error is ErrNotHere, or why it does not say.
func (c *Client) Cached(ctx context.Context, daemon string) (contents []rot.Content, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	reply, err := c.agent.Cached(ctx, &agentpb.DaemonRequest{Name: daemon})
	if err != nil {
		return nil, known(err)
	}
	if err := json.Unmarshal(reply.Contents, &contents); err != nil {
		return nil, fmt.Errorf("reading what is cached: %w", err)
	}
	return contents, nil
}

// FlipBits flips a bit in each of a share of some contents, one at least; which, the seed draws. Nil stands for all that a daemon keeps in its folder of contents.
// The error is ErrUnknown, ErrState when it has none, or that of the disk; with that come those that were flipped before it.
func (c *Client) FlipBits(ctx context.Context, daemon string, among []rot.Content, share float64, seed uint64) (flips []rot.Flip, err error) {
	var meant []byte
	if among != nil {
		if meant, err = json.Marshal(among); err != nil {
			return nil, fmt.Errorf("saying which contents are meant: %w", err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	reply, err := c.agent.FlipBits(ctx, &agentpb.FlipBitsRequest{Daemon: daemon, Among: meant, Share: share, Seed: seed})
	if err != nil {
		return nil, known(err)
	}
	if err := json.Unmarshal(reply.Flips, &flips); err != nil {
		return nil, fmt.Errorf("reading which bits were flipped: %w", err)
	}
	if reply.Problem != "" {
		return flips, errors.New(reply.Problem)
	}
	return flips, nil
}

// LookAtBits says how many of bits that were flipped are in which state. Before, it flips those back that are still flipped, where that is wanted.
func (c *Client) LookAtBits(ctx context.Context, _ string, flips []rot.Flip, back bool) (map[rot.State]int, error) {
	said, err := json.Marshal(flips)
	if err != nil {
		return nil, fmt.Errorf("saying which bits were flipped: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	reply, err := c.agent.LookAtBits(ctx, &agentpb.LookAtBitsRequest{Flips: said, Back: back})
	if err != nil {
		return nil, known(err)
	}
	states := map[rot.State]int{}
	for state, count := range reply.States {
		states[rot.State(state)] = int(count)
	}
	return states, nil
}
