package workloads

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// The tasks of workloads whose processes have directories of their own.
const (
	taskMakeTree = "make-tree" // make the directories
	taskSeeTree  = "see-tree"  // wait until they can be seen
)

// crewParameters are those of every workload of processes that do one thing after the other, each in a directory of its own and in those of others.
func crewParameters(workers, operations int64, think time.Duration) parameters {
	return parameters{
		{name: "workers", preset: workers, least: 1, most: 100, documentation: "processes on each client"},
		{
			name: "operations", preset: operations, least: 1, most: 10_000_000,
			documentation: "most operations of a process; it ends earlier with the load",
		},
		{
			name: "think", preset: int64(think), least: 0, most: int64(time.Minute), nanoseconds: true,
			documentation: "mean pause of a process between two operations",
		},
	}
}

// planCrew plans what the workloads of such processes have in common: the first client makes the directories, the others wait until they see them, and
// then all do the task for as long as the load lasts. The steps have all parameters as arguments.
func planCrew(w Workload, ps parameters, task string, request PlanRequest) ([]history.Step, error) {
	if len(request.Clients) == 0 {
		return nil, fmt.Errorf("workload %s: it needs at least one client", w.Name())
	}
	if request.Load <= 0 {
		return nil, fmt.Errorf("workload %s: a load of %v is too short: it must be longer than 0", w.Name(), request.Load)
	}
	values, err := ps.resolve(request.Args)
	if err != nil {
		return nil, fmt.Errorf("workload %s: %w", w.Name(), err)
	}
	args := map[string]string{"root": fmt.Sprintf("%s-%08x", w.Name(), uint32(derive(request.Seed, "root"))), "directories": "0"}
	for _, p := range ps {
		args[p.name] = p.format(values[p.name])
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
	return append(steps, step(load, task, request.Clients, request.Load)), nil
}

// performCrew carries out a step that planCrew planned.
func performCrew(ctx context.Context, step history.Step, env Environment, name string, do task) (history.Load, error) {
	return perform(ctx, step, env, map[string]task{taskMakeTree: makeTree, taskSeeTree: seeTree, name: do})
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

// operatingTime is what an operation is reckoned with for the question whether a process did enough.
const operatingTime = 10 * time.Millisecond

// A hand is a process of a crew.
type hand struct {
	commons
	process *Process
	node    string
	number  int // of the process on its node
	random  *rand.Rand
}

// root is the directory in which nobody but the process changes anything.
func (h *hand) root() string { return h.own(h.node, h.number) }

// rootsOfOthers are the directories of all other processes.
func (h *hand) rootsOfOthers() (roots []string) {
	for _, client := range h.clients {
		for worker := range h.workers {
			if root := h.own(client, worker); root != h.root() {
				roots = append(roots, root)
			}
		}
	}
	return roots
}

func (h *hand) chance(percent int) bool { return h.random.IntN(100) < percent }

// crew has processes that work until the time is up, or their operations are done. Begin gives what one does, one operation at a time.
func crew(ctx context.Context, step history.Step, env Environment, begin func(h *hand) func(ctx context.Context) Result) (history.Load, error) {
	a := &arguments{step: step.Args}
	c, operations, think := commonsOf(a), a.number("operations"), a.duration("think")
	if a.err != nil {
		return history.Load{}, a.err
	}
	files := NewFiles(env)
	until := time.Now().Add(step.Length)
	var done atomic.Uint64
	together(ctx, files, c.workers, c.workers, func(p *Process, i int) (result Result) {
		h := &hand{commons: c, process: p, node: env.Node, number: i, random: rand.New(rand.NewPCG(derive(step.Seed, fmt.Sprint(env.Node, " ", i)), 0))}
		act := begin(h)
		for n := 0; n < operations && ctx.Err() == nil && time.Now().Before(until) && !errors.Is(result.Err, ErrStuck); n++ {
			if result = act(ctx); result.decided() {
				done.Add(1)
			}
			pauseFor(ctx, min(time.Duration(h.random.Int64N(int64(2*think)+1)), time.Until(until)))
		}
		return result
	})
	files.logStuck(env.Log, step)
	// An eighth of what unhindered processes do: many operations need something that is not there, and clients are down for a while.
	wanted := uint64(c.workers) * min(uint64(operations), uint64(step.Length/(think+operatingTime))) / 8
	return history.Load{Done: done.Load(), Wanted: max(1, wanted)}, nil
}

// decided says whether the file system carried out an operation, or refused it for what it found.
func (r Result) decided() bool {
	_, proves := nothingHappened(r.Errno)
	return r.OK() || r.Outcome == history.Failed && proves
}
