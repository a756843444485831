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
}

func TestMostAtOnce(t *testing.T) {
	require.Zero(t, mostAtOnce(nil, nil))
	require.Equal(t, 2, mostAtOnce([]history.Time{1, 2, 5}, []history.Time{3, 5, 9}), "what ends at 5 is over when something begins then")
}
