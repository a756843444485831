package venus_test

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/disk"
	"github.com/codastress/codastress/system/vice"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// A server that comes back with an older state, as from a backup, is believed: clients show what it has, and wait for nothing newer.
func TestServerGoesBack(t *testing.T) {
	dir, backup := filepath.Join(t.TempDir(), "vice"), t.TempDir()
	s := vicetest.Start(t, func(c *vice.Config) { c.Disk, c.Dir = disk.Real(), dir })
	a, b := start(t, s), start(t, s)
	a.mkdir("d")
	a.write("d/changed", "before")
	a.write("d/removed", "")
	a.settle()
	b.warm()
	a.warm()
	before := serverTree(s)

	s.Stop()
	require.NoError(t, os.CopyFS(backup, os.DirFS(dir)))
	s.Start()
	a.await(true)
	a.write("d/changed", "after")
	a.remove("d/removed")
	a.write("d/made", "")
	a.settle()
	require.Eventually(t, func() bool { got, err := b.tryTree(); return err == nil && maps.Equal(got, serverTree(s)) }, patience, time.Millisecond)

	s.Stop()
	require.NoError(t, os.RemoveAll(dir))
	require.NoError(t, os.CopyFS(dir, os.DirFS(backup)))
	for range 2 { // so that no session has the number of one of before
		s.Start()
		s.Stop()
	}
	s.Start()
	for _, c := range []*client{a, b} {
		require.Eventually(t, func() bool { got, err := c.tryTree(); return err == nil && maps.Equal(got, before) }, patience, time.Millisecond)
	}
	a.write("d/changed", "again")
	a.settle()
	require.Equal(t, serverTree(s), a.tree())
}
