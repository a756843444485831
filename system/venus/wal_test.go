package venus_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/disk/ailing"
	"github.com/codastress/codastress/system/disk/simdisk"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// A loss of power just before a long log is synced leaves holes in it. Pebble found in what was behind a hole that all of it had been synced, took the hole
// for damage, and the cache could not be opened any more.
func TestAHoleInTheLog(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			s, disk := vicetest.Start(t), simdisk.New()
			use := func(c *venus.Config) { c.Disk, c.Boot, c.Timing = disk, "first", venus.Timing{} }
			c := startIn(t, "cache", s, use)
			c = c.restart() // a new cache has an older log
			c.warm()
			require.NoError(t, c.Sync(t.Context()))
			c.Disconnect()
			for i := range 800 {
				c.mkdir(fmt.Sprintf("directory-%d", i))
			}
			var left *simdisk.Disk
			disk.Watch(func(op ailing.Operation, path string) {
				if op == ailing.Sync && strings.HasSuffix(path, ".log") && left == nil {
					left = disk.LosePower(rand.New(rand.NewPCG(seed, 0)))
				}
			})
			require.NoError(t, c.Sync(t.Context()))
			disk.Watch(nil)
			require.NotNil(t, left)
			disk = left
			c.stop()
			again := startIn(t, "cache", s, use, func(c *venus.Config) { c.Boot = "next" })
			again.await(true)
			again.settle()
			require.Equal(t, serverTree(s), again.tree(), "seed %d", seed)
		})
	}
}
