package vice_test

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/vice"
	"github.com/codastress/codastress/system/vice/vicetest"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// clientsOf gives one client of all replicas: a connection to each.
func clientsOf(servers []*vicetest.Server, number uint64) []*vicetest.Client {
	list := make([]*vicetest.Client, len(servers))
	for i, s := range servers {
		list[i] = s.Client(number)
	}
	return list
}

// unhurried leaves it to the test when servers settle something.
func unhurried(c *vice.Config) { c.Timing.COP2 = time.Hour }

func TestReplicasBeginEqual(t *testing.T) {
	servers := vicetest.StartReplicas(t, 3, unhurried)
	clients := clientsOf(servers, 1)
	granted := map[coda.Fid]bool{}
	for slot, c := range clients {
		reply, err := c.Vice.Volume(t.Context(), &vicepb.VolumeRequest{Name: vicetest.Volume})
		require.NoError(t, err)
		require.EqualValues(t, slot, reply.Slot)
		require.EqualValues(t, 3, reply.Replicas)
		require.Equal(t, clients[0].Status(c.Root), c.Status(c.Root))
		for range 3 {
			f := c.NewFid(coda.File)
			require.False(t, granted[f])
			granted[f] = true
			parsed, err := coda.ParseFid(f.String())
			require.NoError(t, err)
			require.Equal(t, f, parsed)
		}
	}
	alone := vicetest.Start(t).Client(1)
	reply, err := alone.Vice.Volume(t.Context(), &vicepb.VolumeRequest{Name: vicetest.Volume})
	require.NoError(t, err)
	require.Zero(t, reply.Slot)
	require.Zero(t, reply.Replicas)
	require.Zero(t, alone.Status(alone.Root).Digest)
}

func TestPlaceInVolumeIsKept(t *testing.T) {
	slot := 1
	s := vicetest.Start(t, func(c *vice.Config) { c.Replication = vice.Replication{Slot: slot, Peers: make([]vice.Peer, 3)} })
	s.Stop()
	s.Configure(func(c *vice.Config) { c.Replication.Slot = 2 })
	require.ErrorIs(t, s.TryStart(), coda.Invalid)
	s.Configure(func(c *vice.Config) { c.Replication = vice.Replication{} })
	require.ErrorIs(t, s.TryStart(), coda.Invalid)
	s.Configure(func(c *vice.Config) { c.Replication = vice.Replication{Slot: slot, Peers: make([]vice.Peer, 3)} })
	require.NoError(t, s.TryStart())
	_, err := vice.Open(t.Context(), vice.Config{Dir: "x", Volume: "y", Replication: vice.Replication{Slot: 9, Peers: make([]vice.Peer, 9)}})
	require.ErrorIs(t, err, coda.Invalid)
}

// Each replica counts its own updates; COP2 makes it count those of the others.
func TestCOP2(t *testing.T) {
	servers := vicetest.StartReplicas(t, 3, unhurried)
	clients := clientsOf(servers, 1)
	log := clients[0].Log()
	dir := log.MakeDirectory(clients[0].Root, "dir")
	f, v := log.Create(dir, "file")
	v = log.Store(f, v, data(1, 100))
	for i, c := range clients {
		answer := log.At(c).Apply()
		for _, changed := range answer.Changed {
			for slot, n := range changed.Status.Version.Slots[:3] {
				if slot != i && changed.Status.Fid != c.Root {
					require.Zero(t, n)
				}
			}
		}
		require.True(t, c.Status(f).Version.WeaklyEqual(v))
	}
	servers[1].Kill()
	servers[1].Start()
	clients[1].Reconnect()
	statuses := func(c *vicetest.Client) []coda.Status {
		return []coda.Status{c.Status(c.Root), c.Status(dir), c.Status(f)}
	}
	require.NotEqual(t, statuses(clients[0]), statuses(clients[1]))
	for i, c := range clients {
		session := c.Open()
		_, err := c.Fetch(dir)
		require.NoError(t, err)
		log.At(c).COP2(0, 1, 2)
		log.At(c).COP2(0, 1, 2)
		breaks, err := session.Sync()
		require.NoError(t, err)
		require.Empty(t, breaks)
		session.Close()
		servers[i].LosePower(uint64(i))
		servers[i].Start()
		c.Reconnect()
		c.Session = 0
	}
	for _, c := range clients[1:] {
		require.Equal(t, statuses(clients[0]), statuses(c))
	}
	require.Equal(t, [coda.VersionSlots]uint64{2, 2, 2}, clients[0].Status(f).Version.Slots)

	// Removed objects are counted as well, those of some replicas are not counted for all.
	remove := clients[0].Log()
	remove.Add(coda.Remove{Parent: dir, Name: "file", Fid: f, Base: v})
	for _, c := range clients[:2] {
		remove.At(c).Apply()
		remove.At(c).COP2(0, 1)
	}
	require.Equal(t, clients[0].Status(dir), clients[1].Status(dir))
	require.Equal(t, coda.Dominant, clients[0].Status(dir).Version.Compare(clients[2].Status(dir).Version))

	for _, slots := range []uint32{0, 1 << 1, 1 << 3, 1<<3 | 1} {
		_, err := clients[0].Vice.COP2(t.Context(), &vicepb.COP2Request{
			Client: wire.ClientIDToProto(clients[0].ID), Updates: []*vicepb.UpdateSet{{Volume: clients[0].Volume, First: 1, Last: 1, Slots: slots}},
		})
		require.ErrorIs(t, err, coda.Invalid)
	}
}

// A directory's digest says which updates it has seen, whatever their order.
func TestDigestOfDirectory(t *testing.T) {
	servers := vicetest.StartReplicas(t, 2, unhurried)
	mine, yours := clientsOf(servers, 1), clientsOf(servers, 2)
	a, b := mine[0].Log(), yours[1].Log()
	a.Create(mine[0].Root, "a")
	b.Create(mine[0].Root, "b")
	a.At(mine[0]).Apply()
	b.At(yours[0]).Apply()
	b.At(yours[1]).Apply()
	root := mine[0].Root
	missing := mine[1].Status(root)
	require.Equal(t, mine[0].Status(root).Version.Store, missing.Version.Store, "the last update is the same")
	require.NotEqual(t, mine[0].Status(root).Digest, missing.Digest)
	a.At(mine[1]).Apply()
	require.NotEqual(t, mine[0].Status(root).Version.Store, mine[1].Status(root).Version.Store)
	require.Equal(t, mine[0].Status(root).Digest, mine[1].Status(root).Digest)
}

// What is inconsistent is not changed by records.
func TestInconsistentFile(t *testing.T) {
	s := vicetest.Start(t)
	c := s.Client(1)
	log := c.Log()
	f, v := log.Create(c.Root, "file")
	log.Apply()
	require.NoError(t, s.Vice().Damage(func(b *pebble.Batch) error {
		return b.Set(vice.VnodeKey(f), s.Vice().ChangeVnode(f, func(s *coda.Status) { s.Inconsistent = true }), nil)
	}))
	s.Kill()
	s.Start()
	c.Reconnect()
	require.True(t, c.Status(f).Inconsistent)
	other := c.Log()
	g, _ := other.Create(c.Root, "other")
	other.Apply()
	for _, op := range []coda.Operation{
		coda.Store{Fid: f, Base: v, Digest: coda.EmptyDigest()},
		coda.SetAttributes{Fid: f, Base: v, Mode: new(uint32(0o600))},
		coda.Link{Parent: c.Root, Name: "link", Fid: f},
		coda.Remove{Parent: c.Root, Name: "file", Fid: f, Base: v},
		coda.Rename{FromParent: c.Root, FromName: "file", ToParent: c.Root, ToName: "moved", Fid: f},
		coda.Rename{FromParent: c.Root, FromName: "other", ToParent: c.Root, ToName: "file", Fid: g, Replaced: f, ReplacedBase: v},
	} {
		log := c.Log()
		log.Add(op)
		answer, err := log.Send()
		require.NoError(t, err)
		require.Len(t, answer.Refusals, 1)
		require.Equal(t, coda.Conflict, answer.Refusals[0].Kind, "%v", op)
	}
}
