package faults

import (
	"context"
	"errors"
	"fmt"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// Kill ends a daemon with SIGKILL and starts it again to heal.
type Kill struct {
	Daemon string // cluster.Venus, cluster.Codasrv or cluster.Web
}

var _ Fault = Kill{}

// Name implements Fault.
func (k Kill) Name() string { return "kill-" + k.Daemon }

// Doc implements Fault.
func (k Kill) Doc() string {
	return k.Daemon + " is killed with SIGKILL, stays down, and is started again"
}

// Applies implements Fault.
func (k Kill) Applies(topology Topology) error { return appliesToDaemon(k.Name(), k.Daemon, topology) }

// Targets implements Fault: each node that runs the daemon.
func (k Kill) Targets(topology Topology) [][]string { return singles(nodesOf(k.Daemon, topology)) }

// Cuts implements Fault.
func (k Kill) Cuts(step history.Step) []history.Cut { return cutOf(k.Daemon, step) }

// Prepare implements Fault.
func (k Kill) Prepare(handles Handles, step history.Step) (*Injection, error) {
	victim, err := victimOf(handles, step, k.Daemon)
	if err != nil {
		return nil, fmt.Errorf("preparing %s: %w", k.Name(), err)
	}
	return newInjection(k, step, &killing{victim}), nil
}

// killing is one death of one daemon.
type killing struct{ victim }

func (k *killing) inject(ctx context.Context) error {
	if err := k.meet(ctx); err != nil {
		return err
	}
	return k.node.Kill(ctx, k.daemon)
}

func (k *killing) prove(ctx context.Context) (string, error) {
	now, err := k.look(ctx)
	switch {
	case err != nil:
		return "", err
	case now.State == cluster.StateExited:
	case k.sameLife(now):
		return "", fmt.Errorf("%s on %s is still %s as process %d", k.daemon, k.node.Name(), now.State, now.PID)
	default:
		return "", fmt.Errorf("%s on %s is %s again, as process %d, without being started", k.daemon, k.node.Name(), now.State, now.PID)
	}
	if err := k.unreachable(ctx); err != nil {
		return "", fmt.Errorf("%s on %s has exited: %w", k.daemon, k.node.Name(), err)
	}
	proof := fmt.Sprintf("process %d of %s on %s is gone", k.before.PID, k.daemon, k.node.Name())
	if len(k.clients) > 0 {
		proof += " and no client reaches it"
	}
	return proof, nil
}

// recover starts the daemon where it is down: it is not after an injection that failed.
func (k *killing) recover(ctx context.Context) error {
	now, err := k.look(ctx)
	if err != nil {
		return err
	}
	if now.State != cluster.StateExited {
		return nil
	}
	return k.node.StartDaemon(ctx, k.daemon)
}

func (k *killing) proveRecovered(ctx context.Context) (string, error) {
	now, err := k.ready(ctx)
	switch {
	case err != nil:
		return "", err
	case k.sameLife(now):
		return "", errors.New("it is the process of before: it was not restarted")
	}
	if err := k.reachable(ctx); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s on %s is ready as process %d", k.daemon, k.node.Name(), now.PID), nil
}
