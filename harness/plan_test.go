package harness

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/harness/scenario"
	"github.com/stretchr/testify/require"
)

// planCatalog has a workload and a fault that only plan, and remember the seeds that they were given.
func planCatalog(seeds map[string]uint64) Catalog {
	return Catalog{
		Workloads: []Workload{{
			Name: "write",
			Plan: func(request PlanRequest) ([]history.Step, error) {
				seeds["workload"] = request.Seed
				return []history.Step{
					{Phase: phaseLoad, Task: "late", Nodes: request.Clients, Start: 2 * time.Second},
					{Phase: phaseLoad, Task: "early", Nodes: request.Clients, Start: time.Second},
					{Phase: phasePrepare, Task: "tree", Nodes: request.Clients[:1]},
				}, nil
			},
		}},
		Faults: []Fault{{Name: "cut", Hits: func(topology Topology, step history.Step) error {
			if !slices.Equal(step.Nodes, topology.Servers) {
				return errors.New("it hits servers")
			}
			return nil
		}, CheckArguments: func(args map[string]string) error {
			if len(args) > 0 {
				return errors.New("it has no parameters")
			}
			return nil
		}}},
		Schedule: func(request ScheduleRequest) ([]history.Step, error) {
			seeds["faults"] = request.Seed
			return []history.Step{{Phase: phaseFault, Name: "cut", Nodes: request.Servers, Start: 1500 * time.Millisecond}}, nil
		},
	}
}

func planScenario() scenario.Scenario {
	return scenario.Scenario{
		Name: "test", Clients: 2, Servers: 1,
		Workload: scenario.Workload{Name: "write"},
		Faults:   scenario.Faults{Must: []string{"cut"}},
	}
}

func TestPlanNumbersStepsInTheOrderInWhichTheyStart(t *testing.T) {
	plan, err := Plan(planScenario(), 1, planCatalog(map[string]uint64{}))
	require.NoError(t, err)
	var order []string
	for i, step := range plan {
		require.Equal(t, i+1, step.Number)
		order = append(order, step.Phase+" "+step.Task+step.Name)
	}
	require.Equal(t, []string{"prepare tree", "load early", "fault cut", "load late"}, order)
}

func TestPlanGivesEachPartASeedOfItsOwn(t *testing.T) {
	first, again, other := map[string]uint64{}, map[string]uint64{}, map[string]uint64{}
	for seeds, seed := range map[*map[string]uint64]uint64{&first: 1, &again: 1, &other: 2} {
		_, err := Plan(planScenario(), seed, planCatalog(*seeds))
		require.NoError(t, err)
	}
	require.Equal(t, first, again)
	require.NotEqual(t, first["workload"], first["faults"])
	require.NotEqual(t, first["workload"], other["workload"])
	require.NotEqual(t, first["faults"], other["faults"])
}

// severalCatalog has a workload that works in a directory that few seeds tell apart, for as long as it is told.
func severalCatalog() Catalog {
	return Catalog{Workloads: []Workload{{Name: "write", Plan: func(request PlanRequest) ([]history.Step, error) {
		args := map[string]string{"root": fmt.Sprint("tree-", request.Seed%3)}
		return []history.Step{
			{Phase: phasePrepare, Task: "tree", Nodes: request.Clients[:1], Args: args, Seed: request.Seed},
			{Phase: phaseLoad, Task: "work", Nodes: request.Clients, Start: time.Second, Length: request.Load - time.Second, Args: args, Seed: request.Seed},
		}, nil
	}}}}
}

func TestPlanGivesEachWorkloadItsPartOfTheLoad(t *testing.T) {
	sc := scenario.Scenario{Clients: 3, Load: 10 * time.Second, Workloads: []scenario.Workload{
		{Name: "write"},
		{Name: "write", Start: 2 * time.Second, Length: 5 * time.Second, Clients: []string{"client2"}},
		{Name: "write", Start: 6 * time.Second},
	}}
	for seed := range uint64(50) {
		plan, err := Plan(sc, seed, severalCatalog())
		require.NoError(t, err)
		roots := map[string]int{}
		for _, step := range plan[:3] {
			require.Equal(t, phasePrepare, step.Phase)
			roots[step.Args["root"]]++
		}
		require.Len(t, roots, 3, "each has a directory of its own")
		for i, want := range []history.Step{
			{Start: time.Second, Length: 9 * time.Second, Nodes: []string{"client1", "client2", "client3"}},
			{Start: 3 * time.Second, Length: 4 * time.Second, Nodes: []string{"client2"}},
			{Start: 7 * time.Second, Length: 3 * time.Second, Nodes: []string{"client1", "client2", "client3"}},
		} {
			got := plan[3+i]
			require.Equal(t, want, history.Step{Start: got.Start, Length: got.Length, Nodes: got.Nodes})
		}
	}
}

func TestAWorkloadIsPlannedWhateverTheOthersAre(t *testing.T) {
	catalog := severalCatalog()
	catalog.Workloads = append(catalog.Workloads, Workload{Name: "read", Plan: func(request PlanRequest) ([]history.Step, error) {
		return []history.Step{{Phase: phaseLoad, Name: "read", Seed: request.Seed}}, nil
	}})
	seeds := func(workloads ...scenario.Workload) (all []uint64) {
		plan, err := Plan(scenario.Scenario{Clients: 1, Load: 10 * time.Second, Workloads: workloads}, 7, catalog)
		require.NoError(t, err)
		for _, step := range plan {
			if step.Name == "read" {
				all = append(all, step.Seed)
			}
		}
		return all
	}
	both := seeds(scenario.Workload{Name: "write"}, scenario.Workload{Name: "read"}, scenario.Workload{Name: "read"})
	require.NotEqual(t, both[0], both[1])
	require.Equal(t, both[:1], seeds(scenario.Workload{Name: "read"}))
}

func TestPlanRefusesClientsThatAreNotThere(t *testing.T) {
	sc := scenario.Scenario{Clients: 2, Load: time.Second, Workloads: []scenario.Workload{{Name: "write", Clients: []string{"client1", "cleint2"}}}}
	_, err := Plan(sc, 1, severalCatalog())
	require.ErrorContains(t, err, `unknown client "cleint2": did you mean "client2"?`)
}

func TestPlanSuggestsTheNearestName(t *testing.T) {
	sc := planScenario()
	sc.Workload.Name = "wirte"
	_, err := Plan(sc, 1, planCatalog(map[string]uint64{}))
	require.ErrorContains(t, err, `unknown workload "wirte": did you mean "write"?`)

	sc = planScenario()
	sc.Faults.Must = []string{"cutt"}
	_, err = Plan(sc, 1, planCatalog(map[string]uint64{}))
	require.ErrorContains(t, err, `unknown fault "cutt": did you mean "cut"?`)
}

func TestPlanRefusesFixedFaultsThatHitNothing(t *testing.T) {
	sc := planScenario()
	sc.Faults = scenario.Faults{Steps: []scenario.Step{{Name: "cut", Nodes: []string{"server1"}, Start: time.Second}}}
	plan, err := Plan(sc, 1, planCatalog(map[string]uint64{}))
	require.NoError(t, err)
	require.Len(t, plan, 4)

	sc.Faults.Steps = append(sc.Faults.Steps, scenario.Step{Name: "cut", Nodes: []string{"client1"}})
	_, err = Plan(sc, 1, planCatalog(map[string]uint64{}))
	require.EqualError(t, err, "faults.steps[1].nodes: it hits servers")

	sc.Faults.Steps[1] = scenario.Step{Name: "cut", Nodes: []string{"server1"}, Args: map[string]string{"mode": "hard"}}
	_, err = Plan(sc, 1, planCatalog(map[string]uint64{}))
	require.EqualError(t, err, "faults.steps[1].args: it has no parameters")

	sc.Faults.Steps[1] = scenario.Step{Name: "cut", Nodes: []string{"server1"}, When: &history.Trigger{Operation: history.Read, Count: 1, Node: "server1"}}
	_, err = Plan(sc, 1, planCatalog(map[string]uint64{}))
	require.ErrorContains(t, err, "faults.steps[1].when.node: server1 does nothing that could be waited for")

	for want, when := range map[string]history.Trigger{
		"faults.steps[1].when.node: the daemon of server1 never comes to answering":  {Failpoint: history.Answering, Count: 1, Node: "server1"},
		`faults.steps[1].when.node: unknown node "client9": did you mean "client1"?`: {Failpoint: history.Sent, Count: 1, Node: "client9"},
	} {
		sc.Faults.Steps[1].When = &when
		_, err = Plan(sc, 1, planCatalog(map[string]uint64{}))
		require.ErrorContains(t, err, want)
	}

	sc.Faults.Steps[1] = scenario.Step{Name: "cut", Nodes: []string{"client2", "sevrer1"}}
	_, err = Plan(sc, 1, planCatalog(map[string]uint64{}))
	require.EqualError(t, err, `faults.steps[1].nodes[1]: unknown node "sevrer1": did you mean "server1"?`)
}

func TestPlanSaysWhichValueIsWrong(t *testing.T) {
	catalog := severalCatalog()
	catalog.Workloads[0].Plan = func(request PlanRequest) ([]history.Step, error) {
		return nil, fmt.Errorf("planning: %w", &ArgumentError{Name: "rate", Err: errors.New("too much")})
	}
	catalog.Constants = []Constant{{Daemon: "venus", Name: "ping", Check: func(string) error { return errors.New("too long") }}}
	sc := scenario.Scenario{Clients: 1, Load: time.Second, Workload: scenario.Workload{Name: "write"}}
	_, err := Plan(sc, 1, catalog)
	require.EqualError(t, err, "workload.rate: too much")
	sc.Workloads = []scenario.Workload{{Name: "write"}}
	_, err = Plan(sc, 1, catalog)
	require.EqualError(t, err, "workloads[0].rate: too much")
	sc.Constants = scenario.Constants{"venus": {"ping": "1h"}}
	_, err = Plan(sc, 1, catalog)
	require.EqualError(t, err, "constants.venus.ping: too long")
}

func TestPlanSaysWhichFaultCannotBe(t *testing.T) {
	catalog := planCatalog(map[string]uint64{})
	catalog.Schedule = func(request ScheduleRequest) ([]history.Step, error) {
		if request.Load < time.Hour {
			return nil, errors.New("there is no time")
		}
		return nil, nil
	}
	catalog.Faults = append(catalog.Faults, Fault{Name: "part"})
	sc := planScenario()
	sc.Faults.Must = []string{"cut", "part"}
	_, err := Plan(sc, 1, catalog)
	require.EqualError(t, err, "faults: there is no time", "all together")
	catalog.Schedule = func(request ScheduleRequest) ([]history.Step, error) {
		if slices.Contains(request.Must, "part") {
			return nil, errors.New("there is nothing to part")
		}
		return nil, nil
	}
	_, err = Plan(sc, 1, catalog)
	require.EqualError(t, err, "faults.must[1]: there is nothing to part")
}
