package faults

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// An Ailment is a way in which a disk works badly.
type Ailment string

// The ailments.
const (
	Slow    Ailment = "slow"
	Stalled Ailment = "stalled"
	Full    Ailment = "full"
	Failing Ailment = "failing"
)

// FailingDiskPrefix is what the names of the faults begin with that a daemon need not survive: it ends where the disk refuses what it depends on.
const FailingDiskPrefix = string(Failing) + "-disk-"

// Disk makes the disk of a daemon work badly. Only a simulation can do that.
type Disk struct {
	Ailment Ailment
	Daemon  string // cluster.Venus or cluster.Codasrv
}

var _ Fault = Disk{}

// Name implements Fault.
func (d Disk) Name() string { return string(d.Ailment) + "-disk-" + d.Daemon }

// Doc implements Fault.
func (d Disk) Doc() string {
	what := map[Ailment]string{
		Slow:    "each call of the disk of " + d.Daemon + " takes up to 30 ms, how much is drawn",
		Stalled: "no call of the disk of " + d.Daemon + " returns",
		Full:    "the disk of " + d.Daemon + " has no space left",
		Failing: "a share of the reads, writes and syncs on the disk of " + d.Daemon + " fails; a daemon that ends by that is started again",
	}
	return what[d.Ailment] + "; only in a simulation"
}

// OnlySimulated implements the question of the same name.
func (Disk) OnlySimulated() bool { return true }

// Applies implements Fault.
func (d Disk) Applies(topology Topology) error { return appliesToDaemon(d.Name(), d.Daemon, topology) }

// Targets implements Fault.
func (d Disk) Targets(topology Topology) [][]string { return singles(nodesOf(d.Daemon, topology)) }

// Cuts implements Fault. A daemon whose disk is slow or full has to work all the same.
func (d Disk) Cuts(step history.Step) []history.Cut {
	switch d.Ailment {
	case Stalled, Failing:
		return daemonCut(step)
	default:
		return nil
	}
}

// Prepare implements Fault.
func (d Disk) Prepare(handles Handles, step history.Step) (*Injection, error) {
	victim, err := victimOf(handles, step, d.Daemon)
	if err != nil {
		return nil, fmt.Errorf("preparing %s: %w", d.Name(), err)
	}
	return newInjection(d, step, &illness{victim: victim, ailment: d.Ailment, state: d.state(step.Seed)}), nil
}

// slowest is the longest that a call of a slow disk takes: what a disk needs that is busy with other things.
const slowest = 30 * time.Millisecond

// state draws how bad the disk is.
func (d Disk) state(seed uint64) cluster.DiskState {
	random := rand.New(rand.NewPCG(seed, 1))
	state := cluster.DiskState{Seed: seed, Stalled: d.Ailment == Stalled, Full: d.Ailment == Full}
	switch d.Ailment {
	case Slow:
		state.Slowest = slowest/10 + time.Duration(random.Int64N(int64(slowest*9/10)))
	case Failing:
		state.Failing = 0.02 + 0.3*random.Float64()*random.Float64() // a little is more of a trap than much
	}
	return state
}

// illness is one disk that works badly for a while.
type illness struct {
	victim
	ailment Ailment
	state   cluster.DiskState
}

func (i *illness) inject(ctx context.Context) error {
	if err := i.meet(ctx); err != nil {
		return err
	}
	return i.node.SetDisk(ctx, i.state)
}

// prove uses the disk, as the daemon does.
func (i *illness) prove(ctx context.Context) (string, error) {
	probing, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	begun := time.Now()
	err := i.node.ProbeDisk(probing)
	took := time.Since(begun)
	seen := false
	switch i.ailment {
	case Slow:
		seen = err == nil && took > 0 && took >= i.state.Slowest
	case Stalled:
		seen = errors.Is(err, context.DeadlineExceeded)
	case Full:
		seen = errors.Is(err, syscall.ENOSPC)
	case Failing:
		seen = errors.Is(err, syscall.EIO)
	}
	if !seen {
		return "", fmt.Errorf("writing a file to the disk of %s took %v: %w", i.node.Name(), took, cmp.Or(err, errHealthy))
	}
	if err == nil {
		return fmt.Sprintf("writing a file to the disk of %s took %v", i.node.Name(), took), nil
	}
	return fmt.Sprintf("writing a file to the disk of %s took %v: %v", i.node.Name(), took, err), nil
}

var errHealthy = errors.New("it went well")

// recover makes the disk healthy, and starts a daemon that could not go on with what the disk did.
func (i *illness) recover(ctx context.Context) error {
	if err := i.node.SetDisk(ctx, cluster.DiskState{}); err != nil {
		return err
	}
	now, err := i.look(ctx)
	if err != nil || now.State != cluster.StateExited || i.ailment != Failing {
		return err
	}
	return i.node.StartDaemon(ctx, i.daemon)
}

func (i *illness) proveRecovered(ctx context.Context) (string, error) {
	if err := i.node.ProbeDisk(ctx); err != nil {
		return "", err
	}
	now, err := i.ready(ctx)
	switch {
	case err != nil:
		return "", err
	case !i.sameLife(now) && i.ailment != Failing:
		return "", fmt.Errorf("%s on %s did not survive: process %d follows %d", i.daemon, i.node.Name(), now.PID, i.before.PID)
	}
	if err := i.reachable(ctx); err != nil {
		return "", err
	}
	how := "went on"
	if !i.sameLife(now) {
		how = "ended by it and was started again"
	}
	return fmt.Sprintf("the disk of %s works, and %s %s", i.node.Name(), i.daemon, how), nil
}
