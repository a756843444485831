package faults

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
)

// severed are the links that an injection cuts, as it says: from whom to whom nothing passes.
func severed(injection *Injection) []string {
	var flows []string
	for _, c := range injection.effect.(*parting).cuts {
		if c.Up {
			flows = append(flows, c.link.From()+" > "+c.link.To())
		}
		if c.Down {
			flows = append(flows, c.link.To()+" > "+c.link.From())
		}
	}
	slices.Sort(flows)
	return flows
}

// stopped are the links of a cluster through which nothing passes, as they are.
func stopped(c *fakeCluster) []string {
	var flows []string
	for _, l := range c.links {
		if l.state.Up == cluster.FlowHold {
			flows = append(flows, l.from+" > "+l.to)
		}
		if l.state.Down == cluster.FlowHold {
			flows = append(flows, l.to+" > "+l.from)
		}
	}
	slices.Sort(flows)
	return flows
}

// eitherWay are pairs in both orders.
func eitherWay(pairs []history.Cut) []history.Cut {
	all := slices.Clone(pairs)
	for _, pair := range pairs {
		if pair.Peer != "" {
			all = append(all, history.Cut{Node: pair.Peer, Peer: pair.Node})
		}
	}
	return all
}

// severing is a Sever of the clients from the server, whatever the step says.
type severing string

func (severing) Name() string                           { return Sever{}.Name() }
func (severing) Doc() string                            { return Sever{}.Doc() }
func (severing) Applies(topology Topology) error        { return Sever{}.Applies(topology) }
func (severing) Targets(topology Topology) [][]string   { return Sever{}.Targets(topology) }
func (s severing) Cuts(step history.Step) []history.Cut { return Sever{}.Cuts(s.said(step)) }
func (s severing) said(step history.Step) history.Step {
	step.Args = map[string]string{"from": "client1,client2,client3", "direction": string(s)}
	return step
}

func (s severing) Prepare(handles Handles, step history.Step) (*Injection, error) {
	return Sever{}.Prepare(handles, s.said(step))
}

// TestSeverStopsWhatItSays cuts sets of nodes off from others, and looks at every link: between servers there is one each way, and what is stopped goes
// from set to set, whoever connects.
func TestSeverStopsWhatItSays(t *testing.T) {
	topology := Topology{Servers: []string{"server1", "server2"}, Clients: []string{"client1", "client2"}}
	for _, one := range []struct {
		from, direction string
		nodes           []string
		want            []string
	}{
		{"client1,client2", "up", []string{"client1", "client2", "server1"}, []string{"client1 > server1", "client2 > server1"}},
		{"server1", "up", []string{"client1", "client2", "server1"}, []string{"server1 > client1", "server1 > client2"}},
		{"server1", "down", []string{"client1", "server1"}, []string{"client1 > server1"}},
		{"server1", "both", []string{"client1", "server1"}, []string{"client1 > server1", "server1 > client1"}},
		{"client1,server2", "", []string{"server2", "client2", "client1", "server1"}, []string{
			"client1 > server1", "client2 > server2", "server1 > client1",
			"server1 > server2", "server1 > server2", "server2 > client2", "server2 > server1", "server2 > server1",
		}},
		{"server2", "up", []string{"server2", "server1"}, []string{"server2 > server1", "server2 > server1"}},
	} {
		t.Run(one.from+" "+one.direction, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				step := history.Step{Nodes: one.nodes, Args: map[string]string{"from": one.from}}
				if one.direction != "" {
					step.Args["direction"] = one.direction
				}
				c := newFakeCluster(topology)
				injection, err := Sever{}.Prepare(On(c), step)
				require.NoError(t, err)
				require.Equal(t, one.want, severed(injection))
				proving := Proving{injection}
				require.NoError(t, proving.Inject(t.Context()))
				require.Equal(t, one.want, stopped(c))
				excused := eitherWay(injection.Record().Cuts)
				for _, flow := range one.want {
					from, to, _ := strings.Cut(flow, " > ")
					require.Contains(t, excused, history.Cut{Node: from, Peer: to})
				}
				time.Sleep(time.Second)
				require.NoError(t, proving.Recover(t.Context()))
				require.Empty(t, stopped(c))
				require.Empty(t, injection.Record().Problem)
			})
		})
	}
}

// TestSeverDrawsSets has the seed draw among all nodes: each link is among those that are cut sometimes, and is not at other times, in each direction.
func TestSeverDrawsSets(t *testing.T) {
	topology := Topology{Servers: []string{"server1", "server2"}, Clients: []string{"client1", "client2", "client3"}}
	seen, sizes := map[string]int{}, map[int]bool{}
	const seeds = 200
	for seed := range uint64(seeds) {
		step := history.Step{Nodes: Sever{}.Targets(topology)[0], Seed: seed}
		injection, err := Sever{}.Prepare(On(newFakeCluster(topology)), step)
		require.NoError(t, err)
		again, err := Sever{}.Prepare(On(newFakeCluster(topology)), step)
		require.NoError(t, err)
		require.Equal(t, severed(injection), severed(again))
		require.Equal(t, injection.Record().Cuts, again.Record().Cuts)
		sizes[len(injection.Record().Cuts)] = true
		for _, flow := range slices.Compact(severed(injection)) {
			seen[flow]++
		}
	}
	require.Len(t, seen, 2*(2*3+1), "both directions of each pair with a link")
	for flow, times := range seen {
		require.Less(t, times, seeds, flow)
	}
	require.Greater(t, len(sizes), 3, "sets of several sizes")
}
