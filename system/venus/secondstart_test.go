package venus_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/disk/ailing"
	"github.com/codastress/codastress/system/disk/simdisk"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// liveAlone starts a client that reaches no server, kills it, and gives the disk that it leaves.
func liveAlone(t *testing.T, s *vicetest.Server, on *simdisk.Disk, use func(*venus.Config)) *simdisk.Disk {
	t.Helper()
	alone := startIn(t, "cache", s, use, func(c *venus.Config) {
		c.Dial = func(context.Context, string) (net.Conn, error) { return nil, errors.New("cut off") }
	})
	left := on.Crash()
	alone.stop()
	return left
}

// What a loss of power left is looked at before it is used also where venus has been started, and killed, since. The second start took it for contents of its
// own run of the operating system, in which nothing can be missing.
func TestASecondStartAfterALossOfPower(t *testing.T) {
	contents := strings.Repeat("contents", 1500) // of several blocks
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) {
			s, disk := vicetest.Start(t), simdisk.New()
			use := func(c *venus.Config) { c.Disk, c.Boot, c.Timing = disk, "first", venus.Timing{} }
			next := func(c *venus.Config) { c.Disk, c.Boot, c.Timing = disk, "next", venus.Timing{} }
			c := startIn(t, "cache", s, use)
			c.write("file", contents)
			c.settle()
			require.NoError(t, c.Sync(t.Context())) // of all but the contents
			disk = disk.LosePower(rand.New(rand.NewPCG(seed, 0)))
			c.stop()
			disk = liveAlone(t, s, disk, next)
			again := startIn(t, "cache", s, next)
			again.await(true)
			require.Equal(t, contents, again.read("file"), "seed %d", seed)
			h := again.open("file", venus.OpenFlags{Write: true})
			put(t, h, int64(len(contents)), " and more")
			require.NoError(t, h.Close(t.Context()))
			again.settle()
			require.Equal(t, describe(1, []byte(contents+" and more")), serverTree(s)["file"], "seed %d", seed)
		})
	}
}

// So it is in the log, where the first start after the loss of power ended before it had read that.
func TestAStartThatFailsAfterALossOfPower(t *testing.T) {
	contents := strings.Repeat("contents", 1500)
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) {
			s, disk := vicetest.Start(t), simdisk.New()
			use := func(c *venus.Config) { c.Disk, c.Boot, c.Timing = disk, "first", venus.Timing{} }
			c := startIn(t, "cache", s, use)
			c.write("file", "old")
			c.settle()
			c.Disconnect()
			c.write("file", contents)
			c.write("other", "synced")
			h := c.open("other", venus.OpenFlags{Write: true})
			require.NoError(t, h.Sync(t.Context())) // and with it the log
			require.NoError(t, h.Close(t.Context()))
			disk = disk.LosePower(rand.New(rand.NewPCG(seed, 0)))
			c.stop()
			refused := disk.Inject(simdisk.Fault{Operation: ailing.List, Path: "cache/containers"})
			cfg := c.cfg
			cfg.Disk, cfg.Boot = disk, "next"
			_, err := venus.Open(t.Context(), cfg)
			require.Error(t, err)
			require.Positive(t, disk.Heal(refused))
			again := startIn(t, "cache", s, use, func(c *venus.Config) { c.Boot = "next" })
			again.await(true)
			again.settle()
			require.Contains(t, []string{"old", contents}, again.read("file"), "seed %d", seed)
			require.Contains(t, []any{describe(1, []byte("old")), describe(1, []byte(contents))}, serverTree(s)["file"], "seed %d", seed)
		})
	}
}
