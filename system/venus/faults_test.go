package venus_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk/simdisk"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// However often the connection breaks while answers are on their way, each record is applied once.
func TestLostAnswers(t *testing.T) {
	s := vicetest.Start(t)
	net := newNetwork(s)
	c := start(t, s, net.use, func(c *venus.Config) {
		c.Timing.Retry = time.Millisecond
		c.Limits.BatchRecords = 10
	})
	c.warm()
	random := rand.New(rand.NewPCG(3, 4))
	budget := 0
	net.mu.Lock()
	net.onRead = func(n *network, bytes int) {
		n.mu.Lock()
		budget -= bytes
		cut := budget < 0
		if cut {
			budget = random.IntN(3000)
		}
		n.mu.Unlock()
		if cut {
			n.cut()
		}
	}
	net.mu.Unlock()
	for i := range 100 {
		require.Eventually(t, func() bool { return c.tryWrite(fmt.Sprint("f", i%30), fmt.Sprint(i)) == nil }, patience, time.Millisecond)
		if i%10 == 9 {
			require.Eventually(t, func() bool {
				root, err := c.Root(t.Context())
				return err == nil && c.Remove(t.Context(), root.Fid, fmt.Sprint("f", i%30)) == nil
			}, patience, time.Millisecond)
		}
	}
	net.mu.Lock()
	net.onRead = nil
	net.mu.Unlock()
	require.Eventually(t, func() bool {
		_, err := c.ForceReintegrate(t.Context())
		return err == nil
	}, patience, time.Millisecond)
	c.await(true)
	require.Equal(t, serverTree(s), c.tree())
	require.Len(t, serverTree(s), 27)
	conflicts, err := c.Conflicts()
	require.NoError(t, err)
	require.Empty(t, conflicts)
}

// A server that is killed between the commit of a batch and its answer has applied it all the same.
func TestServerIsKilled(t *testing.T) {
	s := vicetest.Start(t)
	c := start(t, s)
	c.warm()
	var wg sync.WaitGroup
	defer wg.Wait()
	stop := make(chan struct{})
	wg.Go(func() {
		defer close(stop)
		for range 5 {
			time.Sleep(20 * time.Millisecond)
			s.Kill()
			s.Start()
		}
	})
	for i := 0; ; i++ {
		require.NoError(t, c.tryWrite(fmt.Sprint("f", i%40), fmt.Sprint(i)))
		select {
		case <-stop:
		default:
			continue
		}
		break
	}
	wg.Wait()
	require.Eventually(t, func() bool { _, err := c.ForceReintegrate(t.Context()); return err == nil }, patience, time.Millisecond)
	require.Equal(t, serverTree(s), c.tree())
	conflicts, err := c.Conflicts()
	require.NoError(t, err)
	require.Empty(t, conflicts)
}

// Nothing that a client reads is older than what it was told of before: the break overtakes the answer to the fetch.
func TestBreakBeforeTheAnswer(t *testing.T) {
	s := vicetest.Start(t)
	a, b := start(t, s), start(t, s)
	a.write("x", "0")
	a.settle()
	b.warm()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for range 2 {
		wg.Go(func() {
			last := 0
			for ctx.Err() == nil {
				got, err := b.tryRead("x")
				if err != nil {
					continue
				}
				var n int
				_, _ = fmt.Sscan(got, &n)
				if n < last {
					t.Errorf("read %d after %d", n, last)
					return
				}
				last = n
			}
		})
	}
	for i := range 100 {
		a.write("x", fmt.Sprint(i))
		a.settle()
	}
	cancel()
	wg.Wait()
	require.Eventually(t, func() bool { return b.read("x") == "99" }, patience, time.Millisecond)
}

// After a power loss everything that was synced is there, and everything that is there is whole.
func TestPowerLoss(t *testing.T) {
	s := vicetest.Start(t)
	disk := simdisk.New()
	const dir = "cache"
	boot := 1
	use := func(c *venus.Config) {
		c.Disk, c.Boot = disk, fmt.Sprint("boot ", boot)
		c.Dial = nowhere
	}
	first := startIn(t, dir, s, use, func(c *venus.Config) { c.Dial = s.Dial })
	first.warm()
	first.stop()
	random := rand.New(rand.NewPCG(5, 6))
	synced := map[string]string{}
	written := map[string][]string{}
	for ; boot < 8; boot++ {
		c := startIn(t, dir, s, use)
		c.await(false)
		for name, want := range synced {
			got := c.read(name)
			require.Contains(t, append(written[name], want), got, "%s after loss of power %d", name, boot-1)
			synced[name], written[name] = got, nil // it will be there as long as nothing else is written
		}
		for i := range 60 {
			name := fmt.Sprint("f", random.IntN(20))
			contents := fmt.Sprintf("%d %d %d", boot, i, random.Uint64())
			dir, base := c.parent(name)
			_, h, err := c.Create(t.Context(), dir, base, 0o644, 0, venus.OpenFlags{Write: true, Truncate: true})
			require.NoError(t, err)
			put(t, h, 0, contents)
			if random.IntN(3) == 0 {
				require.NoError(t, h.Sync(t.Context()))
				synced[name], written[name] = contents, nil
			} else if _, ok := synced[name]; ok {
				written[name] = append(written[name], contents)
			}
			require.NoError(t, h.Close(t.Context()))
		}
		left := disk.LosePower(random)
		c.stop()
		disk = left
	}
	c := startIn(t, dir, s, use, func(c *venus.Config) { c.Dial = s.Dial })
	c.await(true)
	c.settle()
	require.Equal(t, serverTree(s), c.tree())
	for name, want := range synced {
		require.Contains(t, append(written[name], want), c.read(name))
	}
}

// A client that makes and deletes 900 files must not stand in the way of one that reads.
func TestMassDelete(t *testing.T) {
	const files = 900
	s := vicetest.Start(t)
	a, b := start(t, s), start(t, s)
	a.mkdir("web")
	a.write("page", "page")
	a.settle()
	b.warm()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for range 2 {
		wg.Go(func() {
			for ; ctx.Err() == nil; time.Sleep(time.Millisecond) {
				if got, err := b.tryRead("page"); err != nil || got != "page" {
					t.Errorf("%q, %v", got, err)
					return
				}
				if _, err := b.tryTree(); err != nil && coda.KindOf(err) != coda.NotFound {
					t.Error(err)
					return
				}
			}
		})
	}
	dir, err := a.at("web")
	require.NoError(t, err)
	seen := func(n uint64) {
		t.Helper()
		require.Eventually(t, func() bool { got, err := b.at("web"); return err == nil && got.Length == n }, patience, time.Millisecond)
	}
	for range 2 { // make, then overwrite
		for i := range files {
			require.NoError(t, a.tryWriteIn(dir.Fid, fmt.Sprint(i), fmt.Sprint("contents ", i)))
		}
	}
	seen(files)
	for i := range files {
		require.NoError(t, a.Remove(t.Context(), dir.Fid, fmt.Sprint(i)))
	}
	seen(0)
	cancel()
	wg.Wait()
	a.settle()
	require.Equal(t, serverTree(s), a.tree())
	require.Equal(t, serverTree(s), b.tree())
}
