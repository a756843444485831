package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// FlipBit flips a bit in each of some of the contents that a daemon keeps on its disk. Nobody ever gets wrong ones.
//
// Of a codasrv, another server that has them mends them as soon as somebody is given them, and where there is none they cannot be read until the disk gives the right
// byte again. A venus looks at what it has cached when that is first opened after its start, and fetches again what is not what the servers have. So it is killed,
// and finds the bits flipped when it is started: what it has looked at before, the disk is trusted with. What is nowhere but in its modify log is left alone: nobody
// could tell.
type FlipBit struct {
	Daemon string // cluster.Venus or cluster.Codasrv
}

var _ Fault = FlipBit{}

// Name implements Fault.
func (f FlipBit) Name() string { return "flip-bit-" + f.Daemon }

// Doc implements Fault.
func (f FlipBit) Doc() string {
	if f.Daemon == cluster.Venus {
		return "venus is killed, and the disk that it finds gives a tenth to a half of the contents that it has cached with a bit flipped, until they are fetched again, or at the end are right again"
	}
	return "the disk of codasrv gives a tenth to a half of its contents with a bit flipped, until they are replaced by those of another server, or at the end are right again"
}

// Applies implements Fault.
func (f FlipBit) Applies(topology Topology) error {
	return appliesToDaemon(f.Name(), f.Daemon, topology)
}

// Targets implements Fault.
func (f FlipBit) Targets(topology Topology) [][]string { return singles(nodesOf(f.Daemon, topology)) }

// Cuts implements Fault. What cannot be read from any server is an error; wrong contents are not excused by anything.
func (FlipBit) Cuts(step history.Step) []history.Cut { return daemonCut(step) }

// parameters implements parametric.
func (FlipBit) parameters() []Parameter {
	return []Parameter{{"share", "drawn, 0.1 to 0.5", "of the files with contents of their own in which a bit is flipped; one at least"}}
}

func (f FlipBit) share(step history.Step) (float64, error) {
	random := rand.New(rand.NewPCG(step.Seed, 7))
	share := 0.1 + 0.4*random.Float64()
	args := arguments{of: f.Name(), given: step.Args}
	args.number("share", &share, 0, 1)
	return share, args.err
}

// checkArguments implements parametric.
func (f FlipBit) checkArguments(args map[string]string) error {
	_, err := f.share(history.Step{Args: args})
	return err
}

// Prepare implements Fault.
func (f FlipBit) Prepare(handles Handles, step history.Step) (*Injection, error) {
	victim, err := victimOf(handles, step, f.Daemon)
	if err != nil {
		return nil, fmt.Errorf("preparing %s: %w", f.Name(), err)
	}
	share, err := f.share(step)
	if err != nil {
		return nil, fmt.Errorf("preparing %s: %w", f.Name(), err)
	}
	return newInjection(f, step, &rotting{victim: victim, share: share, seed: step.Seed}), nil
}

// rotting is some bits that are wrong for a while.
type rotting struct {
	victim
	share float64
	seed  uint64
	flips []cluster.Flip
	gone  int // whose contents had been replaced or removed when healing began
}

func (r *rotting) inject(ctx context.Context) error {
	if err := r.meet(ctx); err != nil {
		return err
	}
	if r.daemon == cluster.Venus {
		return r.injectKilled(ctx)
	}
	return r.flip(ctx, nil)
}

func (r *rotting) flip(ctx context.Context, among []cluster.Content) (err error) {
	r.flips, err = r.node.FlipBits(ctx, r.daemon, among, r.share, r.seed)
	return err
}

// injectKilled has the bits flipped while the daemon does not run. What it has cached only the daemon knows, so it is asked before.
func (r *rotting) injectKilled(ctx context.Context) error {
	among, err := r.node.Cached(ctx, r.daemon)
	if err != nil {
		return err
	}
	if err := r.node.Kill(ctx, r.daemon); err != nil {
		return err
	}
	return errors.Join(r.flip(ctx, append([]cluster.Content{}, among...)), r.node.StartDaemon(ctx, r.daemon))
}

// prove demands that each bit is still wrong, or that the server has other contents in its place already.
func (r *rotting) prove(ctx context.Context) (string, error) {
	states, err := r.node.LookAtBits(ctx, r.daemon, r.flips, false)
	switch {
	case err != nil:
		return "", err
	case states[cluster.BitRight] > 0:
		return "", fmt.Errorf("%d of %d bits on %s are as they were", states[cluster.BitRight], len(r.flips), r.node.Name())
	}
	if r.daemon == cluster.Venus {
		now, err := r.ready(ctx)
		switch {
		case err != nil:
			return "", err
		case r.sameLife(now):
			return "", fmt.Errorf("venus on %s is the process of before: it looks at nothing again", r.node.Name())
		}
	}
	first := r.flips[0]
	return fmt.Sprintf("%d contents on %s had a bit flipped, the first %s, with %#02x instead of %#02x at %d",
		len(r.flips), r.node.Name(), first.Path, first.Is, first.Was, first.Offset), nil
}

func (r *rotting) recover(ctx context.Context) error {
	states, err := r.node.LookAtBits(ctx, r.daemon, r.flips, true)
	r.gone = max(r.gone, states[cluster.BitGone])
	if err != nil || r.daemon != cluster.Venus {
		return err
	}
	now, err := r.look(ctx)
	if err != nil || now.State != cluster.StateExited {
		return err
	}
	return r.node.StartDaemon(ctx, r.daemon) // injecting failed half-way
}

func (r *rotting) proveRecovered(ctx context.Context) (string, error) {
	states, err := r.node.LookAtBits(ctx, r.daemon, r.flips, false)
	switch {
	case err != nil:
		return "", err
	case states[cluster.BitFlipped] > 0:
		return "", fmt.Errorf("%d of %d bits on %s are still wrong", states[cluster.BitFlipped], len(r.flips), r.node.Name())
	}
	if _, err := r.ready(ctx); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d of them had been replaced or removed, and the disk gives the others right again", r.gone), nil
}
