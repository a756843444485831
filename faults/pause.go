package faults

import (
	"context"
	"fmt"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// Pause stops a daemon with SIGSTOP, as a machine that swaps or a frozen virtual machine does, and lets it go on to heal.
type Pause struct {
	Daemon string // cluster.Venus, cluster.Codasrv or cluster.Web
}

var _ Fault = Pause{}

// Name implements Fault.
func (p Pause) Name() string { return "pause-" + p.Daemon }

// Doc implements Fault.
func (p Pause) Doc() string { return p.Daemon + " is stopped with SIGSTOP and goes on later" }

// Applies implements Fault.
func (p Pause) Applies(topology Topology) error {
	return appliesToDaemon(p.Name(), p.Daemon, topology)
}

// Targets implements Fault: each node that runs the daemon.
func (p Pause) Targets(topology Topology) [][]string { return singles(nodesOf(p.Daemon, topology)) }

// Cuts implements Fault. A web server that stands still keeps its visitors waiting; one that is gone refuses them.
func (p Pause) Cuts(step history.Step) []history.Cut {
	cuts := daemonCut(step)
	for i := range cuts {
		if p.Daemon == cluster.Web {
			cuts[i].Daemon = p.Daemon
		}
	}
	return cuts
}

// Prepare implements Fault.
func (p Pause) Prepare(handles Handles, step history.Step) (*Injection, error) {
	victim, err := victimOf(handles, step, p.Daemon)
	if err != nil {
		return nil, fmt.Errorf("preparing %s: %w", p.Name(), err)
	}
	return newInjection(p, step, &pausing{victim}), nil
}

// pausing is one pause of one daemon.
type pausing struct{ victim }

func (p *pausing) inject(ctx context.Context) error {
	if err := p.meet(ctx); err != nil {
		return err
	}
	return p.node.Pause(ctx, p.daemon)
}

func (p *pausing) prove(ctx context.Context) (string, error) {
	now, err := p.look(ctx)
	switch {
	case err != nil:
		return "", err
	case now.State != cluster.StatePaused:
		return "", fmt.Errorf("%s on %s is %s", p.daemon, p.node.Name(), now.State)
	case !p.sameLife(now):
		return "", fmt.Errorf("another process of %s on %s is paused: %d, not %d", p.daemon, p.node.Name(), now.PID, p.before.PID)
	}
	if err := p.unreachable(ctx); err != nil {
		return "", fmt.Errorf("%s on %s is paused: %w", p.daemon, p.node.Name(), err)
	}
	proof := fmt.Sprintf("process %d of %s on %s is stopped", now.PID, p.daemon, p.node.Name())
	if len(p.clients) > 0 {
		proof += " and answers no client"
	}
	return proof, nil
}

// recover lets the daemon go on where it is paused: it is not after an injection that failed.
func (p *pausing) recover(ctx context.Context) error {
	now, err := p.look(ctx)
	if err != nil {
		return err
	}
	if now.State != cluster.StatePaused {
		return nil
	}
	return p.node.Resume(ctx, p.daemon)
}

func (p *pausing) proveRecovered(ctx context.Context) (string, error) {
	now, err := p.ready(ctx)
	switch {
	case err != nil:
		return "", err
	case !p.sameLife(now):
		return "", fmt.Errorf("%s on %s did not survive the pause: process %d follows %d", p.daemon, p.node.Name(), now.PID, p.before.PID)
	}
	if err := p.reachable(ctx); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s on %s is running again as process %d", p.daemon, p.node.Name(), now.PID), nil
}
