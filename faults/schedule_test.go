package faults

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

func mainJob(seed uint64) ScheduleRequest {
	return ScheduleRequest{Topology: threeClients, Seed: seed, Load: 20 * time.Second, Mix: Mix{Must: MassDeleteMix().Must}}
}

func TestTheSameSeedGivesTheSameSchedule(t *testing.T) {
	path := filepath.Join("testdata", "schedule.json")
	steps, err := Schedule(mainJob(42))
	require.NoError(t, err)
	got, err := json.MarshalIndent(steps, "", "  ")
	require.NoError(t, err)
	got = append(got, '\n')
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "run the test with -update if the schedules are meant to be different now")
}

func TestTheScheduleOfTheMainJob(t *testing.T) {
	targets := map[string]bool{}
	for seed := range uint64(200) {
		steps, err := Schedule(mainJob(seed))
		require.NoError(t, err)
		var names []string
		for _, step := range steps {
			names = append(names, step.Name)
			targets[step.Name+" "+step.Nodes[0]] = true
			require.Equal(t, "fault", step.Phase)
			require.Equal(t, "fault", step.Kind)
			require.GreaterOrEqual(t, step.Length, time.Second)
		}
		require.ElementsMatch(t, []string{"partition", "kill-venus", "kill-codasrv"}, names)
	}
	require.Len(t, targets, 3+3+1, "over many seeds, every client is hit by each fault")
}

func TestScheduleRefusesWhatCannotBe(t *testing.T) {
	tests := []struct {
		name    string
		change  func(*ScheduleRequest)
		problem string
	}{
		{
			"an unknown fault", func(r *ScheduleRequest) { r.Mix.Must = []string{"flood"} },
			`there is no fault "flood": there are partition, partition-up, partition-down, isolate, split, sever, swizzle, flapping, blackhole, blackhole-up, blackhole-down, reset, latency`,
		},
		{"an unknown weight", func(r *ScheduleRequest) { r.Mix.Weights = map[string]int{"flood": 1} }, `there is no fault "flood"`},
		{"a load that is too short", func(r *ScheduleRequest) { r.Load = 3 * time.Second }, "3 faults do not fit into a load of 3s: it must last at least 6s"},
		{
			"one link", func(r *ScheduleRequest) { r.Topology.Clients, r.Mix.Must = []string{"client1"}, []string{"split"} },
			"split needs two links: there are 1 servers and 1 clients",
		},
		{"no clients", func(r *ScheduleRequest) { r.Topology.Clients = nil }, "partition needs a link: there are 1 servers and 0 clients"},
		{
			"no servers", func(r *ScheduleRequest) { r.Topology.Servers, r.Mix.Must = nil, []string{"pause-codasrv"} },
			"pause-codasrv needs a node that runs codasrv",
		},
		{"a negative gap", func(r *ScheduleRequest) { r.Gap = -1 }, "must not be negative"},
		{"a negative length", func(r *ScheduleRequest) { r.Least = -1 }, "must not be negative"},
		{"faults that must be long", func(r *ScheduleRequest) { r.Least = 10 * time.Second }, "3 faults do not fit into a load of 20s: it must last at least 44s"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			request := mainJob(1)
			test.change(&request)
			_, err := Schedule(request)
			require.ErrorContains(t, err, test.problem)
		})
	}
}

func TestScheduleFitsIntoTheLoadThatItsErrorNames(t *testing.T) {
	request := mainJob(1)
	request.Load = 6 * time.Second
	steps, err := Schedule(request)
	require.NoError(t, err)
	require.Len(t, steps, 3)
}

func TestScheduleOfNothingIsEmpty(t *testing.T) {
	steps, err := Schedule(ScheduleRequest{Topology: threeClients, Load: time.Minute})
	require.NoError(t, err)
	require.Empty(t, steps)
}

func TestExtraFaultsFillALongLoad(t *testing.T) {
	request := mainJob(3)
	request.Load, request.Mix = 10*time.Minute, Mix{Must: []string{"reset"}, Weights: map[string]int{"pause-venus": 3, "kill-venus": 1}}
	count := map[string]int{}
	for seed := range uint64(20) {
		request.Seed = seed
		steps, err := Schedule(request)
		require.NoError(t, err)
		for _, step := range steps {
			count[step.Name]++
		}
	}
	require.Equal(t, 20, count["reset"])
	require.Greater(t, count["kill-venus"], 100)
	require.Greater(t, count["pause-venus"], 2*count["kill-venus"])
	require.Len(t, count, 3)
}

// scheduleRequests draws requests whose faults apply; the load may be too short.
func scheduleRequests() *rapid.Generator[ScheduleRequest] {
	return rapid.Custom(func(t *rapid.T) ScheduleRequest {
		nodes := func(role string, most int) []string {
			all := []string{role + "1", role + "2", role + "3", role + "4"}
			return all[:rapid.IntRange(1, most).Draw(t, role)]
		}
		topology := Topology{Servers: nodes("server", 3), Clients: nodes("client", 4)}
		var names []string
		for _, fault := range All() {
			if fault.Applies(topology) == nil {
				names = append(names, fault.Name())
			}
		}
		return ScheduleRequest{
			Topology: topology,
			Seed:     rapid.Uint64().Draw(t, "seed"),
			Load:     time.Duration(rapid.Int64Range(0, int64(3*time.Minute)).Draw(t, "load")),
			Mix: Mix{
				Must:    rapid.SliceOfN(rapid.SampledFrom(names), 0, 6).Draw(t, "must"),
				Weights: rapid.MapOfN(rapid.SampledFrom(names), rapid.IntRange(0, 3), 0, 8).Draw(t, "weights"),
			},
			Least:   time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "least")),
			Gap:     time.Duration(rapid.Int64Range(0, int64(5*time.Second)).Draw(t, "gap")),
			Overlap: rapid.Bool().Draw(t, "overlap"),
		}
	})
}

func TestEveryScheduleKeepsTheRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		request := scheduleRequests().Draw(t, "request")
		steps, err := Schedule(request)
		again, errAgain := Schedule(request)
		require.Equal(t, err, errAgain)
		require.Equal(t, steps, again)
		if err != nil {
			require.ErrorContains(t, err, "do not fit into a load")
			return
		}
		requireRules(t, request, steps)
	})
}

func requireRules(t *rapid.T, request ScheduleRequest, steps []history.Step) {
	least := request.Least
	if least == 0 {
		least = DefaultLeast
	}
	gap := request.Gap
	if gap == 0 {
		gap = DefaultGap
	}
	var names []string
	for i, step := range steps {
		fault, err := Find(step.Name)
		require.NoError(t, err)
		require.Contains(t, fault.Targets(request.Topology), step.Nodes)
		names = append(names, step.Name)
		require.GreaterOrEqual(t, step.Length, least)
		require.GreaterOrEqual(t, step.Start, request.Load*5/100)
		require.LessOrEqual(t, step.Start+step.Length, request.Load*80/100, "healed before the end")
		for _, later := range steps[i+1:] {
			require.LessOrEqual(t, step.Start, later.Start, "in order")
			disjoint := !slices.ContainsFunc(step.Nodes, func(node string) bool { return slices.Contains(later.Nodes, node) })
			if request.Overlap && disjoint {
				continue
			}
			require.LessOrEqual(t, step.Start+step.Length+gap, later.Start, "%v and %v", step, later)
		}
	}
	for _, name := range request.Mix.Must {
		i := slices.Index(names, name)
		require.GreaterOrEqual(t, i, 0, "%s is missing", name)
		names = slices.Delete(names, i, i+1)
	}
	for _, name := range names {
		require.Positive(t, request.Mix.Weights[name])
	}
}

func TestOverlapsAreFoundWhereTheyAreAllowed(t *testing.T) {
	request := mainJob(0)
	request.Mix.Must, request.Overlap = []string{"kill-venus", "pause-venus", "kill-venus"}, true
	overlaps := 0
	for seed := range uint64(50) {
		request.Seed = seed
		steps, err := Schedule(request)
		require.NoError(t, err)
		for i := 1; i < len(steps); i++ {
			if steps[i].Start < steps[i-1].Start+steps[i-1].Length {
				overlaps++
			}
		}
	}
	require.Positive(t, overlaps)
}

func TestTargetsWithReplicas(t *testing.T) {
	topology := Topology{Servers: []string{"server1", "server2"}, Clients: []string{"client1"}}
	require.Equal(t, [][]string{
		{"client1", "server1"}, {"server2", "server1"}, {"client1", "server2"}, {"server1", "server2"},
	}, Partition{Up: true}.Targets(topology))
	require.Equal(t, [][]string{{"server1"}, {"server2"}}, Kill{cluster.Codasrv}.Targets(topology))
	require.Equal(t, [][]string{{"client1"}}, Pause{cluster.Venus}.Targets(topology))
	require.Equal(t, []history.Cut{{Node: "client1", Peer: "server2"}}, Reset{}.Cuts(history.Step{Nodes: []string{"client1", "server2"}}))
	for _, ofWeb := range []Fault{Kill{cluster.Web}, Restart{cluster.Web}, Pause{cluster.Web}} {
		for _, cut := range ofWeb.Cuts(at("client1")) {
			require.False(t, cut.Stops(history.Read), "it excuses nothing of the file system")
			require.True(t, cut.Stops(history.Page))
		}
		require.Equal(t, [][]string{{"client1"}}, ofWeb.Targets(topology))
	}
	require.Equal(t, []history.Cut{{Node: "server2"}}, Kill{cluster.Codasrv}.Cuts(history.Step{Nodes: []string{"server2"}}))
}

// at is a step at some nodes.
func at(nodes ...string) history.Step { return history.Step{Nodes: nodes} }

func TestHitsSaysWhatAFaultCanHit(t *testing.T) {
	require.NoError(t, Hits(Reset{}, threeClients, at("client2", "server1")))
	require.NoError(t, Hits(Kill{cluster.Codasrv}, threeClients, at("server1")))
	require.ErrorContains(t, Hits(Reset{}, threeClients, at("server1", "client2")),
		`reset cannot hit "server1 client2": it can hit client1 server1, client2 server1, client3 server1`)
	require.ErrorContains(t, Hits(Kill{cluster.Codasrv}, threeClients, at("client1")), `kill-codasrv cannot hit "client1": it can hit server1`)
	require.ErrorContains(t, Hits(Reset{}, Topology{}, at()), "reset needs a link")
}

// TestAnySetOfNodesCanBeHit has faults of sets of nodes hit sets that they would not choose themselves, in any order.
func TestAnySetOfNodesCanBeHit(t *testing.T) {
	topology := Topology{Servers: []string{"server1", "server2", "server3"}, Clients: []string{"client1", "client2"}}
	from := func(from string, nodes ...string) history.Step {
		return history.Step{Nodes: nodes, Args: map[string]string{"from": from}}
	}
	for _, one := range []struct {
		fault   Fault
		step    history.Step
		problem string // "" where it can
	}{
		{Isolate{}, at("client1", "server1"), ""},
		{Isolate{}, at("server2", "client2", "server3", "server1"), ""},
		{Isolate{}, at("client1", "server1", "client2"), `isolate cannot hit "client1 server1 client2": client1 and client2: there is no link between them`},
		{Isolate{}, at("client1"), "there is no link between them"},
		{Isolate{}, at("client1", "client1"), "it names client1 twice"},
		{Split{}, at("client2", "server1"), ""},
		{Split{}, at("server3", "client2", "server1"), ""},
		{Split{}, at("client1", "client2"), "there is no link between them"},
		{Swizzle{}, at("client1", "server1", "client2"), ""},
		{Swizzle{}, at("server2", "server1"), ""}, // which have a link each way
		{Swizzle{}, at("client1", "server1"), "it needs 2 links, and there is 1 between them"},
		{Sever{}, at("client1", "server1"), ""},
		{Sever{}, at("client1", "client2"), "there is no link between them"},
		{Sever{}, from("client1, server2", "server1", "client1", "client2", "server2"), ""},
		{Sever{}, from("client1", "client1", "client2"), "there is no link between them"},
		{Sever{}, from("client3", "client1", "server1"), `from of sever is of its nodes, client1 server1, and not "client3"`},
		{Sever{}, from("client1,client1", "client1", "server1"), "from of sever names client1 twice"},
		{Sever{}, from("server1,client1", "client1", "server1"), "from of sever are all its nodes"},
		{Rolling{}, at("server3", "server1"), ""},
		{Rolling{}, at("server3", "client1"), "client1 is no server"},
		{Rolling{}, at("server4"), "there is no node server4"},
		{Rolling{}, at(), "it needs nodes"},
	} {
		err := Hits(one.fault, topology, one.step)
		if one.problem != "" {
			require.ErrorContains(t, err, one.problem)
			continue
		}
		require.NoError(t, err)
		_, err = one.fault.Prepare(On(newFakeCluster(topology)), one.step)
		require.NoError(t, err, "what can be hit can be prepared")
	}
}

func TestPartingsOfManyServers(t *testing.T) {
	topology := Topology{Servers: []string{"server1", "server2", "server3"}, Clients: []string{"client1", "client2", "client3"}}
	require.Equal(t, [][]string{
		{"server1", "server3", "client2", "server2", "client1", "client3"},
		{"server1", "server3", "client3", "server2", "client2", "client1"},
		{"server1", "server3", "client1", "server2", "client3", "client2"},
	}, Split{}.Targets(topology))
	isolated := Isolate{}.Targets(topology)
	require.Len(t, isolated, 6)
	require.Equal(t, []string{"server2", "server1", "client1", "client2", "client3", "server3"}, isolated[1])
	require.Equal(t, []string{"client1", "server1", "server2", "server3"}, isolated[3])

	step := history.Step{Nodes: Split{}.Targets(topology)[0]}
	require.Len(t, Split{}.Cuts(step), 9)
	injection, err := Split{}.Prepare(On(newFakeCluster(topology)), step)
	require.NoError(t, err)
	require.Len(t, injection.effect.(*parting).cuts, 2*2+1+2*2, "two servers have a link each way, two clients none")
}
