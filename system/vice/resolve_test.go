package vice_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk/simdisk"
	"github.com/codastress/codastress/system/vice"
	"github.com/codastress/codastress/system/vice/vicetest"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// requireEqual fails the test if replicas differ in anything.
func requireEqual(t *testing.T, servers []*vicetest.Server) {
	t.Helper()
	for _, s := range servers {
		s.CheckSound()
	}
	for _, s := range servers[1:] {
		require.Equal(t, treeOf(servers[0]), treeOf(s))
	}
}

// treeOf is a server's tree without the store ids of directories: replicas that have applied the same updates in different orders differ in them.
func treeOf(s *vicetest.Server) map[string]coda.Status {
	tree := s.Tree()
	for path, status := range tree {
		if status.Kind == coda.Directory {
			status.Version.Store = coda.StoreID{}
			tree[path] = status
		}
	}
	return tree
}

// A replica that has missed the new mode of a directory gets it, although it has what set the time of the directory after that.
func TestMissedModeOfADirectory(t *testing.T) {
	servers := vicetest.StartReplicas(t, 2, unhurried, smallLimits)
	clients := clientsOf(servers, 1)
	first := clients[0].Log()
	dir := first.MakeDirectory(clients[0].Root, "dir")
	for _, c := range clients {
		first.At(c).Apply()
		first.At(c).COP2(0, 1)
	}
	mode := clients[0].Log()
	mode.Add(coda.SetAttributes{Fid: dir, Mode: new(uint32(0o700))})
	mode.At(clients[0]).Apply()
	mode.At(clients[0]).COP2(0)
	later := clients[0].Log()
	later.Add(coda.SetAttributes{Fid: dir, Modified: new(coda.Time(1))})
	for _, c := range clients {
		later.At(c).Apply()
		later.At(c).COP2(0, 1)
	}
	resolve(t, clients[1], 3)
	requireEqual(t, servers)
	require.Equal(t, uint32(0o700), treeOf(servers[1])["dir"].Mode)
}

// resolve has one replica resolve the root, which takes everything unsettled along.
func resolve(t *testing.T, c *vicetest.Client, slots uint32) {
	t.Helper()
	for _, r := range c.Resolve(c.Root) {
		require.Equal(t, vicepb.Resolution_OUTCOME_EQUAL, r.Outcome, "%s", r.Why)
		require.Equal(t, slots, r.Slots, "%s", r.Why)
	}
}

// A replica that was away gets what it has missed: new objects, contents of every size, renames, removals.
func TestMissedUpdates(t *testing.T) {
	servers := vicetest.StartReplicas(t, 3, unhurried, smallLimits)
	clients := clientsOf(servers, 1)
	root := clients[0].Root
	first := clients[0].Log()
	dir := first.MakeDirectory(root, "dir")
	gone, goneVersion := first.Create(dir, "gone")
	moved, movedVersion := first.Create(dir, "moved")
	movedVersion = first.Store(moved, movedVersion, data(1, 5000))
	empty := first.MakeDirectory(root, "empty")
	for _, c := range clients {
		first.At(c).Apply()
		first.At(c).COP2(0, 1, 2)
	}
	requireEqual(t, servers)
	second := clients[0].Log()
	second.Add(coda.Remove{Parent: dir, Name: "gone", Fid: gone, Base: goneVersion})
	second.Add(coda.Rename{FromParent: dir, FromName: "moved", ToParent: root, ToName: "here", Fid: moved})
	second.Add(coda.RemoveDirectory{Parent: root, Name: "empty", Fid: empty})
	for i, size := range []int{0, 10, 3000} {
		f, v := second.Create(dir, fmt.Sprint(i))
		second.Store(f, v, data(byte(i), size))
	}
	second.Store(moved, movedVersion, data(9, 7000))
	for _, c := range clients[:2] {
		second.At(c).Apply()
		second.At(c).COP2(0, 1)
	}
	resolve(t, clients[2], 7)
	requireEqual(t, servers)
	got, err := clients[2].Fetch(moved)
	require.NoError(t, err)
	require.Equal(t, data(9, 7000), got.Data)
	servers[2].LosePower(1)
	servers[2].Start()
	requireEqual(t, servers)
}

// Updates that did not see each other: names merge, contents conflict, and what was changed is not lost to a removal.
func TestUpdatesThatDidNotSeeEachOther(t *testing.T) {
	servers := vicetest.StartReplicas(t, 2, unhurried, smallLimits)
	clients := clientsOf(servers, 1)
	others := clientsOf(servers, 2)
	root := clients[0].Root
	first := clients[0].Log()
	both, bothVersion := first.Create(root, "both")
	removed, removedVersion := first.Create(root, "removed")
	filled := first.MakeDirectory(root, "filled")
	apart := first.MakeDirectory(root, "apart")
	together := first.MakeDirectory(root, "together")
	for _, c := range clients {
		first.At(c).Apply()
		first.At(c).COP2(0, 1)
	}
	mine := clients[0].Log()
	mine.Create(root, "mine")
	mine.Create(root, "same")
	mine.Store(both, bothVersion, data(1, 2000))
	mine.Store(removed, removedVersion, data(1, 50))
	child, _ := mine.Create(filled, "child")
	mine.Add(coda.Rename{FromParent: root, FromName: "apart", ToParent: together, ToName: "apart", Fid: apart})
	mine.Apply()
	yours := others[1].Log()
	yours.Create(root, "yours")
	yours.Create(root, "same")
	yours.Store(both, bothVersion, data(2, 60))
	yours.Add(coda.Remove{Parent: root, Name: "removed", Fid: removed, Base: removedVersion})
	yours.Add(coda.RemoveDirectory{Parent: root, Name: "filled", Fid: filled})
	yours.Add(coda.Rename{FromParent: root, FromName: "together", ToParent: apart, ToName: "together", Fid: together})
	yours.Apply()
	resolve(t, others[1], 3)
	resolve(t, others[0], 3)
	servers[0].CheckSound()
	servers[1].CheckSound()
	a, b := servers[0].Tree(), servers[1].Tree()
	for path, s := range a {
		if s.Fid == both {
			require.True(t, s.Inconsistent)
			require.NotEqual(t, s.Digest, b[path].Digest, "each keeps its own")
			require.Equal(t, s.Version.Slots, b[path].Version.Slots)
			s.Version, s.Length, s.Digest, s.Modified = b[path].Version, b[path].Length, b[path].Digest, b[path].Modified
		}
		require.Equal(t, s, b[path], path)
	}
	require.Len(t, b, len(a))
	require.True(t, a["removed"].Inconsistent)
	require.EqualValues(t, 50, a["removed"].Length)
	require.Equal(t, child, a["filled/child"].Fid)
	require.Contains(t, a, "mine")
	require.Contains(t, a, "yours")
	require.Contains(t, a, "same")
}

// A conflict outlives what the servers keep of its updates: one that has forgotten them has not superseded the other's version.
func TestConflictOutlivesItsSettlement(t *testing.T) {
	for range 5 {
		servers := vicetest.StartReplicas(t, 2, func(c *vice.Config) { c.Timing.COP2 = 100 * time.Millisecond })
		mine, yours := clientsOf(servers, 1), clientsOf(servers, 2)
		first := mine[0].Log()
		f, version := first.Create(mine[0].Root, "file")
		for _, c := range mine {
			first.At(c).Apply()
			first.At(c).COP2(0, 1)
		}
		for i, c := range []*vicetest.Client{mine[0], yours[1]} {
			log := c.Log()
			log.Store(f, version, data(byte(i), 100))
			log.Apply()
		}
		settled := func() bool {
			return servers[0].Vice().Unsettled() == 0 && servers[1].Vice().Unsettled() == 0 && mine[0].Status(f).Inconsistent && mine[1].Status(f).Inconsistent
		}
		require.Eventually(t, settled, callTime, 5*time.Millisecond)
		for i, c := range []*vicetest.Client{mine[0], yours[1]} {
			got, err := c.Fetch(f)
			require.NoError(t, err)
			require.Equal(t, data(byte(i), 100), got.Data, "each keeps its own")
		}
		for _, s := range servers {
			s.CheckSound()
			s.Stop()
		}
	}
}

// Servers settle by themselves what is unsettled, and then keep nothing of it.
func TestServersSettleByThemselves(t *testing.T) {
	servers := vicetest.StartReplicas(t, 3, func(c *vice.Config) { c.Timing.COP2 = 200 * time.Millisecond })
	clients := clientsOf(servers, 1)
	log := clients[0].Log()
	f, v := log.Create(clients[0].Root, "file")
	log.Store(f, v, data(1, 100))
	log.At(clients[1]).Apply()
	log.At(clients[2]).Apply()
	defer func() {
		if t.Failed() {
			for _, s := range servers {
				t.Log(s.Vice().State())
			}
		}
	}()
	require.Eventually(t, func() bool {
		for _, s := range servers {
			if s.Vice().Unsettled() > 0 || len(s.Tree()) != 2 {
				return false
			}
		}
		return true
	}, callTime, 10*time.Millisecond)
	requireEqual(t, servers)
}

// A replica that has lost its disk is filled, and nobody loses anything to it.
func TestReplicaThatLostItsDisk(t *testing.T) {
	servers := vicetest.StartReplicas(t, 2, smallLimits, func(c *vice.Config) { c.Timing.COP2 = 200 * time.Millisecond })
	clients := clientsOf(servers, 1)
	log := clients[0].Log()
	dir := log.MakeDirectory(clients[0].Root, "dir")
	for i := range 20 {
		f, v := log.Create(dir, fmt.Sprint(i))
		log.Store(f, v, data(byte(i), i*200))
	}
	for _, c := range clients {
		log.At(c).Apply()
		log.At(c).COP2(0, 1)
	}
	settled := func() bool { return servers[0].Vice().Unsettled() == 0 && servers[1].Vice().Unsettled() == 0 }
	require.Eventually(t, settled, callTime, 10*time.Millisecond)
	before := servers[0].Tree()
	servers[1].Kill()
	servers[1].LoseDisk()
	servers[1].Start()
	clients[1].Reconnect()
	require.Eventually(t, func() bool { return len(servers[1].Tree()) == len(before) }, callTime, 10*time.Millisecond)
	require.Equal(t, before, servers[0].Tree())
	requireEqual(t, servers)
}

// A server that has lost its disk does not know any more which numbers it had granted. It grants none of them again, and takes what clients make of them.
func TestNumbersOfAServerThatLostItsDisk(t *testing.T) {
	servers := vicetest.StartReplicas(t, 2, smallLimits, func(c *vice.Config) { c.Timing.COP2 = 200 * time.Millisecond })
	clients := clientsOf(servers, 1)
	both := func(log *vicetest.Log) {
		for _, c := range clients {
			log.At(c).Apply()
			log.At(c).COP2(0, 1)
		}
	}
	log := clients[1].Log()
	log.Create(clients[1].Root, "before")
	both(log)
	given := clients[1].NewFid(coda.File)
	servers[1].Kill()
	servers[1].LoseDisk()
	servers[1].Start()
	clients[1].Reconnect()
	require.Eventually(t, func() bool { return len(servers[1].Tree()) == 2 }, callTime, 10*time.Millisecond)
	log = clients[1].Log()
	log.Add(coda.Create{Parent: clients[1].Root, Name: "given before", Fid: given})
	both(log)
	granted := map[coda.Fid]bool{given: true}
	for _, status := range servers[0].Tree() {
		granted[status.Fid] = true
	}
	anew := servers[1].Client(2)
	for range 100 {
		f := anew.NewFid(coda.File)
		require.False(t, granted[f], "%v is granted again", f)
	}
	requireEqual(t, servers)
}

// A batch that another replica has brought is not applied again when the client sends it after all.
func TestBatchThatCameFromAnotherReplica(t *testing.T) {
	servers := vicetest.StartReplicas(t, 2, unhurried)
	clients := clientsOf(servers, 1)
	log := clients[0].Log()
	f, v := log.Create(clients[0].Root, "file")
	v = log.Store(f, v, data(1, 100))
	log.Add(coda.Rename{FromParent: clients[0].Root, FromName: "file", ToParent: clients[0].Root, ToName: "moved", Fid: f})
	log.At(clients[0]).Apply()
	resolve(t, clients[1], 3)
	servers[1].LosePower(3)
	servers[1].Start()
	clients[1].Reconnect()
	for range 2 {
		log.At(clients[1]).Apply()
	}
	for _, c := range clients {
		log.At(c).COP2(0, 1)
	}
	for range 5 {
		for _, s := range servers {
			require.NoError(t, s.Vice().Settle(t.Context()))
		}
	}
	requireEqual(t, servers)
	require.Zero(t, servers[0].Vice().Unsettled()+servers[1].Vice().Unsettled())
	require.Contains(t, servers[1].Tree(), "moved")
	next := clients[0].Log()
	next.Store(f, v, data(2, 50))
	for _, c := range clients {
		next.At(c).Apply()
		next.At(c).COP2(0, 1)
	}
	requireEqual(t, servers)
}

// Ten thousand updates that a replica has missed are back soon, while a client works.
func TestManyMissedUpdates(t *testing.T) {
	servers := vicetest.StartReplicas(t, 2, unhurried)
	clients := clientsOf(servers, 1)
	root := clients[0].Root
	for range 10 {
		log := clients[0].Log()
		dir := log.MakeDirectory(root, fmt.Sprint(len(servers[0].Tree())))
		for i := range 500 {
			f, v := log.Create(dir, fmt.Sprint(i))
			log.Store(f, v, data(byte(i), 4096))
		}
		log.Apply()
		log.COP2(0)
	}
	other := clientsOf(servers, 2)[1]
	work := other.Log()
	dir := work.MakeDirectory(root, "work")
	work.Apply()
	ctx, cancel := context.WithCancel(t.Context())
	worked := make(chan time.Duration)
	go func() {
		var longest time.Duration
		for ctx.Err() == nil {
			log := other.Log()
			log.Create(dir, fmt.Sprint(len(log.Records), time.Now().UnixNano()))
			began := time.Now()
			log.Apply()
			longest = max(longest, time.Since(began))
		}
		worked <- longest
	}()
	began := time.Now()
	require.NoError(t, servers[1].Vice().JoinFrom(ctx, 0))
	t.Logf("joined in %v", time.Since(began))
	cancel()
	t.Logf("a client was held up for %v", <-worked)
	require.NoError(t, servers[0].Vice().JoinFrom(t.Context(), 1))
	require.NoError(t, servers[1].Vice().JoinFrom(t.Context(), 0))
	requireEqual(t, servers)
}

// Who waits for a resolution does not wait for a server that takes connections and says nothing, as behind a network that swallows everything.
func TestAResolutionWaitsForNoConnectionThatIsNotMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := vicetest.StartReplicas(t, 2, func(c *vice.Config) { c.Disk = simdisk.New() })
		servers[0].Stop()
		servers[0].Configure(func(c *vice.Config) {
			c.Replication.Peers[1].Connection.Dialer = func(context.Context, string) (net.Conn, error) {
				here, there := net.Pipe()
				go func() { _, _ = io.Copy(io.Discard, there) }() // until this end is closed
				return here, nil
			}
		})
		servers[0].Start()
		began := time.Now()
		for _, r := range servers[0].Client(1).Resolve(coda.RootFid(1)) {
			require.EqualValues(t, 1, r.Slots, "%s", r.Why)
		}
		require.Less(t, time.Since(began), time.Second) // of virtual time
	})
}
