package venus_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// opened opens a file, and gives a channel that says when that is done.
func (c *client) opened(ctx context.Context, f coda.Fid) <-chan error {
	return later(func() error {
		h, err := c.OpenFile(ctx, f, venus.OpenFlags{Read: true})
		if err == nil {
			err = h.Close(ctx)
		}
		return err
	})
}

// crowdedVolume is a client of a profile with a cached and an uncached file, whose server does not answer and which has one operation under way that
// waits for it.
func crowdedVolume(t *testing.T, profile coda.Profile, test func(c *client, n *network, page coda.Fid, slow <-chan error)) {
	synctest.Test(t, func(t *testing.T) {
		s := vicetest.Start(t)
		a := start(t, s, of(coda.Modern))
		a.write("page", "cached")
		a.write("cold", "not cached")
		a.settle()
		n := newNetwork(s)
		c := start(t, s, of(profile), n.use)
		require.Equal(t, "cached", c.read("page"))
		page, cold := must(c.at("page")), must(c.at("cold"))
		n.hold()
		test(c, n, page.Fid, c.opened(context.Background(), cold.Fid))
	})
}

// In Coda a volume goes to another state only when nobody is in it. Until then nobody else is let in: one who waits for the server keeps those waiting
// who need nothing but the cache.
func TestTransitionsWaitUntilTheVolumeIsEmpty(t *testing.T) {
	for _, profile := range []coda.Profile{coda.Coda61, coda.Coda69} {
		crowdedVolume(t, profile, func(c *client, n *network, page coda.Fid, slow <-chan error) {
			require.NoError(t, <-c.opened(context.Background(), page))
			c.Lead(venus.Unreachable)
			ctx, interrupt := context.WithCancel(context.Background())
			waits, gone := c.opened(context.Background(), page), c.opened(ctx, page)
			time.Sleep(5 * time.Second)
			require.Empty(t, waits)
			require.Empty(t, gone)
			require.Contains(t, c.State(), "1 in it, 2 wait until it is "+c.Words(venus.Unreachable)+", which is pending for 5s")
			require.Contains(t, c.State(), "waits for the 1 who are in the volume to leave it")
			interrupt()
			require.ErrorIs(t, <-gone, context.Canceled)
			require.Empty(t, waits)
			n.release()
			require.NoError(t, <-slow)
			require.NoError(t, <-waits)
		})
	}
}

// Today the state is what it is, and nobody waits for it.
func TestTransitionsOfTodayWaitForNobody(t *testing.T) {
	crowdedVolume(t, coda.Modern, func(c *client, n *network, page coda.Fid, slow <-chan error) {
		c.Lead(venus.Unreachable)
		require.Equal(t, "unreachable", c.Volume().State)
		require.NoError(t, <-c.opened(context.Background(), page))
		require.Empty(t, slow)
		n.release()
		require.NoError(t, <-slow)
	})
}

// A venus ends although its volume is not empty.
func TestVenusStopsWithAPendingTransition(t *testing.T) {
	crowdedVolume(t, coda.Coda61, func(c *client, n *network, page coda.Fid, slow <-chan error) {
		c.Lead(venus.Unreachable)
		waits := c.opened(context.Background(), page)
		c.stop()
		require.ErrorIs(t, <-waits, coda.Closed)
		require.Error(t, <-slow)
		n.release()
	})
}

// The volume has the states of its profile, in the words of its time.
func TestVolumeStates(t *testing.T) {
	for _, one := range []struct {
		profile                              coda.Profile
		connected, disconnected, withRecords string
	}{
		{coda.Coda61, "hoarding", "emulating", "logging"},
		{coda.Coda69, "reachable", "unreachable", "reachable"},
		{coda.Modern, "reachable", "unreachable", "reachable"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := vicetest.Start(t)
			c := start(t, s, of(one.profile))
			c.warm()
			require.Equal(t, one.connected, c.Volume().State)
			c.Disconnect()
			require.Equal(t, one.disconnected, c.Volume().State)
			c.write("file", "logged")
			require.Equal(t, one.disconnected, c.Volume().State)
			n := c.Volume()
			require.EqualValues(t, 2, n.LogRecords)
			require.EqualValues(t, len("logged"), n.LogBytes)
			c.Reconnect()
			require.Eventually(t, func() bool { return c.Volume().State == one.withRecords }, 5*time.Second, 10*time.Millisecond)
			time.Sleep(3 * time.Minute)
			require.Zero(t, c.Volume().LogRecords)
			require.Equal(t, one.connected, c.Volume().State)
			require.Contains(t, c.State(), "volume: "+one.connected)
		})
	}
}

// Up to 6.1, what is changed while a log is left goes to its end, also by those who came into the volume when there was none.
func TestALoggingVolumeIsConnectedAgainWhenItsLogIsEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vicetest.Start(t)
		c := start(t, s, of(coda.Coda61))
		c.warm()
		c.Disconnect()
		c.mkdir("first")
		c.Reconnect()
		time.Sleep(30 * time.Second)
		require.Equal(t, "logging", c.Volume().State)
		c.mkdir("second")
		require.EqualValues(t, 2, c.Volume().LogRecords)
		time.Sleep(2 * time.Minute)
		require.Equal(t, "hoarding", c.Volume().State)
		c.mkdir("third")
		require.Zero(t, c.Volume().LogRecords)
	})
}
