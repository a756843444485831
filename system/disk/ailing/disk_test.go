package ailing_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/system/disk"
	"github.com/codastress/codastress/system/disk/ailing"
	"github.com/codastress/codastress/system/disk/simdisk"
)

// patient is a disk that can be made ill.
type patient interface {
	disk.FS
	SetHealth(h ailing.Health)
	Harm() ailing.Harm
}

// words are what came of calls.
type words []string

func (w *words) say(what string, n int, err error) {
	switch {
	case err == nil && n == 0:
		*w = append(*w, what)
	case err == nil:
		*w = append(*w, fmt.Sprint(what, " ", n))
	default:
		*w = append(*w, fmt.Sprint(what, " ", n, ": ", numbered(err)))
	}
}

// numbered is the number of an error: how it is put in words is the disk's affair.
func numbered(err error) error {
	if number, ok := errors.AsType[unix.Errno](err); ok {
		return number
	}
	return err
}

// prepare makes the file that is there before a disk ails.
func prepare(t *testing.T, on patient) {
	t.Helper()
	f, err := on.OpenFile("contents", os.O_RDWR|os.O_CREATE)
	require.NoError(t, err)
	_, err = f.WriteAt(make([]byte, 6000), 0)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// work makes calls of every kind, and says what came of them.
func work(t *testing.T, on patient) (said words) {
	t.Helper()
	f, err := on.OpenFile("contents", os.O_RDWR|os.O_CREATE)
	said.say("open", 0, err)
	if err == nil {
		said = append(said, workOn(f)...)
		copied, err := on.OpenFile("copy", os.O_RDWR|os.O_CREATE)
		said.say("open", 0, err)
		if err == nil {
			said.say("copy", 0, copied.CopyFrom(f))
			said.say("close", 0, copied.Close())
		}
		said.say("close", 0, f.Close())
	}
	g, err := on.Create("store", vfs.WriteCategoryUnspecified)
	said.say("create", 0, err)
	if err == nil {
		for range 3 {
			n, err := g.Write(make([]byte, 5000))
			said.say("write", n, err)
		}
		said.say("sync", 0, g.Sync())
		said.say("close", 0, g.Close())
	}
	said.say("rename", 0, on.Rename("store", "stored"))
	said.say("link", 0, on.Link("stored", "linked"))
	said.say("syncdir", 0, disk.SyncDirectory(on, "."))
	said.say("remove", 0, on.Remove("linked"))
	said.say("remove", 0, on.Remove("stored"))
	names, err := on.List(".")
	slices.Sort(names) // they come in any order
	said.say(fmt.Sprint("list ", names), 0, err)
	_, err = on.GetDiskUsage(".")
	said.say("usage", 0, err)
	return said
}

func workOn(f disk.File) (said words) {
	for i := range 4 {
		n, err := f.WriteAt(make([]byte, 6000), int64(i)*6000)
		said.say("write", n, err)
	}
	n, err := f.ReadAt(make([]byte, 100), 0)
	said.say("read", n, err)
	said.say("sync", 0, f.Sync())
	said.say("truncate", 0, f.Truncate(4000))
	n, err = f.WriteAt(make([]byte, 9000), 0)
	said.say("write", n, err)
	said.say("allocate", 0, f.Allocate(20_000))
	return said
}

// A real disk that ails does to each call what a simulated one does that ails in the same way.
func TestARealDiskAilsAsASimulatedOne(t *testing.T) {
	for name, health := range map[string]ailing.Health{
		"healthy":       {},
		"full":          {Full: true},
		"all fails":     {Failing: 1},
		"some fail":     {Failing: 0.3, Seed: 7},
		"a write":       {Call: 3, Count: 2, Refused: []ailing.Operation{ailing.Write}},
		"a sync":        {Call: 1, Count: 9, Refused: []ailing.Operation{ailing.Sync}, Err: unix.ENOSPC},
		"a create":      {Call: 2, Count: 1, Refused: []ailing.Operation{ailing.Create}},
		"a rename":      {Call: 1, Count: 1, Refused: []ailing.Operation{ailing.Rename}},
		"a copy":        {Call: 1, Count: 1, Refused: []ailing.Operation{ailing.Copy}},
		"a directory":   {Call: 1, Count: 1, Refused: []ailing.Operation{ailing.SyncDirectory}},
		"a truncation":  {Call: 1, Count: 1, Refused: []ailing.Operation{ailing.Truncate}},
		"an allocation": {Call: 1, Count: 1, Refused: []ailing.Operation{ailing.Allocate}},
		"a removal":     {Call: 2, Count: 1, Refused: []ailing.Operation{ailing.Remove}},
		"a list":        {Call: 1, Count: 1, Refused: []ailing.Operation{ailing.List}},
		"slow":          {Slowest: time.Microsecond, Seed: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir()) // paths are the same for both
			var said [2]words
			var harm [2]ailing.Harm
			for i, on := range []patient{simdisk.New(), ailing.New(disk.Real(), nil)} {
				prepare(t, on)
				on.SetHealth(health)
				said[i], harm[i] = work(t, on), on.Harm()
			}
			require.Equal(t, said[0], said[1])
			if harm[0].Calls = harm[1].Calls; name == "healthy" {
				require.Zero(t, harm[1], "calls of a healthy disk are not counted")
				return
			}
			require.Equal(t, harm[0], harm[1])
			require.NotEmpty(t, harm[1].First)
			require.Positive(t, harm[1].Calls)
		})
	}
}

// What is removed, replaced or made shorter is space again, and the disk says how much there is.
func TestAFullDiskHasTheSpaceThatIsGivenBack(t *testing.T) {
	t.Chdir(t.TempDir())
	d := ailing.New(disk.Real(), nil)
	free := func() uint64 {
		usage, err := d.GetDiskUsage(".")
		require.NoError(t, err)
		return usage.AvailBytes
	}
	make := func(name string, blocks int) error {
		f, err := d.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
		require.NoError(t, err)
		defer f.Close()
		_, err = f.WriteAt(make([]byte, blocks*4096), 0)
		return err
	}
	for _, name := range []string{"removed", "replaced", "by", "emptied", "linked"} {
		require.NoError(t, make(name, 2))
	}
	require.NoError(t, d.Link("linked", "other"))
	d.SetHealth(ailing.Health{Full: true})
	require.Zero(t, free())
	require.ErrorIs(t, make("new", 1), unix.ENOSPC)
	require.NoError(t, d.Remove("linked"), "it has another name, so that it goes on to take space")
	require.Zero(t, free())
	require.NoError(t, d.Remove("removed"))
	require.EqualValues(t, 2*4096, free())
	require.NoError(t, make("new", 2))
	require.Zero(t, free())
	require.NoError(t, d.Rename("by", "replaced"))
	require.EqualValues(t, 2*4096, free())
	require.NoError(t, make("emptied", 1))
	require.EqualValues(t, 3*4096, free())
	d.SetHealth(ailing.Health{})
	require.Greater(t, free(), uint64(1<<20))
	require.NoError(t, make("new", 200))
}

func TestAStalledDiskGoesOnWhenItIsHealed(t *testing.T) {
	t.Chdir(t.TempDir())
	d := ailing.New(disk.Real(), nil)
	f, err := d.OpenFile("f", os.O_RDWR|os.O_CREATE)
	require.NoError(t, err)
	require.True(t, f.Direct())
	d.SetHealth(ailing.Health{Stalled: true})
	require.False(t, f.Direct(), "what goes past a stalled disk would not wait")
	done := make(chan error)
	go func() { done <- f.Sync() }()
	require.Eventually(t, func() bool { return d.Harm().Stalled == 1 }, 10*time.Second, time.Millisecond)
	select {
	case <-done:
		t.Fatal("a stalled disk answers")
	case <-time.After(50 * time.Millisecond):
	}
	require.Equal(t, ailing.Harm{Calls: 1, Stalled: 1, First: "sync f"}, d.Harm())
	d.SetHealth(ailing.Health{})
	require.NoError(t, <-done)
	require.True(t, f.Direct())
	require.NoError(t, f.Close())
}

// What is kept lets the next life of a process go on with the same bad disk.
func TestTheNextLifeCountsOn(t *testing.T) {
	t.Chdir(t.TempDir())
	var kept ailing.Record
	d := ailing.New(disk.Real(), func(r ailing.Record) { kept = r })
	write := func(d *ailing.Disk) error {
		f, err := d.OpenFile("f", os.O_RDWR|os.O_CREATE)
		require.NoError(t, err)
		defer f.Close()
		_, err = f.WriteAt([]byte("x"), 0)
		return err
	}
	require.NoError(t, write(d))
	d.SetHealth(ailing.Health{Call: 3, Count: 1, Refused: []ailing.Operation{ailing.Write}})
	require.NoError(t, write(d))
	require.NoError(t, write(d))
	next := ailing.New(disk.Real(), func(r ailing.Record) { kept = r })
	next.Resume(kept)
	require.ErrorIs(t, write(next), unix.EIO, "the third write")
	require.Equal(t, 1, kept.Harm.Refused)
	require.Equal(t, 9, kept.Harm.Calls, "of both lives")
	require.NoError(t, write(next))

	d.SetHealth(ailing.Health{Full: true})
	f, err := d.OpenFile("f", os.O_RDWR)
	require.NoError(t, err)
	require.ErrorIs(t, f.Allocate(1<<20), unix.ENOSPC)
	require.NoError(t, f.Close())
	require.NoError(t, d.Remove("f"))
	next.Resume(kept)
	usage, err := next.GetDiskUsage(".")
	require.NoError(t, err)
	require.EqualValues(t, 4096, usage.AvailBytes)
	require.Equal(t, "allocate f", next.Harm().First)
}

// BenchmarkHealthy is what a disk costs that could be made to ail, next to one that could not.
func BenchmarkHealthy(b *testing.B) {
	for name, on := range map[string]disk.FS{"real": disk.Real(), "ailing": ailing.New(disk.Real(), nil)} {
		b.Run(name, func(b *testing.B) {
			f, err := on.OpenFile(filepath.Join(b.TempDir(), "f"), os.O_RDWR|os.O_CREATE)
			require.NoError(b, err)
			defer f.Close()
			page := make([]byte, 4096)
			for b.Loop() {
				if _, err := f.WriteAt(page, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
