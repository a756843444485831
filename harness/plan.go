package harness

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/harness/nearest"
	"github.com/codastress/codastress/harness/scenario"
)

// The phases of a plan's steps, in the order in which they are carried out. Load and fault steps run side by side, each from its start.
const (
	phasePrepare = "prepare"
	phaseLoad    = "load"
	phaseFault   = "fault"
	phaseRepair  = "repair"
)

// Plan makes the numbered steps of a run. It is a pure function of the scenario and the seed: the workload's tasks first, then the
// nemesis schedule, each from a seed of its own so that a change in one leaves the other as it was.
func Plan(sc scenario.Scenario, seed uint64, catalog Catalog) ([]history.Step, error) {
	if err := checkConstants(sc, catalog); err != nil {
		return nil, err
	}
	tasks, err := planWorkloads(sc, seed, catalog)
	if err != nil {
		return nil, err
	}
	faults, err := planFaults(sc, seed, catalog)
	if err != nil {
		return nil, err
	}
	return number(append(tasks, faults...)), nil
}

// planWorkloads plans the workloads one after the other, each from a seed of its own that does not depend on the others, and so that no two have the same
// directory.
func planWorkloads(sc scenario.Scenario, seed uint64, catalog Catalog) (tasks []history.Step, err error) {
	roots, before := map[string]bool{}, map[string]int{}
	for _, w := range sc.AllWorkloads() {
		part := "workload"
		if sc.Workloads != nil {
			part = fmt.Sprintf("workload %s %d", w.Name, before[w.Name])
		}
		before[w.Name]++
		own := derive(seed, part)
		planned, err := planWorkload(sc, *w, own, catalog)
		for err == nil && slices.ContainsFunc(planned, func(s history.Step) bool { return roots[s.Args["root"]] }) {
			own++
			planned, err = planWorkload(sc, *w, own, catalog)
		}
		if err != nil {
			return nil, err
		}
		for _, step := range planned {
			if root := step.Args["root"]; root != "" {
				roots[root] = true
			}
		}
		tasks = append(tasks, planned...)
	}
	return tasks, nil
}

// planWorkload plans one workload for its part of the load.
func planWorkload(sc scenario.Scenario, w scenario.Workload, seed uint64, catalog Catalog) ([]history.Step, error) {
	workload, err := catalog.Workload(w.Name)
	if err != nil {
		return nil, err
	}
	if workload.NeedsCoda != "" && sc.Foreign() {
		return nil, fmt.Errorf("the workload %s cannot be carried out on a file system that is not ours: it needs %s", workload.Name, workload.NeedsCoda)
	}
	clients := cluster.ClientNames(sc.Clients)
	for _, client := range w.Clients {
		if !slices.Contains(clients, client) {
			return nil, fmt.Errorf("planning the workload %s: %s", w.Name, nearest.Unknown("client", client, clients))
		}
	}
	if len(w.Clients) > 0 {
		clients = w.Clients
	}
	steps, err := workload.Plan(PlanRequest{Clients: clients, Args: w.Args, Seed: seed, Load: cmp.Or(w.Length, sc.Load-w.Start)})
	if err != nil {
		return nil, fmt.Errorf("planning the workload %s: %w", w.Name, err)
	}
	for i := range steps {
		if steps[i].Phase == phaseLoad {
			steps[i].Start += w.Start
		}
	}
	return steps, nil
}

// checkConstants says what constants of a scenario no daemon can have, nil where all can be had.
func checkConstants(sc scenario.Scenario, catalog Catalog) error {
	for _, known := range catalog.Constants {
		value, set := sc.Constants[known.Daemon][known.Name]
		if !set {
			continue
		}
		if err := known.Check(value); err != nil {
			return fmt.Errorf("constants.%s.%s: %w", known.Daemon, known.Name, err)
		}
	}
	return nil
}

func planFaults(sc scenario.Scenario, seed uint64, catalog Catalog) ([]history.Step, error) {
	steps, err := fixedFaults(sc, seed, catalog)
	if err != nil || len(sc.Faults.Must)+len(sc.Faults.Mix) == 0 {
		return steps, err
	}
	for _, name := range slices.Concat(sc.Faults.Must, slices.Sorted(maps.Keys(sc.Faults.Mix))) {
		if _, err := catalog.Fault(name); err != nil {
			return nil, err
		}
	}
	placed, err := catalog.Schedule(ScheduleRequest{
		Topology: topologyOf(sc),
		Seed:     derive(seed, "faults"),
		Load:     sc.Load,
		Must:     sc.Faults.Must,
		Weights:  sc.Faults.Mix,
		Least:    sc.Faults.Least,
		Gap:      sc.Faults.Gap,
	})
	if err != nil {
		return nil, fmt.Errorf("placing the faults: %w", err)
	}
	return append(steps, placed...), nil
}

// topologyOf names the nodes of a scenario.
func topologyOf(sc scenario.Scenario) Topology {
	if sc.Foreign() {
		return Topology{Mounts: cluster.ClientNames(sc.Clients)}
	}
	return Topology{Servers: cluster.ServerNames(sc.Servers), Clients: cluster.ClientNames(sc.Clients)}
}

// fixedFaults are the faults whose time and place the scenario says itself.
func fixedFaults(sc scenario.Scenario, seed uint64, catalog Catalog) ([]history.Step, error) {
	var steps []history.Step
	for i, fixed := range sc.Faults.Steps {
		fault, err := catalog.Fault(fixed.Name)
		if err != nil {
			return nil, err
		}
		step := history.Step{
			Phase: phaseFault, Kind: "fault", Name: fixed.Name, Nodes: fixed.Nodes,
			Start: fixed.Start, When: fixed.When, Length: fixed.Length, Args: fixed.Args, Seed: derive(seed, fmt.Sprint("fault ", i)),
		}
		if err := fault.Hits(topologyOf(sc), step); err != nil {
			return nil, fmt.Errorf("step %d of the faults: %w", i+1, err)
		}
		if err := checkTrigger(sc, fixed.When); err != nil {
			return nil, fmt.Errorf("step %d of the faults: %w", i+1, err)
		}
		if err := fault.CheckArguments(fixed.Args); err != nil {
			return nil, fmt.Errorf("step %d of the faults: %w", i+1, err)
		}
		steps = append(steps, step)
	}
	return steps, nil
}

// checkTrigger says why what a fault waits for cannot come, nil where it can.
func checkTrigger(sc scenario.Scenario, when *history.Trigger) error {
	if when == nil || when.Node == "" {
		return nil
	}
	client := slices.Contains(cluster.ClientNames(sc.Clients), when.Node)
	server := slices.Contains(cluster.ServerNames(sc.Servers), when.Node)
	switch {
	case when.Failpoint == "" && !client:
		return fmt.Errorf("%s does nothing that could be waited for: there are %d clients", when.Node, sc.Clients)
	case when.Failpoint != "" && !client && !server:
		return fmt.Errorf("%s has no daemon that could be waited for: there are %d clients and %d servers", when.Node, sc.Clients, sc.Servers)
	case when.Failpoint == history.Answering && server:
		return fmt.Errorf("the daemon of %s never comes to %s: only venus answers applications", when.Node, when.Failpoint)
	}
	return nil
}

// number sorts the steps by phase and start, and numbers them from 1.
func number(steps []history.Step) []history.Step {
	order := map[string]int{phasePrepare: 0, phaseLoad: 1, phaseFault: 1, phaseRepair: 2}
	slices.SortStableFunc(steps, func(a, b history.Step) int {
		if d := order[a.Phase] - order[b.Phase]; d != 0 {
			return d
		}
		if a.Phase == phasePrepare || a.Phase == phaseRepair {
			return 0
		}
		return int(a.Start - b.Start)
	})
	for i := range steps {
		steps[i].Number = i + 1
	}
	return steps
}

// stepsOf returns the steps of one phase, in order.
func stepsOf(plan []history.Step, phase string) []history.Step {
	var steps []history.Step
	for _, step := range plan {
		if step.Phase == phase {
			steps = append(steps, step)
		}
	}
	return steps
}

// derive makes the seed of one part of a plan.
func derive(seed uint64, part string) uint64 {
	sum := fnv.New64a()
	fmt.Fprintf(sum, "%d %s", seed, part)
	return sum.Sum64()
}
