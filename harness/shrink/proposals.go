package shrink

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/codastress/codastress/harness/scenario"
)

// A proposal is a smaller scenario.
type proposal struct {
	what     string
	scenario scenario.Scenario
}

// kinds are the ways to make a scenario smaller, in the order in which to go them: what makes later trials faster comes first. Each lists its proposals from the boldest
// to the slightest.
func (s Search) kinds() []func(scenario.Scenario) []proposal {
	kinds := []func(scenario.Scenario) []proposal{fewerWorkloads, fewerSteps, fewerPlaced, fewerNodes, shorter}
	for _, workload := range slices.Sorted(maps.Keys(s.Parameters)) {
		for _, parameter := range s.Parameters[workload] {
			kinds = append(kinds, func(sc scenario.Scenario) []proposal { return smaller(sc, workload, parameter) })
		}
	}
	return kinds
}

// change makes a proposal from a copy of a scenario.
func change(sc scenario.Scenario, what string, edit func(*scenario.Scenario)) proposal {
	sc.Workloads = slices.Clone(sc.Workloads)
	for _, w := range sc.AllWorkloads() {
		w.Args = maps.Clone(w.Args)
	}
	sc.Faults.Must, sc.Faults.Steps, sc.Faults.Mix = slices.Clone(sc.Faults.Must), slices.Clone(sc.Faults.Steps), maps.Clone(sc.Faults.Mix)
	edit(&sc)
	return proposal{what, sc}
}

// fewerWorkloads leaves out one of several workloads.
func fewerWorkloads(sc scenario.Scenario) []proposal {
	if len(sc.Workloads) < 2 {
		return nil
	}
	var all []proposal
	for i, w := range sc.Workloads {
		all = append(all, change(sc, "no workload "+w.Name, func(c *scenario.Scenario) { c.Workloads = slices.Delete(c.Workloads, i, i+1) }))
	}
	return all
}

// fewerSteps leaves out fixed faults: all, then halves, quarters and so on, and at last one at a time.
func fewerSteps(sc scenario.Scenario) []proposal {
	var all []proposal
	steps := len(sc.Faults.Steps)
	for size := steps; size > 0; size /= 2 {
		for first := 0; first < steps; first += size {
			last := min(first+size, steps)
			all = append(all, change(sc, counted(last-first, "fault")+" less", func(c *scenario.Scenario) {
				c.Faults.Steps = slices.Delete(c.Faults.Steps, first, last)
			}))
		}
	}
	return all
}

// fewerPlaced leaves out faults that the seed places.
func fewerPlaced(sc scenario.Scenario) []proposal {
	var all []proposal
	if len(sc.Faults.Mix) > 0 {
		all = append(all, change(sc, "no mix of faults", func(c *scenario.Scenario) { c.Faults.Mix = nil }))
	}
	for i, name := range sc.Faults.Must {
		all = append(all, change(sc, "no "+name, func(c *scenario.Scenario) { c.Faults.Must = slices.Delete(c.Faults.Must, i, i+1) }))
	}
	return all
}

func fewerNodes(sc scenario.Scenario) []proposal {
	var all []proposal
	for clients := 1; clients < sc.Clients; clients++ {
		all = append(all, change(sc, counted(clients, "client"), func(c *scenario.Scenario) { c.Clients = clients }))
	}
	for servers := 1; servers < sc.Servers; servers++ {
		all = append(all, change(sc, counted(servers, "server"), func(c *scenario.Scenario) { c.Servers = servers }))
	}
	return all
}

// smaller makes a parameter of the workloads with a name smaller.
func smaller(sc scenario.Scenario, workload string, parameter Parameter) (all []proposal) {
	for i, w := range sc.AllWorkloads() {
		if w.Name == workload {
			all = append(all, smallerIn(sc, i, parameter)...)
		}
	}
	return all
}

// smallerIn makes a parameter of one workload smaller if it is a whole number, by less and less; a small one by one at last.
func smallerIn(sc scenario.Scenario, workload int, parameter Parameter) []proposal {
	const small = 8
	text, set := sc.AllWorkloads()[workload].Args[parameter.Name]
	if !set {
		text = parameter.Default
	}
	value, err := strconv.Atoi(text)
	if err != nil || value <= 0 {
		return nil
	}
	sizes := []int{value / 16, value / 4, value / 2, value - value/4}
	if value <= small {
		sizes = append(sizes, value-1)
	}
	var all []proposal
	for _, size := range slices.Compact(sizes) {
		if size == value {
			continue
		}
		to := strconv.Itoa(size)
		all = append(all, change(sc, parameter.Name+"="+to, func(c *scenario.Scenario) {
			w := c.AllWorkloads()[workload]
			if w.Args == nil {
				w.Args = map[string]string{}
			}
			w.Args[parameter.Name] = to
		}))
	}
	return all
}

// shorter makes the load shorter, has one of several workloads earlier and for less time, moves fixed faults earlier, and heals them earlier.
func shorter(sc scenario.Scenario) []proposal {
	const grain = 100 * time.Millisecond
	var all []proposal
	for _, load := range []time.Duration{sc.Load / 4, sc.Load / 2, sc.Load * 3 / 4} {
		load = load.Truncate(grain)
		if load <= 0 || slices.ContainsFunc(sc.Faults.Steps, func(s scenario.Step) bool { return s.Start >= load }) {
			continue
		}
		all = append(all, change(sc, fmt.Sprintf("a load of %v", load), func(c *scenario.Scenario) { c.Load = load }))
	}
	for i, w := range sc.Workloads {
		if start := (w.Start / 2).Truncate(grain); start < w.Start {
			all = append(all, change(sc, fmt.Sprintf("%s at %v", w.Name, start), func(c *scenario.Scenario) { c.Workloads[i].Start = start }))
		}
		if length := (w.Length / 2).Truncate(grain); length > 0 {
			all = append(all, change(sc, fmt.Sprintf("%s for %v", w.Name, length), func(c *scenario.Scenario) { c.Workloads[i].Length = length }))
		}
	}
	for i, step := range sc.Faults.Steps {
		if start := (step.Start / 2).Truncate(grain); start < step.Start {
			all = append(all, change(sc, fmt.Sprintf("%s at %v", step.Name, start), func(c *scenario.Scenario) { c.Faults.Steps[i].Start = start }))
		}
		if length := (step.Length / 2).Truncate(grain); length > 0 {
			all = append(all, change(sc, fmt.Sprintf("%s for %v", step.Name, length), func(c *scenario.Scenario) { c.Faults.Steps[i].Length = length }))
		}
	}
	return all
}

// counted is a number of things in words.
func counted(number int, thing string) string {
	if number == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", number, thing)
}
