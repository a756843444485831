package venus_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/disk/simdisk"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// The first fsync in a new cache holds as every other: the names of the cache's directories were never synced, so that a loss of power took
// the cache as a whole.
func TestFirstSyncOfANewCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, disk := vicetest.Start(t), simdisk.New()
		c := startIn(t, "var/cache", s, func(c *venus.Config) { c.Disk = disk })
		c.await(true)
		dir, name := c.parent("f")
		_, h, err := c.Create(t.Context(), dir, name, 0o644, 0, venus.OpenFlags{Write: true})
		require.NoError(t, err)
		put(t, h, 0, "synced")
		require.NoError(t, h.Sync(t.Context()))
		for seed := range uint64(30) {
			left := disk.LosePower(rand.New(rand.NewPCG(seed, 0)))
			again := startIn(t, "var/cache", s, func(c *venus.Config) { c.Disk, c.Boot, c.Dial = left, "next", nowhere })
			again.await(false)
			require.Equal(t, "synced", again.read("f"), seed)
			again.stop()
		}
		require.NoError(t, h.Close(t.Context()))
	})
}
