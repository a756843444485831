package simdisk_test

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/system/disk"
	"github.com/codastress/codastress/system/disk/ailing"
	"github.com/codastress/codastress/system/disk/simdisk"
)

func TestFaults(t *testing.T) {
	d := simdisk.New()
	create := func(name string) error {
		f, err := d.OpenFile(name, os.O_RDWR|os.O_CREATE)
		if err != nil {
			return err
		}
		return f.Close()
	}
	i := d.Inject(simdisk.Fault{Operation: ailing.Create, Path: "dir/[bc]*", Skip: 1, Count: 2, Err: unix.ENOSPC})
	require.NoError(t, d.MkdirAll("dir", 0o700))
	require.NoError(t, create("dir/a"), "another path")
	require.NoError(t, create("dir/b1"), "the first is skipped")
	require.ErrorIs(t, create("dir/b2"), unix.ENOSPC)
	require.Equal(t, 1, d.Hits(i))
	require.ErrorIs(t, create("dir/c"), unix.ENOSPC)
	require.NoError(t, create("dir/c"), "two are enough")
	require.Equal(t, 2, d.Heal(i))

	d.Inject(simdisk.Fault{Operation: ailing.Rename, Path: "b"})
	require.ErrorIs(t, d.Rename("dir/a", "dir/b"), unix.EIO, "by its last element")
	require.Equal(t, "", get(t, d, "dir/a"), "it did not happen")
	c := d.Crash()
	require.ErrorIs(t, c.Rename("dir/a", "dir/b"), unix.EIO, "the fault has gone over to the copy")
	require.NoError(t, d.Rename("dir/a", "dir/b"))
}

// A sync that fails leaves in doubt what it was to save.
func TestAFailedSync(t *testing.T) {
	d := simdisk.New()
	f := open(t, d, "f", os.O_RDWR|os.O_CREATE)
	require.NoError(t, disk.SyncDirectory(d, "."))
	put(t, f, 0, []byte("text"))
	d.Inject(simdisk.Fault{Operation: ailing.Sync, Count: 1})
	require.ErrorIs(t, f.Sync(), unix.EIO)
	requireOutcomes(t, d, func(d *simdisk.Disk) string { return get(t, d, "f") }, "", "text")
}

func TestAFailedWriteWritesHalf(t *testing.T) {
	d := simdisk.New()
	f := open(t, d, "f", os.O_RDWR|os.O_CREATE)
	d.Inject(simdisk.Fault{Operation: ailing.Write, Count: 1})
	n, err := f.WriteAt([]byte("abcdef"), 0)
	require.ErrorIs(t, err, unix.EIO)
	require.Equal(t, 3, n)
	require.Equal(t, "abc", get(t, d, "f"))
}

func TestCapacity(t *testing.T) {
	d := simdisk.New()
	d.SetCapacity(10 * 4096)
	f := open(t, d, "f", os.O_RDWR|os.O_CREATE)
	n, err := f.Write(make([]byte, 12*4096))
	require.ErrorIs(t, err, unix.ENOSPC)
	require.Equal(t, 10*4096, n, "as much as fits")
	put(t, f, 0, []byte("what is there can be written over"))
	usage, err := d.GetDiskUsage("f")
	require.NoError(t, err)
	require.Zero(t, usage.AvailBytes)
	require.NoError(t, d.Remove("f"))
	require.EqualValues(t, 10*4096, d.Used(), "it is open")
	require.NoError(t, f.Close())
	require.Zero(t, d.Used())

	b := open(t, d, "ballast", os.O_RDWR|os.O_CREATE)
	require.NoError(t, b.Allocate(9*4096))
	require.ErrorIs(t, b.Allocate(11*4096), unix.ENOSPC)
	put(t, b, 0, make([]byte, 9*4096))
	require.EqualValues(t, 9*4096, d.Used())
	require.EqualValues(t, 9*4096, d.Crash().Used())
	require.NoError(t, b.Truncate(0))
	require.Zero(t, d.Used())
}

func TestFreezeAndLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := simdisk.New()
		d.SetLatency(simdisk.Latency{Sync: time.Minute, Write: time.Second})
		f := open(t, d, "f", os.O_RDWR|os.O_CREATE)
		start := time.Now()
		put(t, f, 0, []byte("text"))
		require.NoError(t, f.Sync())
		require.Equal(t, 61*time.Second, time.Since(start))
		d.Freeze()
		done := make(chan error)
		go func() { done <- disk.SyncDirectory(d, ".") }()
		time.Sleep(time.Hour)
		select {
		case <-done:
			t.Fatal("a frozen disk answers")
		default:
		}
		require.Equal(t, "text", get(t, d.Crash(), "f"), "the copy is not frozen")
		d.Thaw()
		require.NoError(t, <-done)
	})
}

// What nobody has synced is written back after some time.
func TestWriteback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := simdisk.New()
		f := open(t, d, "f", os.O_RDWR|os.O_CREATE)
		put(t, f, 0, []byte("text"))
		file := func(d *simdisk.Disk) string { return get(t, d, "f") }
		requireOutcomes(t, d, file, "none", "", "text")
		time.Sleep(time.Minute)
		_, err := d.Stat("f")
		require.NoError(t, err)
		requireOutcomes(t, d, file, "text")
	})
}

// Disks that hold the same files share their bytes.
func TestEqualContentsAreShared(t *testing.T) {
	const files, size, disks = 500, 80_000, 4
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	var all []*simdisk.Disk
	for range disks {
		d := simdisk.New()
		for i := range files {
			f := open(t, d, fmt.Sprint(i), os.O_RDWR|os.O_CREATE)
			put(t, f, 0, bytes.Repeat([]byte(fmt.Sprintf("file %05d", i)), size/10))
			require.NoError(t, f.Close())
		}
		all = append(all, d)
	}
	taken := heap() - before
	require.Less(t, taken, int64(files*size*3/2), "%d disks with %d bytes each", disks, files*size)
	t.Logf("%d disks with %.1f MB each take %.1f MB", disks, files*size/1e6, float64(taken)/1e6)
	runtime.KeepAlive(all)
}

// TestHarm counts the calls that a disk refuses, delays or keeps, and none that it does not.
func TestHarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := simdisk.New()
		f := open(t, d, "dir-less", os.O_RDWR|os.O_CREATE)
		harm := func(h ailing.Health, calls func()) ailing.Harm {
			d.SetHealth(h)
			require.Zero(t, d.Harm(), "a new health has done nothing yet")
			calls()
			return d.Harm()
		}
		write := func() {
			_, err := f.WriteAt(make([]byte, 4096), 0)
			require.NoError(t, err)
		}
		require.Equal(t, ailing.Harm{Calls: 1}, harm(ailing.Health{}, write))
		require.Equal(t, ailing.Harm{Calls: 1}, harm(ailing.Health{Full: true}, write), "the block is there already")
		require.Equal(t, ailing.Harm{Calls: 2, Refused: 1, First: "write dir-less"}, harm(ailing.Health{Full: true}, func() {
			write()
			_, err := f.WriteAt(make([]byte, 4096), 4096)
			require.ErrorIs(t, err, unix.ENOSPC)
		}))
		require.Equal(t, ailing.Harm{Calls: 2, Refused: 1, First: "write dir-less"}, harm(ailing.Health{Failing: 1}, func() {
			_, err := d.Stat("dir-less")
			require.NoError(t, err)
			_, err = f.Write([]byte("x"))
			require.ErrorIs(t, err, unix.EIO)
		}))
		begun := time.Now()
		slow := harm(ailing.Health{Slowest: time.Second}, func() {
			write()
			require.NoError(t, f.Sync())
		})
		require.Equal(t, ailing.Harm{Calls: 2, Delayed: 2, Longer: time.Since(begun), First: "write dir-less"}, slow)
		stalled := ailing.Harm{Calls: 1, Stalled: 1, First: "sync dir-less"}
		done := make(chan error)
		require.Equal(t, stalled, harm(ailing.Health{Stalled: true}, func() {
			go func() { done <- f.Sync() }()
			synctest.Wait()
		}), "a call that still waits")
		left := d.Crash()
		require.Equal(t, stalled, left.Harm(), "what a crash leaves counts on")
		require.NoError(t, <-done, "the disk of a process that is gone ails no more")
		require.Zero(t, d.Harm())
	})
}

// TestChosenCallsFail refuses the calls that were chosen, among those of their kind, and no others.
func TestChosenCallsFail(t *testing.T) {
	d := simdisk.New()
	f := open(t, d, "f", os.O_RDWR|os.O_CREATE)
	outcomes := func(f disk.File, rounds int) (failed []string) {
		for i := range rounds {
			if _, err := f.WriteAt([]byte("x"), 0); err != nil {
				failed = append(failed, fmt.Sprint(i, " ", err))
			}
			if err := f.Sync(); err != nil {
				failed = append(failed, fmt.Sprint(i, " ", err))
			}
		}
		return failed
	}
	d.SetHealth(ailing.Health{Call: 3, Count: 2, Refused: []ailing.Operation{ailing.Sync}, Err: unix.ENOSPC})
	require.Equal(t, []string{"2 sync f: no space left on device", "3 sync f: no space left on device"}, outcomes(f, 6))
	require.Equal(t, ailing.Harm{Calls: 12, Refused: 2, First: "sync f"}, d.Harm())
	d.SetHealth(ailing.Health{Call: 3, Count: 2}) // of all reads, writes and syncs
	require.Equal(t, []string{"1 write f: input/output error", "1 sync f: input/output error"}, outcomes(f, 4))
	d.SetHealth(ailing.Health{Call: 5, Count: 1, Refused: []ailing.Operation{ailing.Write}})
	require.Empty(t, outcomes(f, 3))
	g := open(t, d.Crash(), "f", os.O_RDWR)
	require.Equal(t, []string{"1 write f: input/output error"}, outcomes(g, 3), "what a crash leaves counts on")
}
