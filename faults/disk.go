package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
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

// Disk makes the disk of a daemon work badly.
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
	return what[d.Ailment]
}

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
	state, err := d.state(step)
	if err != nil {
		return nil, fmt.Errorf("preparing %s: %w", d.Name(), err)
	}
	return newInjection(d, step, &illness{victim: victim, ailment: d.Ailment, state: state}), nil
}

// slowest is the longest that a call of a slow disk takes: what a disk needs that is busy with other things.
const slowest = 30 * time.Millisecond

// parameters implements parametric.
func (d Disk) parameters() []Parameter {
	switch d.Ailment {
	case Slow:
		return []Parameter{{"slowest", "drawn, 3ms to 30ms", "how long a call takes at most; how long is drawn"}}
	case Failing:
		return []Parameter{
			{"share", "drawn, 0.02 to 0.32", "of the calls that fail, unless one is chosen"},
			{"operation", "any read, write or sync", "the calls that can fail: " + strings.Join(cluster.DiskOperations(), ", ")},
			{"call", "", "chooses calls: 1 is the first of the operation that the daemon makes from the injection on, and none before it fails"},
			{"count", "1", "how many calls fail, from the chosen one on"},
			{"error", cluster.DiskFails, "what they fail with: " + cluster.DiskFails + " or " + cluster.DiskHasNoSpace},
		}
	}
	return nil
}

// checkArguments implements parametric.
func (d Disk) checkArguments(args map[string]string) error {
	_, err := d.state(history.Step{Args: args})
	return err
}

// mostCalls is the most of what counts calls of a disk.
const mostCalls = 1_000_000_000

// state says how bad the disk is: as the step says, or else as its seed draws.
func (d Disk) state(step history.Step) (cluster.DiskState, error) {
	random := rand.New(rand.NewPCG(step.Seed, 1))
	state := cluster.DiskState{Seed: step.Seed, Stalled: d.Ailment == Stalled, Full: d.Ailment == Full}
	args := arguments{of: d.Name(), given: step.Args}
	switch d.Ailment {
	case Slow:
		state.Slowest = slowest/10 + time.Duration(random.Int64N(int64(slowest*9/10)))
		args.duration("slowest", &state.Slowest, time.Microsecond, time.Hour)
	case Failing:
		state.Failing = 0.02 + 0.3*random.Float64()*random.Float64() // a little is more of a trap than much
		args.number("share", &state.Failing, 0, 1)
		args.word("operation", &state.Operation, cluster.DiskOperations()...)
		args.word("error", &state.Error, cluster.DiskFails, cluster.DiskHasNoSpace)
		d.choose(&args, &state)
	}
	return state, args.err
}

// choose reads which calls are to fail, where that is not to be drawn.
func (d Disk) choose(args *arguments, state *cluster.DiskState) {
	_, share := args.given["share"]
	_, call := args.given["call"]
	_, count := args.given["count"]
	switch {
	case call && share:
		args.fail("share of %s does not go with call, which chooses", d.Name())
	case count && !call:
		args.fail("count of %s is of nothing without call, which chooses the first", d.Name())
	case call:
		state.Failing, state.Count = 0, 1
		args.whole("call", &state.Call, 1, mostCalls)
		args.whole("count", &state.Count, 1, mostCalls)
	}
}

// illness is one disk that works badly for a while.
type illness struct {
	victim
	ailment Ailment
	state   cluster.DiskState
	harm    cluster.DiskHarm // all that was done until it was healed
}

func (i *illness) inject(ctx context.Context) error {
	if err := i.meet(ctx); err != nil {
		return err
	}
	return i.node.SetDisk(ctx, i.state)
}

// prove looks whether the disk has harmed a call that the daemon made. One that nothing was asked of has harmed nobody.
func (i *illness) prove(ctx context.Context) (string, error) {
	harm, err := i.node.DiskHarm(ctx)
	if err != nil {
		return "", err
	}
	hit := map[Ailment]int{Slow: harm.Delayed, Stalled: harm.Stalled, Full: harm.Refused, Failing: harm.Refused}[i.ailment]
	if hit == 0 {
		return "", fmt.Errorf("the %s disk of %s had no effect: %s", i.ailment, i.node.Name(), i.say(harm))
	}
	return i.say(harm), nil
}

// say says what became of the daemon's calls.
func (i *illness) say(harm cluster.DiskHarm) string {
	said := fmt.Sprintf("of %d calls of %s ", harm.Calls, i.daemon)
	switch i.ailment {
	case Slow:
		said += fmt.Sprintf("%d took %v longer together", harm.Delayed, harm.Longer)
	case Stalled:
		said += fmt.Sprintf("%d did not return", harm.Stalled)
	default:
		said += fmt.Sprintf("%d were refused", harm.Refused)
	}
	if harm.First != "" {
		said += ", the first to " + harm.First
	}
	return said
}

// recover makes the disk healthy, and starts a daemon that could not go on with what the disk did.
func (i *illness) recover(ctx context.Context) error {
	harm, err := i.node.DiskHarm(ctx)
	if err != nil {
		return err
	}
	if harm.Calls > i.harm.Calls {
		i.harm = harm // it is healthy already where healing is tried again
	}
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
	return fmt.Sprintf("%s until the disk of %s worked again, and %s %s", i.say(i.harm), i.node.Name(), i.daemon, how), nil
}
