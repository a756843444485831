package venus_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// A restart loses the tokens of Coda. Up to 6.1 a log that is left then disconnects the volume, whether the server is there or not; later it is just not
// sent. Today nobody notices.
func TestARestartLosesTheTokens(t *testing.T) {
	for _, one := range []struct {
		profile coda.Profile
		state   string
		left    bool
	}{
		{coda.Coda61, "emulating", true},
		{coda.Coda69, "reachable", true},
		{coda.Modern, "reachable", false},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := vicetest.Start(t)
			other, c := start(t, s, of(coda.Modern)), start(t, s, of(one.profile))
			c.warm()
			other.write("cold", "not cached")
			other.settle()
			synctest.Wait()
			cold := must(c.at("cold"))
			c.Disconnect()
			c.write("file", "logged")
			c = c.restart()
			time.Sleep(time.Hour)
			require.Equal(t, one.state, c.Volume().State)
			require.Equal(t, one.left, c.Volume().LogRecords > 0)
			require.Equal(t, "logged", c.read("file"))
			err := <-c.opened(context.Background(), cold.Fid)
			if one.state == "emulating" {
				require.ErrorIs(t, err, coda.TimedOut)
				require.ErrorContains(t, err, "has not logged in")
				require.Contains(t, c.State(), "volume: emulating, because the modify log has an owner who has not logged in")
			} else {
				require.NoError(t, err)
			}
			c.mkdir("more")
			c.settle() // which is what the user does
			c.write("file", "connected")
			c.settle()
			require.NotEqual(t, "emulating", c.Volume().State)
			require.Zero(t, c.Volume().LogRecords)
			require.Equal(t, "not cached", c.read("cold"))
			synctest.Wait()
			require.Equal(t, "connected", other.read("file"))
		})
	}
}

// A restart without a log, and a new cache with one, are nothing to a volume.
func TestTokensMatterToALogAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vicetest.Start(t)
		c := start(t, s, of(coda.Coda61))
		c.warm()
		c.mkdir("one")
		c = c.restart()
		c.warm()
		require.Equal(t, "hoarding", c.Volume().State)
		c.mkdir("two")
		require.Zero(t, c.Volume().LogRecords)
		fresh := start(t, s, of(coda.Coda61))
		fresh.warm()
		fresh.Disconnect()
		fresh.mkdir("three")
		fresh.Reconnect()
		time.Sleep(2 * time.Minute)
		require.Zero(t, fresh.Volume().LogRecords)
	})
}
