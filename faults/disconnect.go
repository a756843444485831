package faults

import (
	"context"
	"fmt"
	"slices"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// Disconnect is what a person does who types `cfs disconnect`, and `cfs reconnect` later: the network is there, and the client acts as if it was not.
type Disconnect struct{}

var _ Fault = Disconnect{}

// Name implements Fault.
func (Disconnect) Name() string { return "disconnect" }

// Doc implements Fault.
func (Disconnect) Doc() string {
	return "a client, named first, is told to act as if it could reach none of the servers, as by `cfs disconnect`, and told to go on later"
}

// Applies implements Fault.
func (d Disconnect) Applies(topology Topology) error {
	if len(topology.Servers) == 0 {
		return fmt.Errorf("%s needs a server", d.Name())
	}
	return appliesToDaemon(d.Name(), cluster.Venus, topology)
}

// Targets implements Fault: each client, and then all servers.
func (Disconnect) Targets(topology Topology) [][]string {
	var targets [][]string
	for _, client := range topology.Clients {
		targets = append(targets, slices.Concat([]string{client}, topology.Servers))
	}
	return targets
}

// Cuts implements Fault: it excuses what a cut of all these links does.
func (Disconnect) Cuts(step history.Step) []history.Cut {
	first := min(len(step.Nodes), 1)
	return between(step.Nodes[:first], step.Nodes[first:])
}

// Prepare implements Fault.
func (d Disconnect) Prepare(handles Handles, step history.Step) (*Injection, error) {
	if len(step.Nodes) < 2 {
		return nil, fmt.Errorf("preparing %s: it needs a client and its servers, not %q", d.Name(), step.Nodes)
	}
	for _, server := range step.Nodes[1:] {
		if _, err := handles.Link(step.Nodes[0], server); err != nil {
			return nil, fmt.Errorf("preparing %s: %w", d.Name(), err)
		}
	}
	victim, err := victimOf(handles, history.Step{Nodes: step.Nodes[:1]}, cluster.Venus)
	if err != nil {
		return nil, fmt.Errorf("preparing %s: %w", d.Name(), err)
	}
	return newInjection(d, step, &disconnection{victim}), nil
}

// disconnection is one time that a client was told to be alone.
type disconnection struct{ victim }

func (d *disconnection) inject(ctx context.Context) error {
	if err := d.meet(ctx); err != nil {
		return err
	}
	_, err := d.node.Order(ctx, cluster.OrderDisconnect)
	return err
}

// prove asks venus whether it takes a server for being there. The state of its volume tells less: there can be other reasons why it is without one.
func (d *disconnection) prove(ctx context.Context) (string, error) {
	status, err := d.node.Status(ctx)
	switch {
	case err != nil:
		return "", err
	case status.Reached > 0:
		return "", fmt.Errorf("%s still reaches %d servers", d.node.Name(), status.Reached)
	}
	return fmt.Sprintf("%s says that it reaches no server, and its volume is %s", d.node.Name(), status.State), nil
}

func (d *disconnection) recover(ctx context.Context) error {
	_, err := d.node.Order(ctx, cluster.OrderReconnect)
	return err
}

func (d *disconnection) proveRecovered(ctx context.Context) (string, error) {
	status, err := d.node.Status(ctx)
	switch {
	case err != nil:
		return "", err
	case status.Reached == 0:
		return "", fmt.Errorf("%s still reaches no server", d.node.Name())
	}
	return fmt.Sprintf("%s reaches %d servers, and has %d changes to send", d.node.Name(), status.Reached, status.Pending), nil
}
