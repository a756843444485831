package venus_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
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
	disk := vfs.NewCrashableMem()
	dir := t.TempDir()
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
		// Containers first: one that is removed in between is one too many, which does no harm.
		left := freeze(t, filepath.Join(dir, "containers"))
		disk = disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: random.IntN(101), RNG: random})
		c.stop()
		require.NoError(t, os.RemoveAll(filepath.Join(dir, "containers")))
		require.NoError(t, os.Rename(left, filepath.Join(dir, "containers")))
		tear(t, filepath.Join(dir, "containers"), synced, written, random)
	}
	c := startIn(t, dir, s, use, func(c *venus.Config) { c.Dial = s.Dial })
	c.await(true)
	c.settle()
	require.Equal(t, serverTree(s), c.tree())
	for name, want := range synced {
		require.Contains(t, append(written[name], want), c.read(name))
	}
}

// freeze gives a directory with the files of dir as they are now.
func freeze(t *testing.T, dir string) string {
	t.Helper()
	frozen := dir + ".frozen"
	require.NoError(t, os.Mkdir(frozen, 0o700))
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range list {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(frozen, e.Name()), b, 0o600))
	}
	return frozen
}

// tear does to containers that were never synced what a power loss may do: their contents are gone or cut short. What was written over
// synced contents counts as synced: venus must have done that, or a power loss could take both.
func tear(t *testing.T, dir string, synced map[string]string, written map[string][]string, random *rand.Rand) {
	t.Helper()
	safe := map[string]bool{}
	for name, contents := range synced {
		safe[contents] = true
		for _, contents := range written[name] {
			safe[contents] = true
		}
	}
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range list {
		p := filepath.Join(dir, e.Name())
		b, err := os.ReadFile(p)
		require.NoError(t, err)
		if safe[string(b)] || random.IntN(2) == 0 {
			continue
		}
		require.NoError(t, os.Truncate(p, int64(random.IntN(len(b)+1))))
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
