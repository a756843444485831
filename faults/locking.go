package faults

import (
	"context"
	"fmt"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// VolumeLock is what a person does who types `volutil lock`, and `volutil unlock` later: the servers refuse what clients change as busy. Clients keep it, or
// have whoever changes something wait, as their profile says.
type VolumeLock struct{}

var _ Fault = VolumeLock{}

// Name implements Fault.
func (VolumeLock) Name() string { return "lock-volumes" }

// Doc implements Fault.
func (VolumeLock) Doc() string {
	return "all volumes are locked, as by `volutil lock`, so that no change of a client is taken, and unlocked later"
}

// Applies implements Fault.
func (l VolumeLock) Applies(topology Topology) error {
	return appliesToDaemon(l.Name(), cluster.Codasrv, topology)
}

// Targets implements Fault: the first server, which has volumes changed on all.
func (VolumeLock) Targets(topology Topology) [][]string { return [][]string{topology.Servers[:1]} }

// Cuts implements Fault: who changes something waits as if the server was not there.
func (VolumeLock) Cuts(step history.Step) []history.Cut { return daemonCut(step) }

// Prepare implements Fault.
func (l VolumeLock) Prepare(handles Handles, step history.Step) (*Injection, error) {
	victim, err := victimOf(handles, step, cluster.Codasrv)
	if err != nil {
		return nil, fmt.Errorf("preparing %s: %w", l.Name(), err)
	}
	return newInjection(l, step, &locking{victim}), nil
}

// locking is one time that volumes are locked.
type locking struct{ victim }

func (l *locking) inject(ctx context.Context) error {
	if err := l.meet(ctx); err != nil {
		return err
	}
	_, err := l.node.Order(ctx, cluster.OrderLockVolumes)
	return err
}

func (l *locking) prove(ctx context.Context) (string, error) {
	locked, err := l.node.Order(ctx, cluster.OrderLocked)
	if err == nil && locked == 0 {
		err = fmt.Errorf("no volume of %s is locked", l.node.Name())
	}
	return fmt.Sprintf("%d volumes of %s are locked", locked, l.node.Name()), err
}

func (l *locking) recover(ctx context.Context) error {
	_, err := l.node.Order(ctx, cluster.OrderUnlockVolumes)
	return err
}

func (l *locking) proveRecovered(ctx context.Context) (string, error) {
	locked, err := l.node.Order(ctx, cluster.OrderLocked)
	if err == nil && locked > 0 {
		err = fmt.Errorf("%d volumes of %s are still locked", locked, l.node.Name())
	}
	return fmt.Sprintf("no volume of %s is locked any more", l.node.Name()), err
}
