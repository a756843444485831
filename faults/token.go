package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// TokenExpiry is what a person finds who has worked for longer than his token is good for, and logs in again: what he did last waits on his client.
type TokenExpiry struct{}

var _ Fault = TokenExpiry{}

// Name implements Fault.
func (TokenExpiry) Name() string { return "token-expiry" }

// Doc implements Fault.
func (TokenExpiry) Doc() string {
	return "a client, named first, has work to send for a user whose token has ended, as by `cunlog`, and sends nothing until he logs in again"
}

// Applies implements Fault.
func (e TokenExpiry) Applies(topology Topology) error {
	if len(topology.Servers) == 0 {
		return fmt.Errorf("%s needs a server", e.Name())
	}
	return appliesToDaemon(e.Name(), cluster.Venus, topology)
}

// Targets implements Fault: each client, and then all servers, of which the first has the users.
func (TokenExpiry) Targets(topology Topology) [][]string { return Disconnect{}.Targets(topology) }

// Cuts implements Fault: it excuses what a cut of all these links does. Work waits, and nobody else does.
func (TokenExpiry) Cuts(step history.Step) []history.Cut { return Disconnect{}.Cuts(step) }

// Prepare implements Fault.
func (e TokenExpiry) Prepare(handles Handles, step history.Step) (*Injection, error) {
	if len(step.Nodes) < 2 {
		return nil, fmt.Errorf("preparing %s: it needs a client and its servers, not %q", e.Name(), step.Nodes)
	}
	for _, server := range step.Nodes[1:] {
		if _, err := handles.Link(step.Nodes[0], server); err != nil {
			return nil, fmt.Errorf("preparing %s: %w", e.Name(), err)
		}
	}
	victim, err := victimOf(handles, history.Step{Nodes: step.Nodes[:1]}, cluster.Venus)
	if err != nil {
		return nil, fmt.Errorf("preparing %s: %w", e.Name(), err)
	}
	server, err := handles.Node(slices.Min(step.Nodes[1:]))
	if err != nil {
		return nil, fmt.Errorf("preparing %s: %w", e.Name(), err)
	}
	return newInjection(e, step, &expiry{victim: victim, server: server}), nil
}

// expiry is one token that ends.
type expiry struct {
	victim
	server Node // that makes users
}

func (e *expiry) inject(ctx context.Context) error {
	if err := e.meet(ctx); err != nil {
		return err
	}
	if _, err := e.server.Order(ctx, cluster.OrderMakeUser); err != nil {
		return err
	}
	_, err := e.node.Order(ctx, cluster.OrderExpire)
	return err
}

func (e *expiry) prove(ctx context.Context) (string, error) {
	waiting, err := e.node.Order(ctx, cluster.OrderWaiting)
	if err == nil && waiting == 0 {
		err = fmt.Errorf("nothing on %s waits for a token", e.node.Name())
	}
	return fmt.Sprintf("%d changes of %s wait for a token", waiting, e.node.Name()), err
}

func (e *expiry) recover(ctx context.Context) error {
	_, err := e.node.Order(ctx, cluster.OrderLogIn)
	return err
}

// proveRecovered looks whether everything was sent that only a token can send. Then the client does without one again, as before.
func (e *expiry) proveRecovered(ctx context.Context) (string, error) {
	owed, err := e.node.Order(ctx, cluster.OrderOwed)
	if err == nil && owed > 0 {
		err = fmt.Errorf("%s still has %d changes that only a token can send", e.node.Name(), owed)
	}
	if err != nil {
		return "", err
	}
	waiting, err := e.node.Order(ctx, cluster.OrderWaiting)
	if err == nil && waiting > 0 {
		err = errors.New("something on " + e.node.Name() + " still waits for a token")
	}
	if err == nil {
		_, err = e.node.Order(ctx, cluster.OrderLogOut)
	}
	return fmt.Sprintf("%s has sent what waited for a token", e.node.Name()), err
}
