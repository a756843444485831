package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// A Resource is what a machine can be short of.
type Resource string

// The resources.
const (
	CPU    Resource = "cpu"
	Memory Resource = "memory"
)

// SqueezedMemoryPrefix is what the names of the faults begin with that a daemon need not survive: the kernel kills it where there is no memory for it.
const SqueezedMemoryPrefix = "squeeze-" + string(Memory) + "-"

// Squeeze leaves the node of a daemon little of a resource. Only a container can be held to that.
type Squeeze struct {
	Resource Resource
	Daemon   string // cluster.Venus or cluster.Codasrv
}

var _ Fault = Squeeze{}

// Name implements Fault.
func (s Squeeze) Name() string { return "squeeze-" + string(s.Resource) + "-" + s.Daemon }

// Doc implements Fault.
func (s Squeeze) Doc() string {
	what := "has 0.02 to 0.05 of a processor"
	if s.Resource == Memory {
		what = "has 2 to 8 MiB of memory more than it cannot give back; a daemon that the kernel kills for that is started again"
	}
	return "the machine of " + s.Daemon + " " + what + "; only in containers"
}

// OnlyIn implements the question of the same name.
func (Squeeze) OnlyIn() string { return Containers }

// Applies implements Fault.
func (s Squeeze) Applies(topology Topology) error {
	return appliesToDaemon(s.Name(), s.Daemon, topology)
}

// Targets implements Fault.
func (s Squeeze) Targets(topology Topology) [][]string { return singles(nodesOf(s.Daemon, topology)) }

// Cuts implements Fault. A daemon on a slow machine has to work all the same; without memory nobody can.
func (s Squeeze) Cuts(step history.Step) []history.Cut {
	if s.Resource == Memory {
		return daemonCut(step)
	}
	return nil
}

// parameters implements parametric.
func (s Squeeze) parameters() []Parameter {
	if s.Resource == Memory {
		return []Parameter{{"spare", "drawn, 2 to 8", "how many MiB there are beside those that cannot be given back"}}
	}
	return []Parameter{{"cpus", "drawn, 0.02 to 0.05", "how many processors there are"}}
}

const (
	mebibyte  = 1 << 20
	mostSpare = 1 << 20 // MiB
	mostCPUs  = 1024
)

// limits are those of a step on a machine that uses so much.
func (s Squeeze) limits(step history.Step, usage cluster.Usage) (cluster.Limits, error) {
	random := rand.New(rand.NewPCG(step.Seed, 6))
	args := arguments{of: s.Name(), given: step.Args}
	if s.Resource == Memory {
		spare := 2 + random.IntN(7)
		args.whole("spare", &spare, 1, mostSpare)
		return cluster.Limits{Memory: usage.Memory + int64(spare)*mebibyte}, args.err
	}
	cpus := 0.02 + 0.03*random.Float64()
	args.number("cpus", &cpus, 0.01, mostCPUs)
	return cluster.Limits{CPUs: cpus}, args.err
}

// checkArguments implements parametric.
func (s Squeeze) checkArguments(args map[string]string) error {
	_, err := s.limits(history.Step{Args: args}, cluster.Usage{})
	return err
}

// Prepare implements Fault.
func (s Squeeze) Prepare(handles Handles, step history.Step) (*Injection, error) {
	victim, err := victimOf(handles, step, s.Daemon)
	if err == nil {
		err = s.checkArguments(step.Args)
	}
	if err != nil {
		return nil, fmt.Errorf("preparing %s: %w", s.Name(), err)
	}
	return newInjection(s, step, &squeezing{victim: victim, fault: s, step: step}), nil
}

// squeezing is one machine that has little for a while.
type squeezing struct {
	victim
	fault  Squeeze
	step   history.Step
	before cluster.Usage
}

func (s *squeezing) inject(ctx context.Context) (err error) {
	if err := s.meet(ctx); err != nil {
		return err
	}
	for try := range squeezeTries {
		if s.before, err = s.node.Usage(ctx); err != nil {
			return err
		}
		var limits cluster.Limits
		if limits, err = s.fault.limits(s.step, s.before); err != nil {
			return err
		}
		if limits.Memory > 0 {
			limits.Memory += int64(try) * squeezeStep
		}
		if err = s.node.SetLimits(ctx, limits); err == nil {
			return nil
		}
	}
	return err
}

// A machine may need more memory by the time that it is limited, and has some besides that cannot be given back: what is refused is tried again with more.
const (
	squeezeTries = 8
	squeezeStep  = 2 * mebibyte
)

// crowd is how many connections each client makes at once to give a server something to do.
const crowd = 4

// prove gives a server something to do, whether it answers or not, and looks whether the machine has wanted more than it may have.
func (s *squeezing) prove(ctx context.Context) (string, error) {
	var all sync.WaitGroup
	for range crowd {
		all.Go(func() { s.reachFromAll(ctx, reachTime) })
	}
	all.Wait()
	now, err := s.node.Usage(ctx)
	if err != nil {
		return "", err
	}
	throttled, read := now.Throttled-s.before.Throttled, now.Read-s.before.Read
	switch {
	case s.fault.Resource == CPU && throttled == 0:
		return "", fmt.Errorf("%s has not wanted more than its %.2f of a processor", s.node.Name(), now.Limits.CPUs)
	case s.fault.Resource == CPU:
		return fmt.Sprintf("%s wanted more than its %.2f of a processor in %d periods, and waited %v", s.node.Name(), now.Limits.CPUs, throttled, now.Waited-s.before.Waited), nil
	case now.Total < now.Limits.Memory-mebibyte || read == 0:
		return "", fmt.Errorf("%s has not wanted more than its %d MiB", s.node.Name(), now.Limits.Memory/mebibyte)
	}
	return fmt.Sprintf("%s has used up its %d MiB, and had to read %d pages again", s.node.Name(), now.Limits.Memory/mebibyte, read), nil
}

// recover gives everything back, and starts a daemon that was killed for want of it.
func (s *squeezing) recover(ctx context.Context) error {
	if err := s.node.SetLimits(ctx, cluster.Limits{}); err != nil {
		return err
	}
	now, err := s.look(ctx)
	if err != nil || now.State != cluster.StateExited || s.fault.Resource != Memory {
		return err
	}
	return s.node.StartDaemon(ctx, s.daemon)
}

func (s *squeezing) proveRecovered(ctx context.Context) (string, error) {
	usage, err := s.node.Usage(ctx)
	if err != nil {
		return "", err
	}
	if usage.Limits != (cluster.Limits{}) {
		return "", fmt.Errorf("%s is still held to less than its machine: %+v", s.node.Name(), usage.Limits)
	}
	now, err := s.ready(ctx)
	switch {
	case err != nil:
		return "", err
	case !s.sameLife(now) && s.fault.Resource != Memory:
		return "", fmt.Errorf("%s on %s did not survive: process %d follows %d", s.daemon, s.node.Name(), now.PID, s.victim.before.PID)
	}
	if err := s.reachable(ctx); err != nil {
		return "", err
	}
	how := "went on"
	if !s.sameLife(now) {
		how = "was killed by it and was started again"
	}
	return fmt.Sprintf("%s has all of its machine, and %s %s", s.node.Name(), s.daemon, how), nil
}
