package venus_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice/vicetest"
)

func TestEviction(t *testing.T) {
	s := vicetest.Start(t)
	a := start(t, s)
	kilobyte := strings.Repeat("x", 1024)
	for i := range 120 {
		a.write(fmt.Sprint("f", i), kilobyte+fmt.Sprint(i))
	}
	a.settle()
	c := start(t, s, func(c *venus.Config) { c.Limits.CacheBytes, c.Limits.CacheObjects = 64<<10, 80 })
	open := c.open("f0", venus.OpenFlags{Read: true})
	for i := range 120 {
		require.Equal(t, kilobyte+fmt.Sprint(i), c.read(fmt.Sprint("f", i)))
	}
	got, err := contents(open)
	require.NoError(t, err)
	require.Equal(t, kilobyte+"0", got)
	require.NoError(t, open.Close(t.Context()))
	small := func() bool {
		v := c.Volume()
		return v.CachedBytes <= 64<<10 && v.CachedObjects <= 80
	}
	require.Eventually(t, small, 2*time.Second, time.Millisecond, "%+v", c.State())
	require.Eventually(t, func() bool { return diskUse(t, c) <= 70<<10 }, patience, time.Millisecond)
	c = c.restart()
	c.await(true)
	require.Equal(t, serverTree(s), c.tree())
	require.Eventually(t, small, patience, time.Millisecond)

	objects, bytes, err := c.FlushCache()
	require.NoError(t, err)
	require.NotZero(t, objects)
	require.NotZero(t, bytes)
	require.Zero(t, c.Volume().CachedBytes)
	require.Eventually(t, func() bool { return diskUse(t, c) == 0 }, patience, time.Millisecond)
}

// diskUse is what the containers of a client take.
func diskUse(t *testing.T, c *client) (sum int64) {
	list, err := os.ReadDir(filepath.Join(c.cfg.Dir, "containers"))
	require.NoError(t, err)
	for _, e := range list {
		if info, err := e.Info(); err == nil {
			sum += info.Size()
		}
	}
	return sum
}

func TestFullCache(t *testing.T) {
	s := vicetest.Start(t)
	c := start(t, s, func(c *venus.Config) { c.Limits.CacheBytes, c.Limits.LogRecords = 10_000, 20 })
	c.warm()
	c.Disconnect()
	c.write("x", strings.Repeat("x", 12_000))
	require.ErrorIs(t, c.tryWrite("y", "y"), coda.NoSpace)
	require.ErrorIs(t, c.tryWrite("x", "smaller"), coda.NoSpace)
	require.Equal(t, 12_000, len(c.read("x")))
	c.remove("x")
	c.write("y", "y")
	for i := 0; ; i++ {
		err := c.tryWrite(fmt.Sprint("z", i), "")
		if err != nil {
			require.ErrorIs(t, err, coda.NoSpace)
			break
		}
		require.Less(t, i, 20)
	}
	c.Reconnect()
	c.await(true)
	c.settle()
	c.write("x", "room again")
	c.settle()
	require.Equal(t, serverTree(s), c.tree())
}
