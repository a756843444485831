package harness

import (
	"errors"
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
	require.ErrorContains(t, err, "step 2 of the faults: it hits servers")

	sc.Faults.Steps[1] = scenario.Step{Name: "cut", Nodes: []string{"server1"}, Args: map[string]string{"mode": "hard"}}
	_, err = Plan(sc, 1, planCatalog(map[string]uint64{}))
	require.ErrorContains(t, err, "step 2 of the faults: it has no parameters")

	sc.Faults.Steps[1] = scenario.Step{Name: "cut", Nodes: []string{"server1"}, When: &history.Trigger{Operation: history.Read, Count: 1, Node: "server1"}}
	_, err = Plan(sc, 1, planCatalog(map[string]uint64{}))
	require.ErrorContains(t, err, "step 2 of the faults: server1 does nothing that could be waited for")

	for want, when := range map[string]history.Trigger{
		"server1 never comes to answering":               {Failpoint: history.Answering, Count: 1, Node: "server1"},
		"client9 has no daemon that could be waited for": {Failpoint: history.Sent, Count: 1, Node: "client9"},
	} {
		sc.Faults.Steps[1].When = &when
		_, err = Plan(sc, 1, planCatalog(map[string]uint64{}))
		require.ErrorContains(t, err, want)
	}
}
