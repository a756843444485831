package simdisk_test

import (
	"math/rand/v2"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/disk"
	"github.com/codastress/codastress/system/disk/simdisk"
)

// Times of modification are those of the disk's clock, also where that is set back, and do not repeat within a moment. What is written back, and when, does
// not depend on it.
func TestTheClockOfADisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrong := time.Duration(0)
		clock := func() time.Time { return time.Now().Add(wrong).Round(0) }
		d := simdisk.New()
		d.SetClock(clock)
		modified := func(d *simdisk.Disk, name string) time.Time {
			info, err := d.Stat(name)
			require.NoError(t, err)
			return info.ModTime()
		}
		f := open(t, d, "f", os.O_RDWR|os.O_CREATE)
		for _, wrong = range []time.Duration{time.Hour, -time.Hour, 0, -7 * 24 * time.Hour, 2 * time.Second, 0} {
			put(t, f, 0, []byte("a"))
			first := modified(d, "f")
			require.WithinDuration(t, clock(), first, time.Millisecond)
			put(t, f, 0, []byte("b"))
			require.True(t, modified(d, "f").After(first), "two changes of one moment")
		}

		// Thirty seconds make the contents safe, whatever the clock says meanwhile.
		require.NoError(t, disk.SyncDirectory(d, "."))
		require.NoError(t, f.Sync())
		put(t, f, 0, []byte("c"))
		contents := func(d *simdisk.Disk) string { return get(t, d, "f") }
		wrong = 24 * time.Hour
		time.Sleep(time.Second)
		modified(d, "f")
		requireOutcomes(t, d, contents, "b", "c")
		wrong = -24 * time.Hour
		time.Sleep(30 * time.Second)
		modified(d, "f")
		requireOutcomes(t, d, contents, "c")
		dark := d.LosePower(rand.New(rand.NewPCG(1, 1)))
		g := open(t, dark, "g", os.O_RDWR|os.O_CREATE)
		put(t, g, 0, []byte("g"))
		require.WithinDuration(t, clock(), modified(dark, "g"), time.Millisecond, "the clock goes over to the copy")
	})
}
