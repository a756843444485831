package cluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/codastress/codastress/harness/history"
)

// A Runtime starts clusters of one kind.
type Runtime interface {
	// Name is one word: "containers", "processes", "simulation".
	Name() string
	// Start starts a cluster and returns when every daemon is ready. If it fails nothing is left of the cluster but its logs.
	Start(ctx context.Context, spec Spec) (*Cluster, error)
}

// In returns the runtime whose nodes run where a driver says.
func In(driver Driver) Runtime { return places{driver} }

type places struct{ Driver }

// Start implements Runtime.
func (p places) Start(ctx context.Context, spec Spec) (*Cluster, error) {
	return Start(ctx, spec, p.Driver)
}

// Parts are what a cluster is made of whose nodes live in this process.
type Parts struct {
	Agents  map[string]Agent // of every server and client
	Network Network
	Close   func(ctx context.Context) error
}

// Assemble makes a cluster of nodes that live in this process, and returns when every daemon is ready. build makes the parts, with which nothing
// runs yet, and is given what is to be told of everything that happens to daemons. If Assemble fails the parts are closed.
func Assemble(ctx context.Context, spec Spec, build func(tell func(history.Event)) (Parts, error)) (*Cluster, error) {
	c, err := newCluster(spec)
	if err != nil {
		return nil, err
	}
	parts, err := build(c.event)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStart, err)
	}
	for _, node := range c.nodes {
		node.agent = parts.Agents[node.Name()]
	}
	c.connect(parts.Network)
	c.end = parts.Close
	starting, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := c.startAllDaemons(starting); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrStart, err), c.Close(context.WithoutCancel(ctx)))
	}
	return c, nil
}
