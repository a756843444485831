package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// nodesOf returns the nodes that run a daemon.
func nodesOf(daemon string, topology Topology) []string {
	if daemon == cluster.Codasrv {
		return topology.Servers
	}
	return topology.Clients
}

// appliesToDaemon says why a fault of a daemon cannot happen in a topology.
func appliesToDaemon(fault, daemon string, topology Topology) error {
	if len(nodesOf(daemon, topology)) == 0 {
		return fmt.Errorf("%s needs a node that runs %s", fault, daemon)
	}
	return nil
}

// daemonCut is what a fault of a daemon may excuse.
func daemonCut(step history.Step) []history.Cut {
	var cuts []history.Cut
	for _, node := range step.Nodes {
		cuts = append(cuts, history.Cut{Node: node})
	}
	return cuts
}

// cutOf is what a fault of one daemon may excuse. Nothing of the file system has to do with a web server.
func cutOf(daemon string, step history.Step) []history.Cut {
	if daemon == cluster.Web {
		return nil
	}
	return daemonCut(step)
}

// victim is the daemon that a fault hits.
type victim struct {
	daemon  string
	node    Node
	clients []Node         // that use it over the network
	before  cluster.Daemon // when it was hit
}

// victimOf finds the daemon of a step that has one node.
func victimOf(handles Handles, step history.Step, daemon string) (victim, error) {
	if len(step.Nodes) != 1 {
		return victim{}, fmt.Errorf("it needs one node, not %q", step.Nodes)
	}
	node, err := handles.Node(step.Nodes[0])
	if err != nil {
		return victim{}, err
	}
	v := victim{daemon: daemon, node: node}
	role := cluster.RoleClient
	if daemon == cluster.Codasrv {
		role, v.clients = cluster.RoleServer, handles.Clients()
	}
	if node.Role() != role {
		return victim{}, fmt.Errorf("%s runs no %s", node.Name(), daemon)
	}
	return v, nil
}

// meet remembers the daemon as it is before it is hit.
func (v *victim) meet(ctx context.Context) (err error) {
	if v.before, err = v.look(ctx); err != nil {
		return err
	}
	if v.before.State != cluster.StateRunning {
		return fmt.Errorf("%s on %s is %s before the fault", v.daemon, v.node.Name(), v.before.State)
	}
	return nil
}

func (v *victim) look(ctx context.Context) (cluster.Daemon, error) {
	now, err := v.node.Daemon(ctx, v.daemon)
	if err != nil {
		return now, fmt.Errorf("asking how %s on %s is doing: %w", v.daemon, v.node.Name(), err)
	}
	return now, nil
}

// ready looks at the daemon, and returns an error when it does not do its work.
func (v *victim) ready(ctx context.Context) (cluster.Daemon, error) {
	now, err := v.look(ctx)
	if err == nil && (now.State != cluster.StateRunning || !now.Ready) {
		err = fmt.Errorf("%s on %s is %s and not ready", v.daemon, v.node.Name(), now.State)
	}
	return now, err
}

// sameLife says whether a daemon is still the process that was hit.
func (v *victim) sameLife(now cluster.Daemon) bool {
	return now.PID == v.before.PID && now.Started == v.before.Started
}

// unreachable returns an error when a client gets an answer from the daemon.
func (v *victim) unreachable(ctx context.Context) error {
	for i, err := range v.reachFromAll(ctx, reachTime) {
		if err == nil {
			return fmt.Errorf("it still answers %s", v.clients[i].Name())
		}
	}
	return nil
}

// reachable returns an error when no client gets an answer from the daemon. One is enough: the others may be cut off by other faults.
func (v *victim) reachable(ctx context.Context) error {
	errs := v.reachFromAll(ctx, healedReachTime)
	if slices.Contains(errs, nil) {
		return nil
	}
	return errors.Join(errs...)
}

// reachFromAll tries to reach the daemon's node from every client at once, and returns the error of each.
func (v *victim) reachFromAll(ctx context.Context, patience time.Duration) []error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	errs := make([]error, len(v.clients))
	var all sync.WaitGroup
	for i, client := range v.clients {
		all.Go(func() {
			if err := client.Reach(ctx, v.node.Name()); err != nil {
				errs[i] = fmt.Errorf("%s does not reach it: %w", client.Name(), err)
			}
		})
	}
	all.Wait()
	return errs
}

// healedReachTime is how long a node tries to reach a peer that should answer.
const healedReachTime = 3 * time.Second
