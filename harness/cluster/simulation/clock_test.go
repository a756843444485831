package simulation

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness/cluster"
)

// A clock is as wrong as it is set to, and right before and after; what measures durations is not touched.
func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &node{}
		wrong := func() time.Duration { return time.Until(n.clock.now()) }
		require.Zero(t, wrong())
		began, shown := time.Now(), n.clock.now()
		require.NoError(t, n.SetClock(t.Context(), cluster.ClockState{Offset: -time.Hour}))
		time.Sleep(time.Minute)
		require.Equal(t, -time.Hour, wrong())
		require.Equal(t, time.Minute, time.Since(began))
		require.Equal(t, time.Minute-time.Hour, n.clock.now().Sub(shown), "no reading of the monotonic clock comes with the time")

		require.NoError(t, n.SetClock(t.Context(), cluster.ClockState{Offset: time.Second, Drift: 0.5}))
		require.Equal(t, time.Second, wrong(), "it drifts from when it was set")
		time.Sleep(time.Minute)
		require.Equal(t, 31*time.Second, wrong())
		require.NoError(t, n.SetClock(t.Context(), cluster.ClockState{}))
		require.Zero(t, wrong())
	})
}
