package agent

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/codastress/codastress/harness/agent/agentpb"
	"github.com/codastress/codastress/harness/agent/ill"
)

var _ Disk = (*Client)(nil)

// SetDisk makes the disk of the node's daemon work as a state says, from now on. The error is ErrNotHere, or why it does not.
func (c *Client) SetDisk(ctx context.Context, state ill.State) error {
	said, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("saying how well a disk is to work: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	_, err = c.agent.SetDisk(ctx, &agentpb.SetDiskRequest{State: said})
	return known(err)
}

// DiskHarm says what the state has done so far to the calls of the daemon. The error is ErrNotHere, or why that is not known.
func (c *Client) DiskHarm(ctx context.Context) (harm ill.Harm, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	reply, err := c.agent.DiskHarm(ctx, &agentpb.DiskHarmRequest{})
	if err != nil {
		return harm, known(err)
	}
	if err := json.Unmarshal(reply.Harm, &harm); err != nil {
		return harm, fmt.Errorf("reading what a disk has done: %w", err)
	}
	return harm, nil
}

// ProbeDisk has the daemon write a file on its disk, sync it, read it and remove it. The error is ErrNotHere, or that of the call that failed.
func (c *Client) ProbeDisk(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	_, err := c.agent.ProbeDisk(ctx, &agentpb.ProbeDiskRequest{})
	return known(err)
}
