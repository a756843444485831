package venus_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk/simdisk"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// replicas are the servers of a replicated volume.
type replicas []*vicetest.Server

// paths are one client's ways to the replicas, each with a network of its own.
type paths struct {
	*client
	nets []*network
	shut []atomic.Bool // connections are refused
}

// client starts a client of the volume with a simulated disk and the timing of real use.
func (s replicas) client(t testing.TB, change ...func(*venus.Config)) *paths {
	t.Helper()
	p := &paths{shut: make([]atomic.Bool, len(s))}
	use := func(c *venus.Config) {
		c.Disk, c.Timing, c.Servers = simdisk.New(), venus.Timing{}, nil
		for slot, server := range s {
			p.nets = append(p.nets, newNetwork(server))
			c.Servers = append(c.Servers, venus.Server{Address: strconv.Itoa(slot)})
		}
		c.Dial = p.dial
	}
	p.client = startIn(t, "cache", s[0], append([]func(*venus.Config){use}, change...)...)
	return p
}

func (p *paths) dial(ctx context.Context, address string) (net.Conn, error) {
	slot, err := strconv.Atoi(address)
	if err != nil {
		return nil, err
	}
	if p.shut[slot].Load() {
		return nil, errors.New("cut off")
	}
	return p.nets[slot].dial(ctx, address)
}

// cut cuts the client off from some servers.
func (p *paths) cut(slots ...int) {
	for _, slot := range slots {
		p.shut[slot].Store(true)
		p.nets[slot].cut()
	}
}

// mend ends a cut.
func (p *paths) mend(slots ...int) {
	for _, slot := range slots {
		p.shut[slot].Store(false)
	}
}

// meets waits until the client has sessions with just these servers.
func (p *paths) meets(slots ...int) {
	p.t.Helper()
	want := make([]bool, len(p.nets))
	for _, slot := range slots {
		want[slot] = true
	}
	require.Eventually(p.t, func() bool {
		for slot, s := range p.Servers() {
			if s.Up != want[slot] {
				return false
			}
		}
		return true
	}, time.Minute, time.Millisecond)
}

// equal waits until all servers have the same volume, versions included. What they do about what they have heard of each other takes some seconds.
func (s replicas) equal(t require.TestingT) {
	var first map[string]coda.Status
	for range 60 {
		first = alike(s[0].Tree())
		if !slices.ContainsFunc(s[1:], func(server *vicetest.Server) bool { return !maps.Equal(first, alike(server.Tree())) }) {
			return
		}
		time.Sleep(time.Second)
	}
	for slot, server := range s[1:] {
		require.Equal(t, first, alike(server.Tree()), "of the server in slot %d", slot+1)
	}
}

// alike leaves out what may differ: all of what is inconsistent but the mark, and which update of a directory was the last.
func alike(tree map[string]coda.Status) map[string]coda.Status {
	for path, s := range tree {
		switch {
		case s.Inconsistent:
			s = coda.Status{Fid: s.Fid, Inconsistent: true}
		case s.Kind == coda.Directory:
			s.Version.Store = coda.StoreID{}
		}
		tree[path] = s
	}
	return tree
}

// What a client writes is on all servers, with equal versions, and others see it.
func TestReplicasAreWrittenToTogether(t *testing.T) {
	for n := 2; n <= 3; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := replicas(vicetest.StartReplicas(t, n))
				a, b := s.client(t), s.client(t)
				a.mkdir("d")
				a.write("d/x", "one")
				a.settle()
				require.Equal(t, "one", b.read("d/x"))
				b.write("d/x", "two")
				b.write("d/y", "")
				b.settle()
				synctest.Wait()
				require.Equal(t, "two", a.read("d/x"))
				a.rename("d/x", "z")
				a.remove("d/y")
				a.settle()
				synctest.Wait()
				_, err := b.at("d/x")
				require.ErrorIs(t, err, coda.NotFound)
				require.Equal(t, "two", b.read("z"))
				s.equal(t)
				require.Equal(t, serverTree(s[0]), a.tree())
				require.Equal(t, serverTree(s[0]), b.tree())
				require.Empty(t, must(a.Conflicts()))
			})
		})
	}
}

// Whoever reaches a replica that has missed an update, and one that has not, sees the update.
func TestTheNewestReplicaIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := replicas(vicetest.StartReplicas(t, 3))
		a, b, c := s.client(t), s.client(t), s.client(t)
		a.write("x", "old")
		a.settle()
		require.Equal(t, "old", b.read("x"))
		a.cut(2)
		a.meets(0, 1)
		a.write("x", "new")
		a.write("y", "made")
		a.settle()
		synctest.Wait()
		require.Equal(t, "new", b.read("x"), "which has old contents of all replicas")
		require.Equal(t, "made", b.read("y"))
		require.Equal(t, "new", c.read("x"), "which has nothing yet")
		require.Equal(t, "made", c.read("y"))

		// What has been seen is not unseen where only the old replica can be reached; who has not seen it sees what is there.
		d := s.client(t)
		for _, p := range []*paths{b, d} {
			p.cut(0, 1)
			p.meets(2)
		}
		require.Equal(t, "new", b.read("x"))
		d.mend(0, 1)
		d.meets(0, 1, 2)
		require.Equal(t, "new", d.read("x"))
		require.Equal(t, "made", d.read("y"))
	})
}

// A replica that has gone silent delays nobody for longer than it takes to notice that, and nothing that is cached.
func TestAFrozenReplicaIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := replicas(vicetest.StartReplicas(t, 3))
		a, b := s.client(t), s.client(t)
		a.write("x", "cached")
		a.write("y", "to be fetched")
		a.settle()
		require.Equal(t, "cached", b.read("x"))
		detection := venus.TimingOf(coda.Modern).Dead + time.Second
		time.Sleep(time.Second)
		for _, p := range []*paths{a, b} {
			p.nets[1].hold()
		}
		took := func(what string, most time.Duration, do func()) {
			begin := time.Now()
			do()
			require.LessOrEqual(t, time.Since(begin), most, what)
		}
		took("a read of what is cached", 0, func() { require.Equal(t, "cached", b.read("x")) })
		took("a read of what is not", detection, func() { require.Equal(t, "to be fetched", b.read("y")) })
		took("a write", 0, func() { a.write("x", "written") })
		took("its reintegration", detection+venus.TimingOf(coda.Modern).Grace, a.settle)
		took("a read of that", detection, func() { require.Equal(t, "written", b.read("x")) })
		took("another write", time.Second, func() { a.write("x", "again"); a.settle() })
		took("another read", time.Second, func() { synctest.Wait(); require.Equal(t, "again", b.read("x")) })
		for _, p := range []*paths{a, b} {
			p.nets[1].release()
			p.meets(0, 1, 2)
		}
		require.Equal(t, "again", b.read("x"))
	})
}

// With all servers gone, what is cached is used, and what is written is sent when one of them is back.
func TestAllReplicasAreGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := replicas(vicetest.StartReplicas(t, 2))
		a, b := s.client(t), s.client(t)
		a.write("x", "old")
		a.settle()
		time.Sleep(time.Second) // the servers know of each other's updates
		a.cut(0, 1)
		a.meets()
		require.Equal(t, "unreachable", a.Volume().State)
		require.Equal(t, "old", a.read("x"))
		a.write("x", "new")
		a.mend(1)
		a.meets(1)
		require.Equal(t, "reachable", a.Volume().State)
		a.settle()
		require.Equal(t, "new", b.read("x"))
		a.mend(0)
		a.meets(0, 1)
		require.Equal(t, "new", a.read("x"))
	})
}

// Two clients on both sides of a split go on without each other. When it is over everybody sees what both have done; what both have done to the same
// file is a conflict for all, and blocks nothing else.
func TestASplitVolume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := replicas(vicetest.StartReplicas(t, 2))
		a, b := s.client(t), s.client(t)
		a.mkdir("d")
		a.write("d/both", "old")
		a.write("d/one", "old")
		a.settle()
		require.Equal(t, a.tree(), b.tree())
		time.Sleep(90 * time.Second)
		s[0].CutOff(true)
		a.cut(1)
		b.cut(0)
		a.meets(0)
		b.meets(1)
		for name, p := range map[string]*paths{"a": a, "b": b} {
			p.write("d/"+name, "made by "+name)
			p.write("d/both", "written by "+name)
			p.settle()
			require.Equal(t, "written by "+name, p.read("d/both"))
		}
		a.write("d/one", "written by a")
		a.settle()
		require.Equal(t, "old", b.read("d/one"))

		s[0].CutOff(false)
		a.mend(1)
		b.mend(0)
		a.meets(0, 1)
		b.meets(0, 1)
		time.Sleep(time.Minute)
		s.equal(t)
		one := "written by a"
		for _, p := range []*paths{a, b, s.client(t)} {
			require.Equal(t, "made by a", p.read("d/a"))
			require.Equal(t, "made by b", p.read("d/b"))
			require.Equal(t, one, p.read("d/one"))
			link, err := p.at("d/both")
			require.NoError(t, err)
			require.Equal(t, coda.Symlink, link.Kind)
			require.True(t, coda.IsConflictTarget(link.Target), link.Target)
			one = "written after " + one
			p.write("d/one", one)
			p.settle()
			synctest.Wait() // the others have the break
		}
	})
}

// A client that sees both sides of a split between servers waits for nobody without a bound, and what differs is an error rather than one side's version.
func TestServersThatDoNotSeeEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := replicas(vicetest.StartReplicas(t, 2))
		a, b, c := s.client(t), s.client(t), s.client(t)
		a.write("x", "old")
		a.write("y", "same")
		a.settle()
		require.Equal(t, "same", c.read("y"))
		time.Sleep(90 * time.Second)
		s[0].CutOff(true)
		a.cut(1)
		b.cut(0)
		a.meets(0)
		b.meets(1)
		a.write("x", "written by a")
		b.write("x", "written by b")
		a.settle()
		b.settle()
		synctest.Wait()
		begin := time.Now()
		_, err := c.tryRead("x")
		require.ErrorIs(t, err, coda.TimedOut)
		require.Less(t, time.Since(begin), 30*time.Second)
		require.Equal(t, "same", c.read("y"))
		s[0].CutOff(false)
		time.Sleep(30 * time.Second)
		link, err := c.at("x")
		require.NoError(t, err)
		require.True(t, coda.IsConflictTarget(link.Target), link.Target)
	})
}

// A client that ends while a batch has reached some of the replicas sends it to all of them again, and each applies it once.
func TestABatchIsSentAgainToAllReplicas(t *testing.T) {
	for _, cutoff := range []time.Duration{0, 100 * time.Millisecond, 3 * time.Second, 10 * time.Second} {
		t.Run(cutoff.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := replicas(vicetest.StartReplicas(t, 3))
				a, b := s.client(t), s.client(t)
				a.mkdir("d")
				a.write("d/x", "old")
				a.settle()
				require.Equal(t, "old", b.read("d/x"))
				time.Sleep(time.Minute + 300*time.Millisecond)
				a.nets[1].hold()
				a.write("d/x", "new")
				a.write("d/y", "made")
				a.remove("d/y")
				a.rename("d/x", "d/z")
				time.Sleep(cutoff)
				a.client = a.restart()
				a.nets[1].release()
				a.meets(0, 1, 2)
				a.settle()
				synctest.Wait()
				for _, p := range []*paths{a, b} {
					require.Equal(t, "new", p.read("d/z"))
					_, err := p.at("d/x")
					require.ErrorIs(t, err, coda.NotFound)
					require.Empty(t, must(p.Conflicts()))
				}
				s.equal(t)
			})
		})
	}
}
