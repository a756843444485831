package venus_test

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice/vicetest"
)

func (c *client) await(up bool) {
	c.t.Helper()
	require.Eventually(c.t, func() bool { return c.Servers()[0].Up == up }, patience, time.Millisecond)
}

func TestWorkWithoutTheServer(t *testing.T) {
	s := vicetest.Start(t)
	c := start(t, s)
	c.mkdir("d")
	c.write("d/cached", "cached")
	c.write("d/gone", "gone")
	c.write("not cached", "not cached")
	c.settle()
	c.warm()
	_, _, err := c.FlushCache()
	require.NoError(t, err)
	require.Equal(t, "cached", c.read("d/cached"))
	at, err := c.at("not cached")
	require.NoError(t, err)
	s.Stop()
	c.await(false)

	require.Equal(t, "cached", c.read("d/cached"))
	_, err = c.OpenFile(t.Context(), at.Fid, venus.OpenFlags{Read: true})
	require.ErrorIs(t, err, coda.TimedOut)
	c.write("d/cached", "changed")
	for i := range 50 {
		c.write(fmt.Sprintf("d/new %d", i), fmt.Sprint(i))
	}
	c.remove("d/gone")
	c.rename("d", "e")
	_, err = c.ForceReintegrate(t.Context())
	require.ErrorIs(t, err, coda.TimedOut)

	// A restart without the server finds the cache and the log.
	c = c.restart()
	want := map[string]string{"e/cached": "changed", "e/new 7": "7"}
	for p, contents := range want {
		require.Equal(t, contents, c.read(p))
	}
	_, err = c.at("e/gone")
	require.ErrorIs(t, err, coda.NotFound)
	require.NotZero(t, c.Volume().LogRecords)
	c.write("e/after", "restart")

	s.Start()
	c.await(true)
	c.settle()
	require.Len(t, serverTree(s), 54)
	require.Equal(t, serverTree(s), c.tree())
	require.Equal(t, serverTree(s), start(t, s).tree())
}

func TestDisconnectAndReconnect(t *testing.T) {
	s := vicetest.Start(t)
	a, b := start(t, s), start(t, s)
	a.write("x", "1")
	a.settle()
	a.warm()
	b.warm()
	a.Disconnect()
	b.write("x", "2")
	b.write("y", "y")
	b.settle()
	require.Equal(t, "1", a.read("x"), "out of reach, the cache is used")
	_, err := a.at("y")
	require.ErrorIs(t, err, coda.NotFound)
	a.Reconnect()
	a.await(true)
	require.Equal(t, "2", a.read("x"), "once the server is back, the cache is validated before it is used")
	require.Equal(t, "y", a.read("y"))
}

func TestOpenWithoutTheServer(t *testing.T) {
	s := vicetest.Start(t)
	start(t, s).await(true)
	s.Stop()
	c := start(t, s)
	c.await(false)
	_, err := c.Root(t.Context())
	require.ErrorIs(t, err, coda.TimedOut)
	s.Start()
	c.await(true)
	c.write("x", "x")
	c.settle()
}

// A server that takes connections and says nothing is found out, and then nobody waits for it.
func TestSilentServer(t *testing.T) {
	s := vicetest.Start(t)
	net := newNetwork(s)
	c := start(t, s, net.use)
	c.write("x", "x")
	c.write("y", "y")
	c.settle()
	_, _, err := c.FlushCache()
	require.NoError(t, err)
	require.Equal(t, "x", c.read("x"))
	at, err := c.at("y")
	require.NoError(t, err)
	c.cfg.Timing.Dead, c.cfg.Timing.Connect = 300*time.Millisecond, 300*time.Millisecond
	c = c.restart()
	c.await(true)
	require.Equal(t, "x", c.read("x"))
	net.hold()
	// With a valid promise nothing is asked of the server, even before anybody knows that it is gone.
	require.Equal(t, "x", c.read("x"))
	c.await(false)
	require.Equal(t, "x", c.read("x"))
	c.write("z", "z")
	_, err = c.OpenFile(t.Context(), at.Fid, venus.OpenFlags{Read: true})
	require.ErrorIs(t, err, coda.TimedOut)
	net.release()
	c.settle()
	require.Eventually(t, func() bool { got, err := c.tryTree(); return err == nil && maps.Equal(got, serverTree(s)) }, patience, time.Millisecond)
}

// A caller's deadline ends its wait, and the request goes on for those who come later.
func TestDeadlineOfACall(t *testing.T) {
	s := vicetest.Start(t)
	net := newNetwork(s)
	a, c := start(t, s), start(t, s, net.use, func(c *venus.Config) { c.Timing.Dead, c.Timing.Connect = patience, patience })
	a.write("x", "x")
	a.settle()
	c.await(true)
	_, err := c.Root(t.Context())
	require.NoError(t, err)
	net.hold()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	root, err := c.Root(ctx)
	require.NoError(t, err)
	_, err = c.Lookup(ctx, root.Fid, "x")
	require.ErrorIs(t, err, coda.TimedOut)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	net.release()
	require.Equal(t, "x", c.read("x"))
}

// When the lease has run out while the server counts as there, nothing is used before the server has been asked.
func TestLeaseRunsOut(t *testing.T) {
	s := vicetest.Start(t, func(c *viceConfig) { c.Timing.Lease = 100 * time.Millisecond })
	net := newNetwork(s)
	a := start(t, s)
	c := start(t, s, net.use, func(c *venus.Config) { c.Timing.Ping, c.Timing.Dead = 20*time.Millisecond, patience })
	a.write("x", "1")
	a.settle()
	require.Eventually(t, func() bool { got, _ := c.tryRead("x"); return got == "1" }, patience, time.Millisecond)
	net.hold()
	a.write("x", "2")
	a.settle()
	time.Sleep(200 * time.Millisecond) // the lease itself is what is waited for
	read := make(chan string, 1)
	go func() {
		got, _ := c.tryRead("x")
		read <- got
	}()
	select {
	case got := <-read:
		t.Fatalf("the cache was used without a lease: %q", got)
	case <-time.After(100 * time.Millisecond):
	}
	net.release()
	require.Equal(t, "2", <-read)
}
