package venus_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/disk/simdisk"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// Contents that were flushed before the log is forced out are on the server when that returns, or newer ones. It used to return when there was
// no older record any more, although the record of these contents had only been taken back for that of newer ones, which were not sent yet.
func TestForcedLogHasWhatTookItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vicetest.Start(t)
		net := newNetwork(s)
		c := startIn(t, "cache", s, net.use, func(c *venus.Config) { c.Disk, c.Timing = simdisk.New(), venus.Timing{} })
		c.warm()
		dir, name := c.parent("f")
		net.hold()
		c.write("first", "")
		time.Sleep(100 * time.Millisecond) // it is on its way, and what follows is not
		c.write("f", "old")
		forced := make(chan error, 1)
		go func() { _, err := c.ForceReintegrate(t.Context()); forced <- err }()
		synctest.Wait()
		_, h, err := c.Create(t.Context(), dir, name, 0o644, 0, venus.OpenFlags{Write: true, Truncate: true})
		require.NoError(t, err)
		put(t, h, 0, "newer")
		require.NoError(t, h.Flush(t.Context())) // and not closed: it is not sent at once
		net.release()
		require.NoError(t, <-forced)
		require.Contains(t, s.Tree(), "f")
		require.EqualValues(t, 5, s.Tree()["f"].Length)
		require.NoError(t, h.Close(t.Context()))
	})
}
