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

// A client that was cut off, as by being frozen, while another changed a file serves the old contents no longer than the lease of its promises after
// it is back (DESIGN.md section 10).
func TestStaleContentsEndWithinTheLease(t *testing.T) {
	const lease = 10 * time.Second
	for _, away := range []time.Duration{time.Second, 5 * time.Second, time.Minute} {
		t.Run(away.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := vicetest.Start(t)
				net := newNetwork(s)
				onDisk := func(c *venus.Config) { c.Disk, c.Timing = simdisk.New(), venus.Timing{} }
				writer := startIn(t, "writer", s, onDisk)
				reader := startIn(t, "reader", s, net.use, onDisk)
				writer.write("x", "old")
				writer.settle()
				require.Equal(t, "old", reader.read("x"))
				net.hold()
				writer.write("x", "new")
				time.Sleep(away)
				net.release()
				back := time.Now()
				for reader.read("x") != "new" {
					require.Less(t, time.Since(back), lease)
					time.Sleep(time.Millisecond)
				}
				t.Logf("away for %v, it served the old contents for %v", away, time.Since(back))
			})
		})
	}
}
