package harness

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness/history"
)

// TestStallsAreSeenOnceAndAgainWithoutExcuse looks at a client again and again, with a bound of ten seconds, while its daemon cannot work from the fifth second to
// the twentieth.
func TestStallsAreSeenOnceAndAgainWithoutExcuse(t *testing.T) {
	op := func(number uint64, invoked float64) history.Operation {
		return history.Operation{Worker: 1, Number: number, Kind: history.Write, Path: "a", Invoked: seconds(invoked)}
	}
	still := func(string, history.Kind) history.Intervals {
		return history.Intervals{{From: seconds(5), To: seconds(20)}}
	}
	known := &stalls{}
	look := func(now float64, pending ...history.Operation) []seenStall {
		return known.look("client1", pending, seconds(now), 10*time.Second, still)
	}
	require.Empty(t, look(9, op(1, 0)))
	first := look(12, op(1, 0), op(2, 11))
	require.Len(t, first, 1)
	require.True(t, first[0].first)
	require.False(t, first[0].inexcusable, "seven of its twelve seconds are those of the fault")
	require.Equal(t, history.Stall{Node: "client1", Worker: 1, Kind: history.Write, Path: "a", Invoked: seconds(0), Seen: seconds(12)}, first[0].Stall)
	require.Empty(t, look(24.5, op(1, 0)))
	again := look(25, op(1, 0), op(2, 11))
	require.Len(t, again, 2)
	require.False(t, again[0].first)
	require.True(t, again[0].inexcusable, "five seconds before the fault, and five after it")
	require.True(t, again[1].first)
	require.False(t, again[1].inexcusable)
	known.hangs = true
	require.Len(t, look(31, op(2, 11)), 1)
	require.True(t, known.hangs, "another has no excuse now")
	require.Empty(t, look(31.5, op(3, 29)))
	require.False(t, known.hangs, "what is pending is young: the next one hangs anew")
	require.Empty(t, known.of, "nothing is remembered of what has returned")
}

// TestFaultsExcuseWhileTheyLast holds what is known of faults while a run goes on against what its record says afterwards.
func TestFaultsExcuseWhileTheyLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s standing
		require.Empty(t, s.of("client1", history.Read))
		run := &history.Run{}
		start := history.Now()
		begin := func(cuts ...history.Cut) (end func(healed bool)) {
			record := history.Fault{Cuts: cuts, Injecting: history.Now()}
			ended := s.begin(cuts)
			return func(healed bool) {
				if healed {
					record.Recovered = history.Now()
				}
				run.Faults = append(run.Faults, record)
				ended(record)
			}
		}
		killed := begin(history.Cut{Node: "client1"}, history.Cut{Node: "client2"})
		time.Sleep(time.Second)
		cut := begin(history.Cut{Node: "client1", Peer: "server1"})
		require.Equal(t, history.Intervals{{From: start, To: history.Forever}}, s.of("client1", history.Read))
		time.Sleep(time.Second)
		killed(true)
		cut(true)
		time.Sleep(time.Second)
		lost := begin(history.Cut{Node: "client2"})
		paused := begin(history.Cut{Node: "client1"})
		time.Sleep(time.Second)
		lost(false)
		paused(true)
		begin(history.Cut{Node: "client1", Daemon: "web"})(false)
		require.Equal(t, run.Visits()["client1"], s.of("client1", history.Page))
		require.NotEqual(t, s.of("client1", history.Read), s.of("client1", history.Page))
		for _, node := range []string{"client1", "client2"} {
			require.Equal(t, run.Standstills()[node], s.of(node, history.Read))
			require.Len(t, s.of(node, history.Read), 2)
		}
	})
}
