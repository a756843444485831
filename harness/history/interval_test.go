package history_test

import (
	"testing"
	"time"

	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func interval(t *rapid.T) history.Interval {
	at := rapid.Custom(func(t *rapid.T) history.Time { return history.Time(rapid.IntRange(0, 40).Draw(t, "time")) })
	return history.Interval{From: at.Draw(t, "from"), To: at.Draw(t, "to")}
}

func TestIntervalsAreSetsOfMoments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		given := rapid.SliceOfN(rapid.Custom(interval), 0, 8).Draw(t, "intervals")
		var covered [41]bool
		for _, in := range given {
			for at := in.From; at < in.To; at++ {
				covered[at] = true
			}
		}
		union := history.Union(given)
		for i, in := range union {
			require.Less(t, in.From, in.To)
			require.True(t, i == 0 || union[i-1].To < in.From)
		}
		other := interval(t)
		left := union.Subtract(other)
		var overlap time.Duration
		for at := range history.Time(len(covered)) {
			within := at >= other.From && at < other.To
			require.Equal(t, covered[at], union.Contains(at))
			require.Equal(t, within && !covered[at], left.Contains(at))
			if within && covered[at] {
				overlap++
			}
		}
		require.Equal(t, overlap, union.Overlap(other))
	})
}

func TestIntervalThatHasNoEnd(t *testing.T) {
	all := history.Union([]history.Interval{{From: 5, To: history.Forever}, {From: 1, To: 2}})
	require.True(t, all.Contains(1<<60))
	require.Equal(t, time.Duration(1<<63-1), all[1].Length())
	require.Equal(t, history.Intervals{{From: 2, To: 5}}, all.Subtract(history.Interval{From: 1, To: 100}))
}
