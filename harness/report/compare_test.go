package report

import (
	"testing"
	"time"

	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
)

// What a client waits for while its own daemon is stopped says nothing of the file system.
func TestWaitsCountOnlyWhereTheDaemonIsThere(t *testing.T) {
	second := history.Time(time.Second)
	page := func(node string, worker uint32, from, to history.Time) history.Operation {
		return history.Operation{Node: node, Worker: worker, Kind: history.Page, Path: "p", Invoked: from * second, Completed: to * second, Outcome: history.OK}
	}
	remove := history.Operation{Node: "client2", Worker: 9, Kind: history.Remove, Path: "p", Invoked: 41 * second, Completed: 44 * second, Outcome: history.OK}
	run := &history.Run{
		Meta: history.Meta{Clients: []string{"client1", "client2"}},
		Operations: history.Pack([]history.Operation{
			page("client1", 1, 10, 30), page("client1", 1, 31, 33), // its daemon is stopped until 30
			page("client2", 1, 10, 14), page("client2", 2, 12, 15), page("client2", 3, 16, 18), remove,
		}),
		Faults: []history.Fault{
			{Step: 1, Name: "pause-venus", Injecting: 9 * second, Recovered: 30 * second, Cuts: []history.Cut{{Node: "client1"}}},
			{Step: 2, Name: "partition", Injecting: 9 * second, Recovered: 30 * second, Cuts: []history.Cut{{Node: "client2", Peer: "server1"}}},
		},
	}
	u := Result{Run: run}.findings().unhindered()
	require.EqualValues(t, 4, u.pages.total())
	require.Equal(t, 4*time.Second, u.pages.longest)
	require.Equal(t, 2, u.waiting, "from 13 to 14")
	require.Equal(t, 3*time.Second, u.changes.longest)
	require.Equal(t, 4*time.Second, u.stall)
	require.Equal(t, 14*time.Second, u.recovered, "from 30 to 44")
}

// What clients say counts from the last answer before the load, and through all lives of a client.
func TestAnswersAreSummedUp(t *testing.T) {
	second := history.Time(time.Second)
	run := &history.Run{
		Meta: history.Meta{Clients: []string{"client1", "client2"}},
		Plan: []history.Step{{Number: 1, Phase: "prepare", Kind: "workload"}, {Number: 2, Phase: "load", Kind: "workload"}},
		Operations: history.Pack([]history.Operation{
			{Node: "client1", Worker: 1, Kind: history.Page, Path: "p", Invoked: 10 * second, Completed: 11 * second, Outcome: history.OK},
		}),
		Statuses: []history.Status{
			{Node: "client1", Time: 11 * second, State: "hoarding", RPCs: 15, Fetched: 1500},
			{Node: "client2", Time: 12 * second, State: "emulating", RPCs: 7, Resolve: 2},
			{Node: "client1", Time: 12 * second, State: "emulating", RPCs: 3, Fetched: 100},
			{Node: "client2", Time: 13 * second, State: "hoarding", RPCs: 7, Resolve: 2},
			{Node: "client1", Time: 14 * second, State: "emulating", RPCs: 4, Fetched: 100},
		},
	}
	a := Result{Run: run}.findings().answers()
	require.Equal(t, &answers{rpcs: 15 + 4 + 7, fetched: 1600, resolutions: 2, disconnected: 2 * time.Second}, a)
}

func TestMostAtOnce(t *testing.T) {
	require.Zero(t, mostAtOnce(nil, nil))
	require.Equal(t, 2, mostAtOnce([]history.Time{1, 2, 5}, []history.Time{3, 5, 9}), "what ends at 5 is over when something begins then")
}
