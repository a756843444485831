package venus_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk"
	"github.com/codastress/codastress/system/disk/ailing"
	"github.com/codastress/codastress/system/disk/simdisk"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// A write of the metadata that the disk refuses is fatal, wherever it happens, and nothing that was acknowledged is lost by it.
func TestRefusedWriteOfMetadata(t *testing.T) {
	for _, fault := range []simdisk.Fault{
		{Operation: ailing.Write, Path: "cache/journal/journal-*"},
		{Operation: ailing.Write, Path: "cache/meta/*.log"},
		{Operation: ailing.Sync, Path: "cache/meta/*.log"},
	} {
		t.Run(fmt.Sprint(fault.Operation, " ", fault.Path), func(t *testing.T) {
			s := vicetest.Start(t)
			before := simdisk.New()
			var after *simdisk.Disk
			var once sync.Once
			died := make(chan error, 1)
			c := startIn(t, "cache", s, func(c *venus.Config) {
				c.Disk = before
				c.Fatal = func(err error) {
					once.Do(func() { after = before.Crash(); died <- err })
				}
			})
			c.write("x", "acknowledged")
			i := before.Inject(fault)
			acknowledged := 0
			for ; ; acknowledged++ {
				require.NoError(t, c.tryWrite(fmt.Sprint(acknowledged), fmt.Sprint(acknowledged)))
				require.NoError(t, c.Sync(t.Context()))
				if len(died) > 0 {
					break // what was acknowledged since may be on the old disk only
				}
			}
			require.ErrorIs(t, <-died, unix.EIO)
			c.stop()
			after.Heal(i)
			again := startIn(t, "cache", s, func(c *venus.Config) { c.Disk = after })
			again.await(true)
			require.Equal(t, "acknowledged", again.read("x"))
			for j := range acknowledged {
				require.Equal(t, fmt.Sprint(j), again.read(fmt.Sprint(j)))
			}
		})
	}
}

// A client whose disk refuses some calls, at random, ends where it must, and tells the application where it can. What it has promised is there
// when the disk is healthy again.
func TestFailingDisk(t *testing.T) {
	for i := range *seeds / 3 {
		seed := *firstSeed + uint64(i)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLife(t, seed)
				for range 3 {
					l.suffer()
				}
				l.client.settle()
				require.Equal(t, serverTree(l.server), l.client.tree())
				l.promises.sent(l.promises.now())
				l.judge(clientKilled, l.seen())
			})
		})
	}
}

// suffer lets workers work while the disk refuses calls, until they are through or the client has ended.
func (l *life) suffer() {
	var left *simdisk.Disk
	crash := &fall{take: func() {
		l.dead.Store(true)
		l.wire.cut()
		left = l.disk.Crash()
	}}
	l.crash.Store(crash)
	fault := l.disk.Inject(simdisk.Fault{Skip: l.random.IntN(300), Count: 1 + l.random.IntN(5)})
	var workers sync.WaitGroup
	for w := range 1 + l.random.IntN(3) {
		worker := worker{life: l, id: w, client: l.client, random: rand.New(rand.NewPCG(l.random.Uint64(), 0))}
		steps := 10 + l.random.IntN(30)
		workers.Go(func() { worker.work(steps) })
	}
	workers.Wait()
	if l.random.IntN(2) == 0 && !l.dead.Load() {
		// It goes on to live, and to send what it has.
		l.disk.Heal(fault)
		l.client.settle()
		l.judge(clientKilled, l.seen())
	}
	crash.now()
	l.stopped()
	left.Heal(fault)
	l.recover(left, false)
}

// stopped waits until the client is gone.
func (l *life) stopped() {
	l.t.Helper()
	require.NoError(l.t, l.client.Close(l.t.Context()))
}

// A full disk is an error of the call that needs space. The client lives on, and what it has acknowledged stays.
func TestFullDisk(t *testing.T) {
	s := vicetest.Start(t)
	d := simdisk.New()
	c := startIn(t, "cache", s, func(c *venus.Config) { c.Disk = d })
	c.warm()
	want := map[string]string{}
	random := rand.New(rand.NewPCG(7, 8))
	for round := range 20 {
		full := 0
		if round%2 == 0 {
			d.SetCapacity(d.Used())
		}
		// One call is refused, or the disk is full for as long as it takes until somebody is told.
		var refusals []*simdisk.Injection
		for _, op := range []ailing.Operation{ailing.Create, ailing.Write, ailing.Copy, ailing.Truncate, ailing.Allocate, ailing.Rename} {
			refusals = append(refusals, d.Inject(simdisk.Fault{Operation: op, Skip: random.IntN(20), Count: 1, Err: unix.ENOSPC}))
		}
		for i := 0; i < 20 || round%2 == 0 && full == 0; i++ {
			name, text := fmt.Sprint("f", random.IntN(10)), fmt.Sprint(round, " ", i)
			err := c.tryWrite(name, text)
			if err == nil {
				want[name] = text
				continue
			}
			require.True(t, disk.NoSpace(err) || coda.KindOf(err) == coda.NoSpace, "%v", err)
			full++
			delete(want, name) // the old contents, or the new ones, or none
		}
		d.SetCapacity(0)
		for _, i := range refusals {
			d.Heal(i)
		}
		require.Eventually(t, func() bool { return c.tryWrite("room", "again") == nil }, patience, time.Millisecond)
		for name, text := range want {
			require.Equal(t, text, c.read(name))
		}
	}
	c.settle()
	require.Equal(t, serverTree(s), c.tree())
	c = c.restart()
	c.await(true)
	for name, text := range want {
		require.Equal(t, text, c.read(name))
	}
}

// A flush that cannot see whether there is anything to flush must not say that all is well.
func TestFlushOfContentsThatCannotBeLookedAt(t *testing.T) {
	s := vicetest.Start(t)
	d := simdisk.New()
	c := startIn(t, "cache", s, func(c *venus.Config) { c.Disk = d })
	c.write("x", "old")
	h := c.open("x", venus.OpenFlags{Write: true})
	put(t, h, 0, "new")
	i := d.Inject(simdisk.Fault{Operation: ailing.Stat, Path: "cache/containers/*"})
	require.ErrorIs(t, h.Flush(t.Context()), coda.IO)
	d.Heal(i)
	require.NoError(t, h.Flush(t.Context()))
	require.NoError(t, h.Close(t.Context()))
	require.Equal(t, "new", c.read("x"))
}

// Contents that could not be read when the last writer left are read later: the log must not stop at them.
func TestContentsThatCannotBeReadAtTheEnd(t *testing.T) {
	s := vicetest.Start(t)
	d := simdisk.New()
	c := startIn(t, "cache", s, func(c *venus.Config) { c.Disk = d })
	c.write("x", "")
	c.settle()
	h := c.open("x", venus.OpenFlags{Write: true})
	long := strings.Repeat("long ", 100_000) // its digest is worked out at the end
	put(t, h, 0, long)
	require.NoError(t, h.Flush(t.Context()))
	i := d.Inject(simdisk.Fault{Operation: ailing.Read, Path: "cache/containers/*"})
	require.ErrorIs(t, h.Close(t.Context()), coda.IO)
	c.mkdir("behind")
	d.Heal(i)
	c.settle()
	require.Equal(t, serverTree(s), c.tree())
}
