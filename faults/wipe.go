package faults

import (
	"context"
	"errors"
	"fmt"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// Reinstall purges a client and installs it again, as the operator of the field report did: venus is killed, and starts with an empty cache. What it had
// not reintegrated is gone.
type Reinstall struct{}

// LostDisk takes the disk from a server: codasrv is killed, and starts with nothing. The other replicas have to fill it.
type LostDisk struct{}

var _, _ Fault = Reinstall{}, LostDisk{}

// Name implements Fault.
func (Reinstall) Name() string { return "reinstall-venus" }

// Name implements Fault.
func (LostDisk) Name() string { return "lose-disk-codasrv" }

// Doc implements Fault.
func (Reinstall) Doc() string {
	return "venus is killed, and is started again later with an empty cache: what it had not reintegrated is gone"
}

// Doc implements Fault.
func (LostDisk) Doc() string {
	return "codasrv is killed, and is started again later with an empty disk, which the other servers have to fill"
}

// Applies implements Fault.
func (r Reinstall) Applies(topology Topology) error {
	return appliesToDaemon(r.Name(), cluster.Venus, topology)
}

// Applies implements Fault.
func (l LostDisk) Applies(topology Topology) error {
	if n := len(topology.Servers); n < 2 {
		return fmt.Errorf("%s needs another server that has everything: there are %d", l.Name(), n)
	}
	return nil
}

// Targets implements Fault: each client.
func (Reinstall) Targets(topology Topology) [][]string { return singles(topology.Clients) }

// Targets implements Fault: each server.
func (LostDisk) Targets(topology Topology) [][]string { return singles(topology.Servers) }

// Cuts implements Fault.
func (Reinstall) Cuts(step history.Step) []history.Cut { return daemonCut(step) }

// Cuts implements Fault.
func (LostDisk) Cuts(step history.Step) []history.Cut { return daemonCut(step) }

// Prepare implements Fault.
func (r Reinstall) Prepare(handles Handles, step history.Step) (*Injection, error) {
	return prepareWiping(r, handles, step, cluster.Venus)
}

// Prepare implements Fault.
func (l LostDisk) Prepare(handles Handles, step history.Step) (*Injection, error) {
	return prepareWiping(l, handles, step, cluster.Codasrv)
}

func prepareWiping(fault Fault, handles Handles, step history.Step, daemon string) (*Injection, error) {
	victim, err := victimOf(handles, step, daemon)
	if err != nil {
		return nil, fmt.Errorf("preparing %s: %w", fault.Name(), err)
	}
	return newInjection(fault, step, &wiping{killing: killing{victim}}), nil
}

// wiping is the death of a daemon that loses everything.
type wiping struct {
	killing
	wiped bool
}

func (w *wiping) inject(ctx context.Context) error {
	if err := w.killing.inject(ctx); err != nil {
		return err
	}
	if err := w.node.Wipe(ctx, w.daemon); err != nil {
		return err
	}
	w.wiped = true
	return nil
}

func (w *wiping) prove(ctx context.Context) (string, error) {
	if !w.wiped {
		return "", errors.New("nothing was removed")
	}
	proof, err := w.killing.prove(ctx)
	return proof + ", and what it kept was removed", err
}
