package venus_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// Where there is little room for changes, Coda has each wait for a moment, and where there is none until there is some. Today nobody waits, and what
// has no room is refused.
func TestZones(t *testing.T) {
	for _, profile := range []coda.Profile{coda.Coda69, coda.Modern} {
		synctest.Test(t, func(t *testing.T) {
			s := vicetest.Start(t)
			n := newNetwork(s)
			c := start(t, s, of(profile), n.use, func(c *venus.Config) {
				c.Limits.LogRecords, c.Limits.Workers, c.Timing.Silence = 80, 5, time.Hour
				c.Timing.Dead, c.Timing.Idle = time.Hour, time.Hour
			})
			c.warm()
			root := must(c.at(""))
			n.hold()
			took := func(from, to int) time.Duration {
				begin := time.Now()
				for i := from; i < to; i++ {
					require.NoError(t, c.makeDirectory(root.Fid, string(rune('A'+i))))
				}
				return time.Since(begin)
			}
			require.Less(t, took(0, 70), time.Second)
			if profile == coda.Modern {
				require.Less(t, took(70, 80), time.Second)
				require.ErrorIs(t, c.makeDirectory(root.Fid, "none"), coda.NoSpace)
				n.release()
				return
			}
			require.Equal(t, 5*time.Second, took(70, 75).Round(time.Second))
			waits := later(func() error { return c.makeDirectory(root.Fid, "waits") })
			time.Sleep(10*time.Second + 500*time.Millisecond)
			require.Empty(t, waits)
			require.Contains(t, c.State(), "waits for room in the modify log and the cache")
			n.release()
			require.NoError(t, <-waits)
		})
	}
}

// A volume that is unreachable has nothing to wait for.
func TestTheRedZoneHoldsNobodyWhoIsDisconnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vicetest.Start(t)
		c := start(t, s, of(coda.Coda69), func(c *venus.Config) {
			c.Limits.CacheBytes, c.Limits.Workers = 100, 2
		})
		c.warm()
		c.Disconnect()
		c.write("large", string(make([]byte, 96)))
		begin := time.Now()
		c.mkdir("directory")
		require.Less(t, time.Since(begin), time.Second)
	})
}
