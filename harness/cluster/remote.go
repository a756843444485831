package cluster

import (
	"context"
	"fmt"

	"github.com/codastress/codastress/harness/agent"
	"github.com/codastress/codastress/harness/proxy"
)

// remoteAgent is the agent of a node that a driver started: a process of its own, which is asked over the network.
type remoteAgent struct{ *agent.Client }

var _ Agent = remoteAgent{}

// Daemon implements Agent.
func (a remoteAgent) Daemon(ctx context.Context, name string) (Daemon, error) {
	daemon, err := a.Client.Daemon(ctx, name)
	if err != nil {
		return Daemon{}, err
	}
	return Daemon{
		Name: daemon.Name, PID: daemon.PID, State: State(daemon.State), Started: daemon.Started, Ready: daemon.Ready != 0,
	}, nil
}

// StartDaemon implements Agent.
func (a remoteAgent) StartDaemon(ctx context.Context, name string) error {
	if _, err := a.Client.StartDaemon(ctx, name); err != nil {
		return err
	}
	if _, err := a.WaitReady(ctx, name); err != nil {
		return fmt.Errorf("waiting until it is ready: %w", err)
	}
	return nil
}

// KillDaemon implements Agent.
func (a remoteAgent) KillDaemon(ctx context.Context, name string) error {
	_, err := a.Client.KillDaemon(ctx, name)
	return err
}

// TerminateDaemon implements Agent.
func (a remoteAgent) TerminateDaemon(ctx context.Context, name string) error {
	_, err := a.Client.TerminateDaemon(ctx, name)
	return err
}

// WipeDaemon implements Agent.
func (a remoteAgent) WipeDaemon(ctx context.Context, name string) error {
	_, err := a.Client.WipeDaemon(ctx, name)
	return err
}

// PauseDaemon implements Agent.
func (a remoteAgent) PauseDaemon(ctx context.Context, name string) error {
	_, err := a.Client.PauseDaemon(ctx, name)
	return err
}

// ResumeDaemon implements Agent.
func (a remoteAgent) ResumeDaemon(ctx context.Context, name string) error {
	_, err := a.Client.ResumeDaemon(ctx, name)
	return err
}

// proxyNetwork are the links as the proxy's node carries them.
type proxyNetwork struct{ node *Node }

var _ Network = proxyNetwork{}

// SetLink implements Network.
func (p proxyNetwork) SetLink(ctx context.Context, name string, state LinkState) error {
	up, err := gate(state.Up)
	if err != nil {
		return err
	}
	down, err := gate(state.Down)
	if err != nil {
		return err
	}
	_, err = p.node.remote.SetLink(ctx, name, proxy.State{Up: up, Down: down, Shape: proxy.Shape(state.Shape)})
	return err
}

// ResetLink implements Network.
func (p proxyNetwork) ResetLink(ctx context.Context, name string) error {
	_, err := p.node.remote.ResetLink(ctx, name)
	return err
}

// LinkCounters implements Network.
func (p proxyNetwork) LinkCounters(ctx context.Context, name string) (LinkCounters, error) {
	links, err := p.node.remote.Links(ctx)
	if err != nil {
		return LinkCounters{}, err
	}
	for _, link := range links {
		if link.Name == name {
			return LinkCounters{
				BytesUp: link.BytesUp, BytesDown: link.BytesDown, Connections: int(link.Open),
				Slices: link.Harm.Slices, Late: link.Harm.Late, Flipped: link.Harm.Flipped, Spoiled: link.Harm.Spoiled, Trusted: link.Harm.Trusted,
			}, nil
		}
	}
	return LinkCounters{}, fmt.Errorf("%w: %s", proxy.ErrNoLink, name)
}

// gate is a flow in the words of the proxy.
func gate(flow Flow) (proxy.Flow, error) {
	if flow == "" {
		return proxy.Pass, nil
	}
	return proxy.ParseFlow(string(flow))
}
