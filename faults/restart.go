package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// Restart ends a daemon in order, with SIGTERM, and starts it again to heal.
type Restart struct {
	Daemon string // cluster.Venus, cluster.Codasrv or cluster.Web
}

// Rolling restarts all servers in order, one after the other, as an operator does who wants nobody to notice.
type Rolling struct{}

var _, _ Fault = Restart{}, Rolling{}

// Name implements Fault.
func (r Restart) Name() string { return "restart-" + r.Daemon }

// Name implements Fault.
func (Rolling) Name() string { return "rolling-restart" }

// Doc implements Fault.
func (r Restart) Doc() string {
	return r.Daemon + " is ended with SIGTERM, stays down, and is started again"
}

// Doc implements Fault.
func (Rolling) Doc() string {
	return "each codasrv in turn is ended with SIGTERM and started again; the next one when it is ready"
}

// Applies implements Fault.
func (r Restart) Applies(topology Topology) error {
	return appliesToDaemon(r.Name(), r.Daemon, topology)
}

// Applies implements Fault.
func (r Rolling) Applies(topology Topology) error {
	return appliesToDaemon(r.Name(), cluster.Codasrv, topology)
}

// Targets implements Fault: each node that runs the daemon.
func (r Restart) Targets(topology Topology) [][]string { return singles(nodesOf(r.Daemon, topology)) }

// Targets implements Fault: all servers.
func (Rolling) Targets(topology Topology) [][]string { return [][]string{topology.Servers} }

// hits implements choosing: any servers, in the order in which they are to be restarted.
func (Rolling) hits(topology Topology, step history.Step) error {
	for _, node := range step.Nodes {
		if !slices.Contains(topology.Servers, node) {
			return fmt.Errorf("%s is no server", node)
		}
	}
	return nil
}

// Cuts implements Fault.
func (r Restart) Cuts(step history.Step) []history.Cut { return cutOf(r.Daemon, step) }

// Cuts implements Fault.
func (Rolling) Cuts(step history.Step) []history.Cut { return daemonCut(step) }

// Prepare implements Fault.
func (r Restart) Prepare(handles Handles, step history.Step) (*Injection, error) {
	victim, err := victimOf(handles, step, r.Daemon)
	if err != nil {
		return nil, fmt.Errorf("preparing %s: %w", r.Name(), err)
	}
	return newInjection(r, step, &ending{killing{victim}}), nil
}

// ending is the orderly end of one daemon.
type ending struct{ killing }

func (e *ending) inject(ctx context.Context) error {
	if err := e.meet(ctx); err != nil {
		return err
	}
	return e.node.Terminate(ctx, e.daemon)
}

// Prepare implements Fault.
func (r Rolling) Prepare(handles Handles, step history.Step) (*Injection, error) {
	all := &rolling{}
	for _, node := range step.Nodes {
		victim, err := victimOf(handles, history.Step{Nodes: []string{node}}, cluster.Codasrv)
		if err != nil {
			return nil, fmt.Errorf("preparing %s: %w", r.Name(), err)
		}
		all.victims = append(all.victims, &ending{killing{victim}})
	}
	if len(all.victims) == 0 {
		return nil, fmt.Errorf("preparing %s: it needs a server", r.Name())
	}
	return newInjection(r, step, all), nil
}

// rolling is one series of orderly restarts.
type rolling struct{ victims []*ending }

// inject restarts one after the other. What it could not do, recover does.
func (r *rolling) inject(ctx context.Context) error {
	for _, v := range r.victims {
		if err := v.inject(ctx); err != nil {
			return err
		}
		if err := v.recover(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (r *rolling) prove(ctx context.Context) (string, error) {
	var proofs []string
	for _, v := range r.victims {
		now, err := v.ready(ctx)
		switch {
		case err != nil:
			return "", err
		case v.sameLife(now):
			return "", fmt.Errorf("%s on %s is the process of before: it was not restarted", v.daemon, v.node.Name())
		}
		proofs = append(proofs, fmt.Sprintf("process %d of %s on %s is now process %d", v.before.PID, v.daemon, v.node.Name(), now.PID))
	}
	return strings.Join(proofs, ", "), nil
}

func (r *rolling) recover(ctx context.Context) error {
	var failures []error
	for _, v := range r.victims {
		failures = append(failures, v.recover(ctx))
	}
	return errors.Join(failures...)
}

func (r *rolling) proveRecovered(ctx context.Context) (string, error) {
	for _, v := range r.victims {
		if _, err := v.ready(ctx); err != nil {
			return "", err
		}
		if err := v.reachable(ctx); err != nil {
			return "", err
		}
	}
	return "every server answers", nil
}
