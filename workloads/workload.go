package workloads

import (
	"context"
	"crypto/rand"
	"fmt"
	"hash/fnv"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// A Workload plans its tasks and carries them out.
type Workload interface {
	Name() string
	Doc() string // one sentence
	Parameters() []Parameter
	// Plan is a pure function: the same request gives the same steps. An unknown or bad argument is an error that names the parameter
	// and says what is allowed.
	Plan(request PlanRequest) ([]history.Step, error)
	// Do carries out one planned step on the node of env and returns when it is done or ctx ends. What the file system did wrong is in
	// the recorder and never an error: an error says that the step cannot be carried out at all, or that ctx ended.
	Do(ctx context.Context, step history.Step, env Environment) (history.Load, error)
}

// All returns every workload, in the order in which to list them.
func All() []Workload {
	return []Workload{
		MassDelete{},
		BulkOverwrite{},
		ConcurrentReaders{},
		Mixed(),
		ConflictingEdits{},
		HoardAndTravel{},
		Deploy{},
		CreateStorm(),
		RenameStorm(),
		SharedDirectory(),
		AppendLog{},
		HardLinks(),
		DeepTree{},
		LargeFiles(),
		Register{},
		Mmap(),
		Trace{},
	}
}

// NeedsCoda says what a workload needs that only a Coda-style file system has, "" where any file system will do.
func NeedsCoda(workload Workload) string {
	if needs, ok := workload.(interface{ needsCoda() string }); ok {
		return needs.needsCoda()
	}
	return ""
}

// A Parameter is something about a workload that a scenario can set.
type Parameter struct {
	Name    string
	Default string
	Doc     string
}

// A PlanRequest is what a workload plans from.
type PlanRequest struct {
	Clients []string          // at least one; the first writes mainly, the last rarely
	Args    map[string]string // by the names of the parameters; what is missing has its default
	Seed    uint64
	Load    time.Duration // length of the load phase
}

// An Environment is where a step is carried out.
type Environment struct {
	Node     string
	Files    Directory
	Recorder *history.Recorder
	WebURL   string // of the node's web server, whose root is the root of Files
	Log      *slog.Logger
	// Patience is how long a call may take before it is abandoned. It should be longer than the bound that checks hold calls to, so that
	// a hang is seen as one.
	Patience time.Duration
	// Dial connects to the web server; nil is TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Conflicts are those of the node's client; nil where the file system has none.
	Conflicts Conflicts
	// Hoard is that of the node's client; nil where the file system has none.
	Hoard Hoard
	// Nonces makes the names of contents, which must be new even where a run with the same seed has been before: nil is a secure source.
	// Only a simulated run, whose contents nobody else sees, may repeat them.
	Nonces func() mathrand.Source
}

// nonces returns a new source of names for contents.
func (e Environment) nonces() mathrand.Source {
	if e.Nonces != nil {
		return e.Nonces()
	}
	var seed [32]byte
	_, _ = rand.Read(seed[:]) // it never fails
	return mathrand.NewChaCha8(seed)
}

// The phases of steps, as the harness knows them.
const (
	prepare = "prepare"
	load    = "load"
	repair  = "repair"
)

// A task is one thing that a workload does on a node. Several workloads share tasks.
type task func(ctx context.Context, step history.Step, env Environment) (history.Load, error)

// perform carries out a step by one of a workload's tasks.
func perform(ctx context.Context, step history.Step, env Environment, tasks map[string]task) (history.Load, error) {
	do, ok := tasks[step.Task]
	if !ok {
		return history.Load{}, fmt.Errorf("step %d: workload %s has no task %q: it has %s", step.Number, step.Name, step.Task, list(tasks))
	}
	var done history.Load
	err := ctx.Err()
	if err == nil {
		done, err = do(ctx, step, env)
	}
	if err == nil {
		err = ctx.Err()
	}
	done.Step, done.Node = step.Number, env.Node
	if err != nil {
		return done, fmt.Errorf("step %d, %s %s on %s: %w", step.Number, step.Name, step.Task, env.Node, err)
	}
	return done, nil
}

// derive makes the seed of one part of something that has a seed.
func derive(seed uint64, part string) uint64 {
	sum := fnv.New64a()
	fmt.Fprintf(sum, "%d %s", seed, part)
	return sum.Sum64()
}

// list names the keys of a map, sorted.
func list[V any](m map[string]V) string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
