package venus_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// What another client does to a cached directory comes with the break: nothing has to be fetched.
func TestDirectoriesChangeInPlace(t *testing.T) {
	s := vicetest.Start(t, func(c *viceConfig) { c.Timing.Lease = time.Hour })
	net := newNetwork(s)
	a := start(t, s)
	b := start(t, s, net.use, func(c *venus.Config) { c.Timing.Ping, c.Timing.Dead = time.Hour, time.Hour })
	a.mkdir("d")
	a.write("d/x", "x")
	a.settle()
	b.warm()
	d, err := b.at("d")
	require.NoError(t, err)
	net.mu.Lock()
	before := net.sent
	net.mu.Unlock()
	for i := range 300 {
		a.write(fmt.Sprint("d/", i), "")
		if i%2 == 0 {
			a.remove(fmt.Sprint("d/", i))
		}
	}
	a.rename("d/x", "d/y")
	a.settle()
	var list []coda.Entry
	require.Eventually(t, func() bool {
		list, err = b.ReadDirectory(t.Context(), d.Fid)
		return err == nil && len(list) == 151 && list[150].Name == "y"
	}, patience, time.Millisecond)
	net.mu.Lock()
	sent := net.sent - before
	net.mu.Unlock()
	require.Less(t, sent, 5000, "no fetch for each change: only acknowledgements of the transport")
}

// Clients that write in the same directories at once, over connections that break, end with the same tree, in which every
// acknowledged write is, and without conflicts: no two of them touch the same name.
func TestManyWriters(t *testing.T) {
	const writers, rounds = 3, 60
	s := vicetest.Start(t)
	clients := make([]*client, writers)
	nets := make([]*network, writers)
	for i := range clients {
		nets[i] = newNetwork(s)
		clients[i] = start(t, s, nets[i].use, func(c *venus.Config) { c.Timing.Retry = 2 * time.Millisecond })
		clients[i].warm()
	}
	clients[0].mkdir("shared")
	clients[0].settle()
	for _, c := range clients[1:] {
		require.Eventually(t, func() bool { _, err := c.at("shared"); return err == nil }, patience, time.Millisecond)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var trouble, work sync.WaitGroup
	trouble.Go(func() {
		random := rand.New(rand.NewPCG(7, 8))
		for ctx.Err() == nil {
			nets[random.IntN(writers)].cut()
			time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
		}
	})
	final := make([]map[string]string, writers)
	for i, c := range clients {
		work.Go(func() { final[i] = write(t, c, i, rounds) })
	}
	work.Wait()
	cancel()
	trouble.Wait()
	want := map[string]string{}
	for i, c := range clients {
		require.Eventually(t, func() bool { _, err := c.ForceReintegrate(t.Context()); return err == nil }, patience, time.Millisecond)
		for p, contents := range final[i] {
			want[p] = describe(1, []byte(contents))
		}
	}
	want["shared"] = "directory"
	require.Equal(t, want, serverTree(s))
	for _, c := range clients {
		require.Eventually(t, func() bool { got, err := c.tryTree(); return err == nil && fmt.Sprint(got) == fmt.Sprint(want) }, patience, 10*time.Millisecond)
		conflicts, err := c.Conflicts()
		require.NoError(t, err)
		require.Empty(t, conflicts)
	}
}

// write does one writer's work and gives the files that it must have left.
func write(t *testing.T, c *client, number, rounds int) map[string]string {
	random := rand.New(rand.NewPCG(uint64(number), 9))
	files := map[string]string{}
	try := func(f func() error) {
		for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			err := f()
			if err == nil {
				return
			}
			if coda.KindOf(err) != coda.TimedOut || time.Now().After(deadline) {
				t.Error(err)
				return
			}
		}
	}
	shared, err := c.at("shared")
	if err != nil {
		t.Error(err)
		return nil
	}
	for i := range rounds {
		name := fmt.Sprintf("writer %d file %d", number, random.IntN(10))
		_, exists := files["shared/"+name]
		switch {
		case !exists || random.IntN(3) > 0:
			contents := strings.Repeat(fmt.Sprint(number, i, " "), random.IntN(2000))
			try(func() error { return c.tryWriteIn(shared.Fid, name, contents) })
			files["shared/"+name] = contents
		case random.IntN(2) == 0:
			try(func() error { return c.Remove(t.Context(), shared.Fid, name) })
			delete(files, "shared/"+name)
		default:
			to := name + " renamed"
			try(func() error { return c.Rename(t.Context(), shared.Fid, name, shared.Fid, to, false) })
			files["shared/"+to] = files["shared/"+name]
			delete(files, "shared/"+name)
		}
	}
	return files
}
