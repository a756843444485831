package venus_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk/ailing"
	"github.com/codastress/codastress/system/disk/simdisk"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice/vicetest"
)

func (c *client) hoard(p string, priority int, extent venus.Extent) int {
	c.t.Helper()
	entries, err := c.HoardAdd(c.t.Context(), p, priority, extent)
	require.NoError(c.t, err)
	return entries
}

func (c *client) walkHoard() venus.HoardReport {
	c.t.Helper()
	report, err := c.HoardWalk(c.t.Context())
	require.NoError(c.t, err)
	return report
}

// lacking lists what is hoarded and not cached.
func (c *client) lacking() (list []string) {
	for _, s := range c.HoardVerify("") {
		if !s.Cached {
			list = append(list, s.Path)
		}
	}
	return list
}

// traveller gives a client of a server that another one has filled with a tree.
func traveller(t *testing.T, change ...func(*venus.Config)) (home, away *client, s *vicetest.Server) {
	s = vicetest.Start(t)
	home = start(t, s)
	for _, dir := range []string{"d", "d/s", "e"} {
		home.mkdir(dir)
	}
	for _, file := range []string{"x", "y", "d/1", "d/2", "d/s/3", "e/4"} {
		home.write(file, "contents of "+file)
	}
	home.symlink("d/link", "1")
	home.settle()
	away = start(t, s, change...)
	away.await(true)
	return home, away, s
}

func TestHoardedIsAtHandWithoutTheServer(t *testing.T) {
	home, c, _ := traveller(t)
	require.Equal(t, 1, c.hoard("d", 100, venus.DescendantsEver))
	require.Equal(t, 1, c.hoard("/x/", 7, venus.Exact))
	require.Equal(t, 1, c.hoard("not there yet", 7, venus.Exact))
	require.Equal(t, []venus.Hoarded{
		{Path: "d", Priority: 100, Extent: venus.DescendantsEver}, {Path: "not there yet", Priority: 7}, {Path: "x", Priority: 7},
	}, c.HoardList())

	report := c.walkHoard()
	report.Took = 0
	length := uint64(len("contents of d/1")*2 + len("contents of d/s/3") + len("contents of x"))
	require.Equal(t, venus.HoardReport{Entries: 3, Unbound: 1, Objects: 7, Fetched: 4, Bytes: length}, report)
	require.Equal(t, []string{"not there yet"}, c.lacking())

	// What comes and what changes is there after the next walk.
	home.write("d/s/new", "new")
	home.write("x", "changed")
	home.write("not there yet", "there")
	home.settle()
	require.Eventually(t, func() bool { return c.walkHoard().Unbound == 0 && len(c.lacking()) == 0 }, patience, time.Millisecond)

	c.Disconnect()
	for _, p := range []string{"d/1", "d/2", "d/s/3"} {
		require.Equal(t, "contents of "+p, c.read(p))
	}
	require.Equal(t, "new", c.read("d/s/new"))
	require.Equal(t, "changed", c.read("x"))
	require.Equal(t, "there", c.read("not there yet"))
	_, err := c.tryRead("y")
	require.ErrorIs(t, err, coda.TimedOut)
	_, err = c.HoardWalk(t.Context())
	require.NoError(t, err, "everything is there already")

	c = c.restart()
	require.Len(t, c.HoardList(), 3)
	c.Disconnect()
	require.Empty(t, c.lacking())
	require.NoError(t, c.HoardDelete("d"))
	require.ErrorIs(t, c.HoardDelete("d"), coda.NotFound)
	require.Len(t, c.HoardVerify(""), 2)
	cleared, err := c.HoardClear()
	require.NoError(t, err)
	require.Equal(t, 2, cleared)
	require.Empty(t, c.restart().HoardList())
}

// With c and d what is there now is hoarded, and nothing that comes later.
func TestHoardingWhatIsThereNow(t *testing.T) {
	home, c, _ := traveller(t)
	require.Equal(t, 5, c.hoard("d", 10, venus.Children), "d, 1, 2, link and s")
	require.Equal(t, 6, c.hoard("d", 20, venus.Descendants), "s/3, too")
	home.write("d/new", "new")
	home.settle()
	c.walkHoard()
	require.Empty(t, c.lacking())
	require.Len(t, c.HoardVerify("d"), 6)
	require.Equal(t, "d/s/3", c.HoardVerify("d/s")[1].Path)

	entries, err := c.HoardModify(t.Context(), "d/1", 500, venus.Exact)
	require.NoError(t, err)
	require.Equal(t, 1, entries)
	require.Equal(t, venus.Hoarded{Path: "d/1", Priority: 500}, c.HoardList()[0])
	_, err = c.HoardModify(t.Context(), "d/new", 500, venus.Exact)
	require.ErrorIs(t, err, coda.NotFound)
}

func TestWhatCannotBeHoarded(t *testing.T) {
	_, c, _ := traveller(t, func(c *venus.Config) { c.Limits.HoardEntries = 3 })
	for _, bad := range []venus.Hoarded{{Path: "x", Priority: 0}, {Path: "x", Priority: 1001}, {Path: "x", Priority: 1, Extent: 5}, {Path: "d/../x", Priority: 1}} {
		_, err := c.HoardAdd(t.Context(), bad.Path, bad.Priority, bad.Extent)
		require.ErrorIs(t, err, coda.Invalid, "%+v", bad)
	}
	_, err := c.HoardAdd(t.Context(), "none", 1, venus.Children)
	require.ErrorIs(t, err, coda.NotFound)
	_, err = c.HoardAdd(t.Context(), "d", 1, venus.Children)
	require.ErrorIs(t, err, coda.NoSpace)
	require.Empty(t, c.HoardList())
	for i := range 3 {
		c.hoard(fmt.Sprint(i), 1, venus.Exact)
	}
	_, err = c.HoardAdd(t.Context(), "x", 1, venus.Exact)
	require.ErrorIs(t, err, coda.NoSpace)
	c.hoard("2", 2, venus.DescendantsEver)
}

// fill has a client write some files of a kilobyte.
func (c *client) fill(prefix string, files int) {
	c.t.Helper()
	for i := range files {
		c.write(fmt.Sprint(prefix, i), kilobyte(i))
	}
}

func kilobyte(i int) string { return strings.Repeat("x", 1000) + fmt.Sprintf("%024d", i) }

// Reading much else does not take what is hoarded out of the cache, which does not grow beyond its limits for that.
func TestHoardedIsEvictedLast(t *testing.T) {
	home, c, _ := traveller(t, func(c *venus.Config) { c.Limits.CacheBytes, c.Limits.CacheObjects = 64<<10, 80 })
	home.fill("h", 20)
	home.fill("f", 120)
	home.settle()
	for i := range 20 {
		c.hoard(fmt.Sprint("h", i), 5, venus.Exact)
	}
	require.EqualValues(t, 20, c.walkHoard().Fetched)
	for i := range 120 {
		require.Equal(t, kilobyte(i), c.read(fmt.Sprint("f", i)))
	}
	require.Empty(t, c.lacking())
	require.Eventually(t, func() bool {
		v := c.Volume()
		return v.CachedBytes <= 64<<10 && v.CachedObjects <= 80
	}, patience, time.Millisecond)
	c = c.restart()
	c.await(true)
	for i := range 120 {
		require.Equal(t, kilobyte(i), c.read(fmt.Sprint("f", i)))
	}
	c.Disconnect()
	require.Empty(t, c.lacking())
	for i := range 20 {
		require.Equal(t, kilobyte(i), c.read(fmt.Sprint("h", i)))
	}
}

// More is hoarded than fits: what matters most is there, a sixteenth of the cache is left to what is not hoarded, and what does not fit gets an error.
func TestMoreIsHoardedThanFits(t *testing.T) {
	home, c, _ := traveller(t, func(c *venus.Config) { c.Limits.CacheBytes = 64 << 10 })
	home.mkdir("much")
	home.mkdir("some")
	home.fill("much/", 100)
	home.fill("some/", 30)
	home.fill("f", 3)
	home.settle()
	c.hoard("much", 10, venus.ChildrenEver)
	report := c.walkHoard()
	require.EqualValues(t, 60, report.Fetched)
	require.EqualValues(t, 40, report.Refused)
	c.hoard("some", 100, venus.ChildrenEver)
	report = c.walkHoard()
	require.EqualValues(t, 30, report.Fetched, "in the place of what is wanted less")
	require.EqualValues(t, 70, report.Refused)
	require.LessOrEqual(t, c.Volume().CachedBytes, uint64(60<<10))
	require.Zero(t, c.walkHoard().Fetched, "what is wanted as much is not driven out")
	for i := range 30 {
		require.Equal(t, kilobyte(i), c.read(fmt.Sprint("some/", i)))
	}
	for i := range 3 {
		require.Equal(t, kilobyte(i), c.read(fmt.Sprint("f", i)))
	}
	c.Disconnect()
	c.write("dirty", strings.Repeat("d", 3<<10))
	var err error
	for i := 0; i < 100 && err == nil; i++ {
		err = c.tryWrite(fmt.Sprint("dirty", i), kilobyte(i))
	}
	require.ErrorIs(t, err, coda.NoSpace)
	require.Len(t, c.HoardVerify("some"), 31)
	for _, s := range c.HoardVerify("some") {
		require.True(t, s.Cached, s.Path)
	}
	require.Len(t, c.read("dirty"), 3<<10)
}

// Where the cache becomes smaller than what is hoarded, what is wanted least goes.
func TestMoreIsHoardedThanFitsAnyLonger(t *testing.T) {
	home, c, _ := traveller(t, func(c *venus.Config) { c.Limits.CacheBytes = 64 << 10 })
	home.fill("f", 40)
	home.settle()
	for i := range 40 {
		c.hoard(fmt.Sprint("f", i), 1+i, venus.Exact)
	}
	require.EqualValues(t, 40, c.walkHoard().Fetched)
	c.cfg.Limits.CacheBytes = 32 << 10
	c = c.restart()
	c.await(true)
	require.Eventually(t, func() bool { return c.Volume().CachedBytes <= 30<<10 }, patience, time.Millisecond)
	lacking := c.lacking()
	require.Len(t, lacking, 10)
	for i := range 10 {
		require.Contains(t, lacking, fmt.Sprint("f", i))
	}
}

// A cache full of objects that cannot go refuses new ones, and nothing else.
func TestCacheFullOfObjects(t *testing.T) {
	s := vicetest.Start(t)
	c := start(t, s, func(c *venus.Config) { c.Limits.CacheObjects = 40 })
	c.warm()
	c.mkdir("hoarded")
	c.fill("hoarded/", 10)
	c.settle()
	c.hoard("hoarded", 1, venus.ChildrenEver)
	c.walkHoard()
	c.Disconnect()
	made := 0
	for err := error(nil); err == nil; made++ {
		require.Less(t, made, 40)
		if err = c.tryWrite(fmt.Sprint("f", made), kilobyte(made)); err != nil {
			require.ErrorIs(t, err, coda.NoSpace)
			break
		}
	}
	require.Greater(t, made, 20)
	require.Empty(t, c.lacking())
	c.write("f0", "others can be written to")
	c.remove("f1")
	c.write("again", "there is a place")
	c.Reconnect()
	c.await(true)
	c.fill("more", 100) // the server takes it, so that there is always a place
	c.settle()
	require.Len(t, s.Tree(), 1+1+10+made-1+1+100)
	require.Equal(t, serverTree(s), c.tree())
}

// A walk ends when its caller does not want it any more, and when venus ends.
func TestWalksEnd(t *testing.T) {
	home, c, s := traveller(t)
	home.fill("d/f", 50)
	home.settle()
	net := newNetwork(s)
	c.cfg.Dial = net.dial
	c = c.restart()
	c.await(true)
	c.hoard("d", 10, venus.ChildrenEver)
	net.hold()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	walk := func() { _, err := c.HoardWalk(ctx); ended <- err }
	go walk()
	go walk() // which waits for the first
	require.Eventually(t, func() bool {
		waiting := 0
		for _, call := range c.Calls() {
			if call.Operation == "hoard walk" || call.WaitsFor != "" {
				waiting++
			}
		}
		return waiting >= 3
	}, patience, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-ended, coda.TimedOut)
	require.ErrorIs(t, <-ended, coda.TimedOut)
	go func() { _, err := c.HoardWalk(context.WithoutCancel(ctx)); ended <- err }()
	require.Eventually(t, func() bool { return len(c.Calls()) > 0 }, patience, time.Millisecond)
	c.stop()
	require.Error(t, <-ended)
}

// Walks come by themselves while something is hoarded.
func TestWalksComeByThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vicetest.Start(t)
		use := func(c *venus.Config) { c.Disk, c.Timing = simdisk.New(), venus.Timing{} }
		home, c := startIn(t, "home", s, use), startIn(t, "away", s, use)
		home.write("x", "1")
		home.settle()
		c.await(true)
		c.hoard("x", 10, venus.Exact)
		c.hoard("y", 10, venus.Exact)
		time.Sleep(11 * time.Minute)
		require.Equal(t, []string{"y"}, c.lacking())
		home.write("x", "2")
		home.write("y", "2")
		home.settle()
		time.Sleep(11 * time.Minute)
		require.Empty(t, c.lacking())
		c.Disconnect()
		require.Equal(t, "2", c.read("x"))
		require.Equal(t, "2", c.read("y"))
	})
}

// A client that is killed, or loses its power, in the middle of a walk still has the database, and only contents that are whole. Another walk
// fetches the rest.
func TestWalkIsKilled(t *testing.T) {
	const files = 30
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 0))
				s := vicetest.Start(t)
				home := startIn(t, "home", s, func(c *venus.Config) { c.Disk, c.Timing = simdisk.New(), venus.Timing{} })
				home.mkdir("d")
				home.fill("d/", files)
				home.settle()

				disk := simdisk.New()
				use := func(boot string) func(*venus.Config) {
					return func(c *venus.Config) { c.Disk, c.Boot, c.Timing, c.Fatal = disk, boot, venus.Timing{}, func(error) {} }
				}
				c := startIn(t, "away", s, use("first"))
				c.await(true)
				c.hoard("d", 10, venus.DescendantsEver)
				var calls atomic.Int64
				at, power := 1+random.Int64N(8*files), random.IntN(2) == 0
				var left *simdisk.Disk
				crash := func() {
					if left = disk.Crash(); power {
						left = disk.LosePower(random)
					}
				}
				disk.Watch(func(ailing.Operation, string) {
					if calls.Add(1) == at {
						crash()
					}
				})
				_, err := c.HoardWalk(t.Context())
				if left == nil {
					require.NoError(t, err)
					crash()
				}
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				_ = c.Close(ctx) // its disk is gone

				disk = left
				boot := "first"
				if power {
					boot = "second"
				}
				c = startIn(t, "away", s, use(boot))
				require.Equal(t, []venus.Hoarded{{Path: "d", Priority: 10, Extent: venus.DescendantsEver}}, c.HoardList())
				c.Disconnect()
				c.await(false)
				for i := range files {
					if got, err := c.tryRead(fmt.Sprint("d/", i)); err == nil {
						require.Equal(t, kilobyte(i), got)
					}
				}
				c.Reconnect()
				c.await(true)
				c.walkHoard()
				c.Disconnect()
				for i := range files {
					require.Equal(t, kilobyte(i), c.read(fmt.Sprint("d/", i)))
				}
				require.Empty(t, c.lacking())
			})
		})
	}
}

// More objects are hoarded than the cache can hold: it stays within its limits, and who uses the volume still can.
func TestMoreObjectsAreHoardedThanFit(t *testing.T) {
	home, c, _ := traveller(t, func(c *venus.Config) { c.Limits.CacheObjects = 64 })
	home.mkdir("much")
	home.fill("much/", 200)
	home.settle()
	c.hoard("much", 10, venus.ChildrenEver)
	for range 3 {
		report := c.walkHoard()
		require.LessOrEqual(t, report.Objects, uint64(64))
		require.Eventually(t, func() bool { return c.Volume().CachedObjects <= 64 }, patience, time.Millisecond)
	}
	require.Equal(t, "contents of x", c.read("x"))
	c.write("new", "new")
	c.settle()
	at := 0
	for i := range 200 {
		if got, err := c.tryRead(fmt.Sprint("much/", i)); err == nil {
			require.Equal(t, kilobyte(i), got)
			at++
		}
	}
	require.Equal(t, 200, at)
}
