package workloads

import (
	"context"
	"fmt"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// A blend is a workload of random operations. There are several, which are the same work in other proportions; each can be told to be any other.
type blend struct {
	name, doc string
	workers   int64
	think     time.Duration
	weights   map[string]int64 // of the operations that have any; nil for those that they have where nothing else is said
	presets   map[string]int64 // of the other parameters
}

var _ Workload = blend{}

// Name implements Workload.
func (b blend) Name() string { return b.name }

// Doc implements Workload.
func (b blend) Doc() string { return b.doc }

func (b blend) parameters() parameters {
	ps := append(crewParameters(b.workers, 100_000, b.think), parameters{
		{name: "shared", preset: 30, least: 0, most: 100, documentation: "percentage of the operations that are in shared directories"},
		{name: "directories", preset: 3, least: 1, most: 100, documentation: "shared directories"},
		{name: "names", preset: 6, least: 1, most: 1000, documentation: "names of each kind that are used again and again in a directory"},
		{name: "fresh", preset: 40, least: 0, most: 100, documentation: "percentage of the names that were never used before"},
		{
			name: "apart", preset: 0, least: 0, most: 100,
			documentation: "percentage of the changes in shared directories that a process makes only to names that it made itself",
		},
		{name: "size", preset: 2048, least: 1, most: 1 << 20, documentation: "mean number of bytes that a write, an append or an edit brings"},
		{name: "sync", preset: 10, least: 0, most: 100, documentation: "percentage of the writes, appends and edits that are fsynced"},
		{
			name: "hold", preset: int64(20 * time.Millisecond), least: 0, most: int64(10 * time.Second), nanoseconds: true,
			documentation: "longest time for which a file is open before it is edited",
		},
	}...)
	for i := range ps {
		if preset, ok := b.presets[ps[i].name]; ok {
			ps[i].preset = preset
		}
	}
	for _, action := range actions() {
		weight := action.weight
		if b.weights != nil {
			weight = b.weights[action.name]
		}
		ps = append(ps, parameter{name: action.name, preset: weight, least: 0, most: 1000, documentation: "weight of: " + action.what})
	}
	return ps
}

// Parameters implements Workload.
func (b blend) Parameters() []Parameter { return b.parameters().list() }

const taskMix = "mix" // do random operations

// Plan implements Workload.
func (b blend) Plan(request PlanRequest) ([]history.Step, error) {
	steps, err := planCrew(b, b.parameters(), taskMix, request)
	if err != nil {
		return nil, err
	}
	a := &arguments{step: steps[0].Args}
	weights := 0
	for _, action := range actions() {
		weights += a.number(action.name)
	}
	if weights == 0 {
		return nil, fmt.Errorf("workload %s: the weights of all operations are 0", b.name)
	}
	return steps, nil
}

// Do implements Workload.
func (b blend) Do(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	return performCrew(ctx, step, env, taskMix, mix)
}

// mix has processes that do random operations until the time is up.
func mix(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	a := &arguments{step: step.Args}
	plan := mixing{
		names: a.number("names"), fresh: a.number("fresh"), apart: a.number("apart"), size: a.number("size"), share: a.number("shared"), sync: a.number("sync"),
		hold: a.duration("hold"), writing: make(chan struct{}, 1),
	}
	for _, action := range actions() {
		plan.weights = append(plan.weights, a.number(action.name))
	}
	if a.err != nil {
		return history.Load{}, a.err
	}
	return crew(ctx, step, env, func(h *hand) func(context.Context) Result { return newMixer(&plan, h).act })
}
