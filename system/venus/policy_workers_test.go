package venus_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk/simdisk"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// of makes a client one of a profile, on a simulated disk and with the profile's own timing.
func of(profile coda.Profile) func(*venus.Config) {
	return func(c *venus.Config) { c.Disk, c.Timing, c.Profile = simdisk.New(), venus.Timing{}, profile }
}

// crowded is a client whose server does not answer, with operations under way that wait for it.
type crowded struct {
	*client
	network *network
	cached  coda.Fid // a file that needs nothing from the server
	waiting sync.WaitGroup
}

// crowd starts operations that wait for the server.
func crowd(t *testing.T, profile coda.Profile, operations int) *crowded {
	s := vicetest.Start(t)
	a := start(t, s, of(coda.Modern))
	a.write("page", "cached")
	for i := range operations {
		a.write(fmt.Sprintf("cold%d", i), "not cached")
	}
	a.settle()
	c := &crowded{network: newNetwork(s)}
	c.client = start(t, s, of(profile), c.network.use)
	require.Equal(t, "cached", c.read("page"))
	page, err := c.at("page")
	require.NoError(t, err)
	c.cached = page.Fid
	c.network.hold()
	for i := range operations {
		cold, err := a.at(fmt.Sprintf("cold%d", i))
		require.NoError(t, err)
		c.waiting.Go(func() {
			if h, err := c.OpenFile(t.Context(), cold.Fid, venus.OpenFlags{Read: true}); err == nil {
				_ = h.Close(t.Context())
			}
		})
	}
	synctest.Wait()
	return c
}

// open opens the cached file, and gives a channel that says when that is done.
func (c *crowded) open(ctx context.Context) <-chan error {
	done := make(chan error, 1)
	c.waiting.Go(func() {
		h, err := c.OpenFile(ctx, c.cached, venus.OpenFlags{Read: true})
		if err == nil {
			err = h.Close(ctx)
		}
		done <- err
	})
	synctest.Wait()
	return done
}

func (c *crowded) end() {
	c.network.release()
	c.waiting.Wait()
}

// In Coda, whoever opens a file that is cached waits while 20 others wait for the server: the queue that the field report hung in.
func TestCachedFilesWaitForAWorker(t *testing.T) {
	for _, profile := range []coda.Profile{coda.Coda61, coda.Coda69} {
		synctest.Test(t, func(t *testing.T) {
			c := crowd(t, profile, 25)
			opened := c.open(t.Context())
			require.Empty(t, opened)
			require.Equal(t, venus.Queue{Workers: 20, Made: 20, Busy: 20, Length: 6}, c.Queue())
			require.Contains(t, c.State(), "workers: 20 busy of 20 made, 20 at most; queue: 6 requests, the oldest for 0s")
			c.end()
			require.NoError(t, <-opened)
			require.Equal(t, venus.Queue{Workers: 20, Made: 20}, c.Queue())
		})
	}
	synctest.Test(t, func(t *testing.T) {
		c := crowd(t, coda.Modern, 25)
		require.Len(t, c.open(t.Context()), 1)
		require.Zero(t, c.Queue())
		c.end()
	})
}

// One worker less than there are is enough for what is cached.
func TestTheLastWorkerServesTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := crowd(t, coda.Coda61, 19)
		require.Len(t, c.open(t.Context()), 1)
		c.end()
	})
}

// A request that is given up is dropped as long as it has no worker. A worker is not interrupted.
func TestOnlyTheQueueIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := crowd(t, coda.Coda61, 19)
		root, err := c.Root(t.Context())
		require.NoError(t, err)
		ctx, interrupt := context.WithCancel(t.Context())
		working := make(chan error, 1)
		c.waiting.Go(func() {
			_, err := c.ReadLink(ctx, coda.NewFid(root.Fid.Volume, 1<<30, coda.Symlink))
			working <- err
		})
		synctest.Wait()
		queued := c.open(ctx)
		last := c.open(t.Context())
		require.Equal(t, 2, c.Queue().Length)
		interrupt()
		synctest.Wait()
		require.ErrorIs(t, <-queued, context.Canceled)
		require.Empty(t, working)
		require.Equal(t, 1, c.Queue().Length)
		c.end()
		require.ErrorIs(t, <-working, coda.NotFound)
		require.NoError(t, <-last)
	})
}

// Venus ends although its queue is full.
func TestVenusStopsWithAQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := crowd(t, coda.Coda61, 30)
		opened := c.open(t.Context())
		c.stop()
		require.ErrorIs(t, <-opened, coda.Closed)
		c.end()
	})
}
