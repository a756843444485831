package faults

import (
	"context"
	"fmt"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// PowerLoss takes the power from the machine of a daemon: the daemon is gone, and of its disk everything that was not synced, but for some
// of it. Only a simulation can do that.
type PowerLoss struct {
	Daemon string // cluster.Venus or cluster.Codasrv
}

var _ Fault = PowerLoss{}

// Name implements Fault.
func (p PowerLoss) Name() string { return PowerLossPrefix + p.Daemon }

// PowerLossPrefix is what the names of losses of power begin with.
const PowerLossPrefix = "power-loss-"

// Doc implements Fault.
func (p PowerLoss) Doc() string {
	return "the machine of " + p.Daemon + " loses its power, and what was not synced on its disk; it is started again later; only in a simulation"
}

// OnlyIn implements the question of the same name.
func (PowerLoss) OnlyIn() string { return Simulation }

// Applies implements Fault.
func (p PowerLoss) Applies(topology Topology) error {
	return appliesToDaemon(p.Name(), p.Daemon, topology)
}

// Targets implements Fault.
func (p PowerLoss) Targets(topology Topology) [][]string { return singles(nodesOf(p.Daemon, topology)) }

// Cuts implements Fault.
func (PowerLoss) Cuts(step history.Step) []history.Cut { return daemonCut(step) }

// Prepare implements Fault.
func (p PowerLoss) Prepare(handles Handles, step history.Step) (*Injection, error) {
	victim, err := victimOf(handles, step, p.Daemon)
	if err != nil {
		return nil, fmt.Errorf("preparing %s: %w", p.Name(), err)
	}
	return newInjection(p, step, &darkness{killing: killing{victim}}), nil
}

// darkness is a loss of power: a killing that takes more.
type darkness struct {
	killing
	loss cluster.DiskLoss
}

func (d *darkness) inject(ctx context.Context) (err error) {
	if err := d.meet(ctx); err != nil {
		return err
	}
	d.loss, err = d.node.LosePower(ctx, d.daemon)
	return err
}

// prove says how much was lost. A loss of power that found everything synced was none that a killing would not have been.
func (d *darkness) prove(ctx context.Context) (string, error) {
	gone, err := d.killing.prove(ctx)
	switch {
	case err != nil:
		return "", err
	case d.loss.Unsynced == 0:
		return "", fmt.Errorf("%s, but everything on its disk was synced: the loss of power took nothing", gone)
	}
	return fmt.Sprintf("%s; of %d contents and names that were not synced %d were lost", gone, d.loss.Unsynced, d.loss.Lost), nil
}
