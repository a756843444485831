package cluster

import (
	"context"
	"fmt"

	"github.com/codastress/codastress/harness/history"
)

// Failpoints is what an Agent has besides whose daemons can be met at a point of their code: a simulated one.
type Failpoints interface {
	// AwaitFailpoint returns when the node's daemon, codasrv or venus, has come to a point so many times from now on. What it does there stands still until
	// goOn is called, or goes on soon by itself. The error is that of ctx, and says how often the daemon was there.
	AwaitFailpoint(ctx context.Context, point history.Failpoint, count int) (goOn func(), err error)
}

// AwaitFailpoint waits until the node's daemon, codasrv or venus, has come to a point of its code so many times, and keeps it there for a moment, until
// goOn is called. Only a simulation can: elsewhere it is an error.
func (n *Node) AwaitFailpoint(ctx context.Context, point history.Failpoint, count int) (goOn func(), err error) {
	failpoints, ok := n.agent.(Failpoints)
	if !ok {
		return nil, fmt.Errorf("%s has no failpoints: only a simulation has", n.Name())
	}
	goOn, err = failpoints.AwaitFailpoint(ctx, point, count)
	return goOn, n.doing(err, "waiting for %s of %s", point)
}
