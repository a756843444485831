package harness

import (
	"cmp"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"time"

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
// nemesis schedule, each from a seed of its own so that a change in one leaves the other as it was. What cannot be carried out of the scenario is a
// [*scenario.Error] that names the field.
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
	for i, w := range sc.AllWorkloads() {
		part := "workload"
		if sc.Workloads != nil {
			part = fmt.Sprintf("workload %s %d", w.Name, before[w.Name])
		}
		before[w.Name]++
		own := derive(seed, part)
		planned, err := planWorkload(sc, i, own, catalog)
		for err == nil && slices.ContainsFunc(planned, func(s history.Step) bool { return roots[s.Args["root"]] }) {
			own++
			planned, err = planWorkload(sc, i, own, catalog)
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
func planWorkload(sc scenario.Scenario, index int, seed uint64, catalog Catalog) ([]history.Step, error) {
	w, field := sc.AllWorkloads()[index], sc.WorkloadField(index)
	workload, err := catalog.Workload(w.Name)
	if err != nil {
		return nil, scenario.Wrong(field+".name", "%v", err)
	}
	if workload.NeedsCoda != "" && sc.Foreign() {
		return nil, scenario.Wrong(field+".name", "the workload %s cannot be carried out on a file system that is not ours: it needs %s", workload.Name, workload.NeedsCoda)
	}
	clients := cluster.ClientNames(sc.Clients)
	for i, client := range w.Clients {
		if !slices.Contains(clients, client) {
			return nil, scenario.Wrong(fmt.Sprintf("%s.clients[%d]", field, i), "%s", nearest.Unknown("client", client, clients))
		}
	}
	if len(w.Clients) > 0 {
		clients = w.Clients
	}
	steps, err := workload.Plan(PlanRequest{Clients: clients, Args: w.Args, Seed: seed, Load: cmp.Or(w.Length, sc.Load-w.Start)})
	if wrong, ok := errors.AsType[*ArgumentError](err); ok {
		return nil, scenario.WrongValue(field+"."+wrong.Name, "%v", wrong.Err)
	} else if err != nil {
		return nil, scenario.Wrong(field, "%v", err)
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
			return scenario.WrongValue("constants."+known.Daemon+"."+known.Name, "%v", err)
		}
	}
	return nil
}

func planFaults(sc scenario.Scenario, seed uint64, catalog Catalog) ([]history.Step, error) {
	steps, err := fixedFaults(sc, seed, catalog)
	if err != nil || len(sc.Faults.Must)+len(sc.Faults.Mix) == 0 {
		return steps, err
	}
	for i, name := range sc.Faults.Must {
		if _, err := catalog.Fault(name); err != nil {
			return nil, scenario.Wrong(fmt.Sprintf("faults.must[%d]", i), "%v", err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sc.Faults.Mix)) {
		if _, err := catalog.Fault(name); err != nil {
			return nil, scenario.Wrong("faults.mix."+name, "%v", err)
		}
	}
	request := ScheduleRequest{
		Topology: topologyOf(sc),
		Seed:     derive(seed, "faults"),
		Load:     sc.Load,
		Must:     sc.Faults.Must,
		Weights:  sc.Faults.Mix,
		Least:    sc.Faults.Least,
		Gap:      sc.Faults.Gap,
	}
	placed, err := catalog.Schedule(request)
	if err != nil {
		return nil, misplaced(request, catalog, err)
	}
	return append(steps, placed...), nil
}

// roomy is a load that every fault fits into.
const roomy = 7 * 24 * time.Hour

// misplaced says which of the faults that have to be there cannot be, whatever the others are, or else that all together cannot.
func misplaced(request ScheduleRequest, catalog Catalog, err error) error {
	for i, name := range request.Must {
		alone := request
		alone.Must, alone.Weights, alone.Load = []string{name}, nil, roomy
		if _, err := catalog.Schedule(alone); err != nil {
			return scenario.Wrong(fmt.Sprintf("faults.must[%d]", i), "%v", err)
		}
	}
	return scenario.Wrong("faults", "%v", err)
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
		if err := checkFixed(sc, fixed, fmt.Sprintf("faults.steps[%d]", i), catalog); err != nil {
			return nil, err
		}
		steps = append(steps, history.Step{
			Phase: phaseFault, Kind: "fault", Name: fixed.Name, Nodes: fixed.Nodes,
			Start: fixed.Start, When: fixed.When, Length: fixed.Length, Args: fixed.Args, Seed: derive(seed, fmt.Sprint("fault ", i)),
		})
	}
	return steps, nil
}

// checkFixed says why a fixed fault cannot be injected, nil where it can. The field is that of the step.
func checkFixed(sc scenario.Scenario, fixed scenario.Step, field string, catalog Catalog) error {
	fault, err := catalog.Fault(fixed.Name)
	if err != nil {
		return scenario.Wrong(field+".name", "%v", err)
	}
	nodes := topologyOf(sc).nodes()
	for i, node := range fixed.Nodes {
		if !slices.Contains(nodes, node) {
			return scenario.Wrong(fmt.Sprintf("%s.nodes[%d]", field, i), "%s", nearest.Unknown("node", node, nodes))
		}
	}
	if err := fault.Hits(topologyOf(sc), history.Step{Name: fixed.Name, Nodes: fixed.Nodes, Args: fixed.Args}); err != nil {
		return scenario.Wrong(field+".nodes", "%v", err)
	}
	if err := checkTrigger(sc, fixed.When, field+".when.node"); err != nil {
		return err
	}
	err = fault.CheckArguments(fixed.Args)
	if wrong, ok := errors.AsType[*ArgumentError](err); ok {
		return scenario.WrongValue(field+".args."+wrong.Name, "%v", wrong.Err)
	} else if err != nil {
		return scenario.Wrong(field+".args", "%v", err)
	}
	return nil
}

// checkTrigger says why what a fault waits for cannot come, nil where it can. The field is that of the node.
func checkTrigger(sc scenario.Scenario, when *history.Trigger, field string) error {
	if when == nil || when.Node == "" {
		return nil
	}
	clients, servers := cluster.ClientNames(sc.Clients), cluster.ServerNames(sc.Servers)
	switch server := slices.Contains(servers, when.Node); {
	case when.Failpoint == "" && server:
		return scenario.Wrong(field, "%s does nothing that could be waited for: there are %d clients", when.Node, sc.Clients)
	case when.Failpoint == "" && !slices.Contains(clients, when.Node):
		return scenario.Wrong(field, "%s", nearest.Unknown("client", when.Node, clients))
	case !server && !slices.Contains(clients, when.Node):
		return scenario.Wrong(field, "%s", nearest.Unknown("node", when.Node, slices.Concat(clients, servers)))
	case when.Failpoint == history.Answering && server:
		return scenario.Wrong(field, "the daemon of %s never comes to %s: only venus answers applications", when.Node, when.Failpoint)
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
