package workloads

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// Mixed does everything that one can do with files and names, at random. Each process has a directory in which nobody but it changes
// anything, so that checks know exactly what must be there; and all change what is in some shared directories, under few names, so that they meet.
type Mixed struct{}

var _ Workload = Mixed{}

// Name implements Workload.
func (Mixed) Name() string { return "mixed" }

// Doc implements Workload.
func (Mixed) Doc() string {
	return "random operations on files and names of every kind, in directories of one process each and in some that all share"
}

func (Mixed) parameters() parameters {
	ps := parameters{
		{name: "workers", preset: 3, least: 1, most: 100, documentation: "processes on each client"},
		{
			name: "operations", preset: 100_000, least: 1, most: 10_000_000,
			documentation: "most operations of a process; it ends earlier with the load",
		},
		{
			name: "think", preset: int64(10 * time.Millisecond), least: 0, most: int64(time.Minute), nanoseconds: true,
			documentation: "mean pause of a process between two operations",
		},
		{name: "shared", preset: 30, least: 0, most: 100, documentation: "percentage of the operations that are in shared directories"},
		{name: "directories", preset: 3, least: 1, most: 100, documentation: "shared directories"},
		{name: "names", preset: 6, least: 1, most: 1000, documentation: "names of each kind that are used again and again in a directory"},
		{name: "size", preset: 2048, least: 1, most: 1 << 20, documentation: "mean number of bytes that a write, an append or an edit brings"},
		{name: "sync", preset: 10, least: 0, most: 100, documentation: "percentage of the writes, appends and edits that are fsynced"},
		{
			name: "hold", preset: int64(20 * time.Millisecond), least: 0, most: int64(10 * time.Second), nanoseconds: true,
			documentation: "longest time for which a file is open before it is edited",
		},
	}
	for _, action := range actions() {
		ps = append(ps, parameter{
			name: action.name, preset: action.weight, least: 0, most: 1000, documentation: "weight of: " + action.what,
		})
	}
	return ps
}

// Parameters implements Workload.
func (w Mixed) Parameters() []Parameter { return w.parameters().list() }

const (
	taskMakeTree = "make-tree" // make the directories
	taskSeeTree  = "see-tree"  // wait until they can be seen
	taskMix      = "mix"       // do random operations
)

// Plan implements Workload.
func (w Mixed) Plan(request PlanRequest) ([]history.Step, error) {
	ps := w.parameters()
	if len(request.Clients) == 0 {
		return nil, errors.New("workload mixed: it needs at least one client")
	}
	if request.Load <= 0 {
		return nil, fmt.Errorf("workload mixed: a load of %v is too short: it must be longer than 0", request.Load)
	}
	values, err := ps.resolve(request.Args)
	if err != nil {
		return nil, fmt.Errorf("workload mixed: %w", err)
	}
	args := map[string]string{"root": fmt.Sprintf("mixed-%08x", uint32(derive(request.Seed, "root")))}
	weights := int64(0)
	for _, p := range ps {
		args[p.name] = p.format(values[p.name])
	}
	for _, action := range actions() {
		weights += values[action.name]
	}
	if weights == 0 {
		return nil, errors.New("workload mixed: the weights of all operations are 0")
	}
	for i, client := range request.Clients {
		args["client"+strconv.Itoa(i)] = client
	}
	step := func(phase, task string, nodes []string, length time.Duration) history.Step {
		return history.Step{
			Phase: phase, Kind: "workload", Name: w.Name(), Task: task, Nodes: slices.Clone(nodes), Length: length,
			Seed: derive(request.Seed, task), Args: maps.Clone(args),
		}
	}
	steps := []history.Step{step(prepare, taskMakeTree, request.Clients[:1], 0)}
	if len(request.Clients) > 1 {
		steps = append(steps, step(prepare, taskSeeTree, request.Clients[1:], 0))
	}
	return append(steps, step(load, taskMix, request.Clients, request.Load)), nil
}

// Do implements Workload.
func (Mixed) Do(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	return perform(ctx, step, env, map[string]task{taskMakeTree: makeTree, taskSeeTree: seeTree, taskMix: mix})
}

// A commons is the tree of a plan, which every node knows.
type commons struct {
	root    string
	clients []string
	workers int
	shared  int
}

func commonsOf(a *arguments) commons {
	c := commons{root: a.step["root"], workers: a.number("workers"), shared: a.number("directories")}
	for i := 0; a.step["client"+strconv.Itoa(i)] != ""; i++ {
		c.clients = append(c.clients, a.step["client"+strconv.Itoa(i)])
	}
	return c
}

// own is the directory of a process.
func (c commons) own(client string, worker int) string {
	return fmt.Sprintf("%s/%s-%d", c.root, client, worker)
}

// directories are all that must be there before the load, the upper ones first.
func (c commons) directories() []string {
	all := []string{c.root}
	for i := range c.shared {
		all = append(all, c.common(i))
	}
	for _, client := range c.clients {
		for worker := range c.workers {
			all = append(all, c.own(client, worker))
		}
	}
	return all
}

func (c commons) common(i int) string { return fmt.Sprintf("%s/shared-%d", c.root, i) }

func makeTree(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	a := &arguments{step: step.Args}
	c := commonsOf(a)
	if a.err != nil {
		return history.Load{}, a.err
	}
	files := NewFiles(env)
	maker := files.Process()
	done := uint64(0)
	for _, directory := range c.directories() {
		if again(ctx, func() Result { return maker.MakeDirectory(ctx, directory) }).OK() {
			done++
		}
	}
	files.logStuck(env.Log, step)
	return history.Load{Done: done, Wanted: uint64(len(c.directories()))}, nil
}

// seeTree waits until every directory can be seen, within the time that one call may take.
func seeTree(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	a := &arguments{step: step.Args}
	c := commonsOf(a)
	if a.err != nil {
		return history.Load{}, a.err
	}
	files := NewFiles(env)
	until := time.Now().Add(env.Patience)
	directories := c.directories()
	done := together(ctx, files, 1, len(directories), func(p *Process, i int) Result {
		for {
			_, result := p.Stat(ctx, directories[i])
			if result.OK() || errors.Is(result.Err, ErrStuck) || time.Now().After(until) || !pauseFor(ctx, visiblePause) {
				return result
			}
		}
	})
	files.logStuck(env.Log, step)
	return history.Load{Done: done, Wanted: uint64(len(directories))}, nil
}

// mixingTime is what an operation is reckoned with for the question whether a process did enough.
const mixingTime = 10 * time.Millisecond

// mix has processes that do random operations until the time is up.
func mix(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	a := &arguments{step: step.Args}
	plan := mixing{
		commons: commonsOf(a), names: a.number("names"), size: a.number("size"), share: a.number("shared"), sync: a.number("sync"),
		hold: a.duration("hold"), writing: make(chan struct{}, 1),
	}
	for _, action := range actions() {
		plan.weights = append(plan.weights, a.number(action.name))
	}
	operations, think := a.number("operations"), a.duration("think")
	if a.err != nil {
		return history.Load{}, a.err
	}
	files := NewFiles(env)
	until := time.Now().Add(step.Length)
	var done atomic.Uint64
	together(ctx, files, plan.workers, plan.workers, func(p *Process, i int) (result Result) {
		m := newMixer(&plan, p, env.Node, i, derive(step.Seed, fmt.Sprint(env.Node, " ", i)))
		for n := 0; n < operations && ctx.Err() == nil && time.Now().Before(until) && !errors.Is(result.Err, ErrStuck); n++ {
			if result = m.act(ctx); result.decided() {
				done.Add(1)
			}
			pauseFor(ctx, min(time.Duration(m.random.Int64N(int64(2*think)+1)), time.Until(until)))
		}
		return result
	})
	files.logStuck(env.Log, step)
	// An eighth of what unhindered processes do: many operations need something that is not there, and clients are down for a while.
	wanted := uint64(plan.workers) * min(uint64(operations), uint64(step.Length/(think+mixingTime))) / 8
	return history.Load{Done: done.Load(), Wanted: max(1, wanted)}, nil
}

// decided says whether the file system carried out an operation, or refused it for what it found.
func (r Result) decided() bool {
	_, proves := nothingHappened(r.Errno)
	return r.OK() || r.Outcome == history.Failed && proves
}
