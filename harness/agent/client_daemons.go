package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/codastress/codastress/harness/agent/agentpb"
	"github.com/codastress/codastress/harness/history"
	"google.golang.org/grpc"
)

// Daemons returns the state of all daemons of the node, in the order in which they are started.
func (c *Client) Daemons(ctx context.Context) ([]Daemon, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	reply, err := c.agent.Daemons(ctx, &agentpb.DaemonsRequest{})
	if err != nil {
		return nil, known(err)
	}
	daemons := make([]Daemon, 0, len(reply.Daemons))
	for _, one := range reply.Daemons {
		daemons = append(daemons, daemonOf(one))
	}
	return daemons, nil
}

// Daemon returns the state of one daemon, or ErrUnknown.
func (c *Client) Daemon(ctx context.Context, name string) (Daemon, error) {
	daemons, err := c.Daemons(ctx)
	if err != nil {
		return Daemon{}, err
	}
	for _, one := range daemons {
		if one.Name == name {
			return one, nil
		}
	}
	return Daemon{}, fmt.Errorf("%w: %s", ErrUnknown, name)
}

// StartDaemon starts a daemon and does not wait until it is ready. The error is ErrUnknown, ErrState when it runs, or why it cannot be
// started.
func (c *Client) StartDaemon(ctx context.Context, name string) (Daemon, error) {
	return c.onDaemon(ctx, daemonTime, name, c.agent.StartDaemon)
}

// WaitReady waits until a daemon is ready. The error is ErrUnknown, ErrState when it does not run or ends meanwhile, with what it said, or the
// context's.
func (c *Client) WaitReady(ctx context.Context, name string) (Daemon, error) {
	return c.onDaemon(ctx, readyTime, name, c.agent.WaitReady)
}

// KillDaemon sends SIGKILL and returns when the process is reaped. The error is ErrUnknown, ErrState when it does not run, or that it does
// not die.
func (c *Client) KillDaemon(ctx context.Context, name string) (Daemon, error) {
	return c.onDaemon(ctx, daemonTime, name, c.agent.KillDaemon)
}

// TerminateDaemon sends SIGTERM, after the daemon's patience SIGKILL, and returns when the process is reaped. Its errors are those of KillDaemon.
func (c *Client) TerminateDaemon(ctx context.Context, name string) (Daemon, error) {
	return c.onDaemon(ctx, daemonTime, name, c.agent.TerminateDaemon)
}

// WipeDaemon removes everything that a daemon keeps. The error is ErrUnknown, or ErrState when it runs or keeps nothing.
func (c *Client) WipeDaemon(ctx context.Context, name string) (Daemon, error) {
	return c.onDaemon(ctx, daemonTime, name, c.agent.WipeDaemon)
}

// PauseDaemon sends SIGSTOP and returns when every thread has stopped. The error is ErrUnknown, ErrState when the daemon does not run or is paused.
func (c *Client) PauseDaemon(ctx context.Context, name string) (Daemon, error) {
	return c.onDaemon(ctx, callTime, name, c.agent.PauseDaemon)
}

// ResumeDaemon sends SIGCONT and returns when the process goes on. The error is ErrUnknown, or ErrState when the daemon is not paused.
func (c *Client) ResumeDaemon(ctx context.Context, name string) (Daemon, error) {
	return c.onDaemon(ctx, callTime, name, c.agent.ResumeDaemon)
}

func (c *Client) onDaemon(
	ctx context.Context, bound time.Duration, name string,
	do func(context.Context, *agentpb.DaemonRequest, ...grpc.CallOption) (*agentpb.Daemon, error),
) (Daemon, error) {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	reply, err := do(ctx, &agentpb.DaemonRequest{Name: name})
	if err != nil {
		return Daemon{}, known(err)
	}
	return daemonOf(reply), nil
}

func daemonOf(m *agentpb.Daemon) Daemon {
	return Daemon{
		Name: m.Name, State: daemonState(m.State), PID: int(m.Pid), Started: history.Time(m.Started), Ready: history.Time(m.Ready),
		Starts: m.Starts, Exit: m.Exit,
	}
}

// Events calls told for every event after a number, first for those of before, until ctx ends or the node is cleared; both are no errors.
// Events are numbered from 1 without gaps: who is called ErrLost goes on after the last one.
func (c *Client) Events(ctx context.Context, after uint64, told func(number uint64, event history.Event)) error {
	stream, err := c.agent.Events(ctx, &agentpb.EventsRequest{After: after})
	if err != nil {
		return known(err)
	}
	return receive(ctx, stream, func(m *agentpb.Event) error {
		var event history.Event
		if err := json.Unmarshal(m.Event, &event); err != nil {
			return fmt.Errorf("reading event %d: %w", m.Number, err)
		}
		told(m.Number, event)
		return nil
	})
}
