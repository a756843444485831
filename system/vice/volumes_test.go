package vice_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk/simdisk"
	"github.com/codastress/codastress/system/vice"
	"github.com/codastress/codastress/system/vice/vicetest"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// site makes a directory with a file of so many bytes in a client's volume.
func site(c *vicetest.Client, name string, bytes int) (log *vicetest.Log, dir, file coda.Fid) {
	log = c.Log()
	dir = log.MakeDirectory(c.Root, name)
	file, v := log.Create(dir, "file")
	log.Store(file, v, data(1, bytes))
	return log, dir, file
}

// Volumes are made, worked in side by side, and purged with everything in them. All of it survives kills.
func TestVolumes(t *testing.T) {
	s := vicetest.Start(t)
	home := s.Client(1)
	require.NoError(t, s.Vice().CreateVolume(t.Context(), "users", ""))
	require.ErrorIs(t, s.Vice().CreateVolume(t.Context(), "users", ""), coda.Exists)
	for _, name := range []string{"", "a/b", "-x", "ab cd", "more-than-31-bytes-are-too-many-"} {
		require.ErrorIs(t, s.Vice().CreateVolume(t.Context(), name, ""), coda.Invalid, name)
	}
	users := home.In("users")
	require.NotEqual(t, home.Root, users.Root)
	log, _, file := site(home, "here", 100)
	log.Apply()
	log, _, large := site(users, "there", 100<<10)
	log.Apply()
	s.Kill()
	s.Start()
	home.Reconnect()
	users.Reconnect()
	require.NotContains(t, s.Tree(), "there")
	require.EqualValues(t, 100, home.Status(file).Length)
	require.Equal(t, uint64(100<<10), users.Describe("users").UsedBytes)
	require.EqualValues(t, 2, users.Describe("users").UsedObjects)
	require.Len(t, s.Containers(), 1)

	wrong := home.Log()
	wrong.Add(coda.Create{Parent: users.Root, Name: "x", Fid: users.NewFid(coda.File)})
	answer, err := wrong.Send()
	require.NoError(t, err)
	require.Equal(t, coda.CrossDevice, answer.Refusals[0].Kind)

	session := users.Open()
	require.ErrorIs(t, s.Vice().PurgeVolume(t.Context(), vicetest.Volume), coda.Invalid)
	require.ErrorIs(t, s.Vice().PurgeVolume(t.Context(), "nobody"), coda.NotFound)
	require.NoError(t, s.Vice().PurgeVolume(t.Context(), "users"))
	_, err = session.Wait()
	require.Error(t, err, "clients have to ask again what they have")
	users.Session = 0
	require.Empty(t, s.Containers())
	_, err = users.Fetch(large)
	require.ErrorIs(t, err, coda.NotFound)
	late, _, _ := site(users, "late", 1)
	_, err = late.Send()
	require.ErrorIs(t, err, coda.NotFound)
	s.LosePower(1)
	s.Start()
	home.Reconnect()
	require.EqualValues(t, 100, home.Status(file).Length)
	require.NoError(t, s.Vice().CreateVolume(t.Context(), "users", ""))
	require.NotEqual(t, users.Volume, home.In("users").Volume, "what was purged stays away")
	require.NotContains(t, s.Tree(), "there")
}

// A quota is refused before anything is changed, and what makes room makes room.
func TestQuota(t *testing.T) {
	s := vicetest.Start(t)
	c := s.Client(1)
	require.NoError(t, s.Vice().SetQuota(t.Context(), vicetest.Volume, vice.Quota{Bytes: 1000, Objects: 4}))
	log, dir, file := site(c, "dir", 600)
	log.Apply()
	send := func(add func(*vicetest.Log)) []coda.Refusal {
		log := c.Log()
		add(log)
		answer, err := log.Send()
		require.NoError(t, err)
		return answer.Refusals
	}
	requireRefused := func(refusals []coda.Refusal, count int) {
		t.Helper()
		require.Len(t, refusals, count)
		for _, r := range refusals {
			require.Equal(t, coda.QuotaExceeded, r.Kind)
		}
	}
	grow := func(log *vicetest.Log) { log.Store(file, c.Status(file).Version, data(2, 1001)) }
	requireRefused(send(grow), 1)
	require.EqualValues(t, 600, c.Status(file).Length)
	require.Empty(t, send(func(log *vicetest.Log) { log.Store(file, c.Status(file).Version, data(3, 900)) }))

	var other coda.Fid
	requireRefused(send(func(log *vicetest.Log) {
		var v coda.VersionVector
		other, v = log.Create(dir, "other")
		log.Store(other, v, data(4, 200))
	}), 1)
	require.Zero(t, c.Status(other).Length, "the file is made, and nothing is in it")
	requireRefused(send(func(log *vicetest.Log) {
		log.Create(dir, "third")
		log.Create(dir, "fourth")
	}), 1)
	s.Kill()
	s.Start()
	c.Reconnect()
	require.EqualValues(t, 900, c.Describe(vicetest.Volume).UsedBytes)
	require.EqualValues(t, 4, c.Describe(vicetest.Volume).UsedObjects)
	require.Empty(t, send(func(log *vicetest.Log) { // what takes the place of something makes its room free
		log.Add(coda.Rename{FromParent: dir, FromName: "other", ToParent: dir, ToName: "file", Fid: other, Replaced: file, ReplacedBase: c.Status(file).Version})
		log.Store(other, c.Status(other).Version, data(5, 1000))
		log.Create(dir, "fourth")
	}))
	require.EqualValues(t, 1000, c.Describe(vicetest.Volume).UsedBytes)

	require.NoError(t, s.Vice().SetQuota(t.Context(), vicetest.Volume, vice.Quota{Bytes: 10}))
	require.Empty(t, send(func(log *vicetest.Log) { log.Store(other, c.Status(other).Version, data(6, 999)) }), "one that holds too much may hold less")
	requireRefused(send(swell(other, c)), 1)
	require.NoError(t, s.Vice().SetQuota(t.Context(), vicetest.Volume, vice.Quota{}))
	require.Empty(t, send(swell(other, c)))
}

func swell(f coda.Fid, c *vicetest.Client) func(*vicetest.Log) {
	return func(log *vicetest.Log) { log.Store(f, c.Status(f).Version, data(7, 5000)) }
}

// What changes a locked volume is refused as busy and can be sent again; all else goes on.
func TestLockedVolume(t *testing.T) {
	s := vicetest.Start(t)
	home := s.Client(1)
	require.NoError(t, s.Vice().CreateVolume(t.Context(), "other", ""))
	other := home.In("other")
	before, _, file := site(home, "before", 100)
	answer := before.Apply()
	require.NoError(t, s.Vice().LockVolume(t.Context(), vicetest.Volume, true))
	s.Kill()
	s.Start()
	home.Reconnect()
	other.Reconnect()
	again, err := before.Send()
	require.NoError(t, err, "what was answered is answered again")
	require.Equal(t, answer.Done, again.Done)
	log, _, _ := site(home, "meanwhile", 100)
	_, err = log.Send()
	require.ErrorIs(t, err, coda.Busy)
	require.EqualValues(t, 100, home.Status(file).Length)
	elsewhere, _, _ := site(other, "elsewhere", 100)
	elsewhere.Apply()
	require.NoError(t, s.Vice().LockVolume(t.Context(), vicetest.Volume, false))
	log.Apply()
}

// Volumes that are mounted show where they are mounted, and one that is mounted in itself has an end.
func TestMountedVolumesInTree(t *testing.T) {
	s := vicetest.Start(t)
	home := s.Client(1)
	require.NoError(t, s.Vice().CreateVolume(t.Context(), "users", ""))
	users := home.In("users")
	log := home.Log()
	log.Add(coda.MakeSymlink{Parent: home.Root, Name: "u", Fid: home.NewFid(coda.Symlink), PointsTo: coda.MountLink("users")})
	log.Add(coda.MakeSymlink{Parent: home.Root, Name: "gone", Fid: home.NewFid(coda.Symlink), PointsTo: coda.MountLink("gone")})
	log.Apply()
	inner := users.Log()
	f, v := inner.Create(users.Root, "file")
	inner.Store(f, v, data(1, 10))
	inner.Add(coda.MakeSymlink{Parent: users.Root, Name: "itself", Fid: users.NewFid(coda.Symlink), PointsTo: coda.MountLink("users")})
	inner.Apply()
	tree := s.Tree()
	require.Equal(t, users.Root, tree["u"].Fid)
	require.EqualValues(t, 10, tree["u/file"].Length)
	require.Equal(t, coda.Symlink, tree["u/itself"].Kind)
	require.Equal(t, coda.Symlink, tree["gone"].Kind)
	require.Len(t, tree, 5)
}

// All servers have all volumes. One that was away hears of a new one from the first who asks it for it, and of one that is gone before it brings it back.
func TestReplicatedVolumes(t *testing.T) {
	servers := vicetest.StartReplicas(t, 3, unhurried)
	clients := clientsOf(servers, 1)
	for _, c := range clients {
		c.Resolve(c.Root) // so that nobody is new any more
	}
	require.ErrorIs(t, servers[1].Vice().CreateVolume(t.Context(), "users", ""), coda.Unsupported)
	require.NoError(t, servers[0].Vice().CreateVolume(t.Context(), "old", ""))
	require.Equal(t, clients[0].In("old").Status(clients[0].In("old").Root), clients[2].In("old").Status(clients[0].In("old").Root))

	// A replica changes a volume that is purged meanwhile, and does not hear of a new one.
	servers[2].CutOff(true)
	lost, _, _ := site(clients[2].In("old"), "lost", 100<<10)
	lost.Apply()
	require.NoError(t, servers[0].Vice().PurgeVolume(t.Context(), "old"))
	require.NoError(t, servers[0].Vice().CreateVolume(t.Context(), "users", ""))
	users := clients[0].In("users")
	log, _, file := site(users, "dir", 100)
	log.Apply()
	late := clients[2]
	late.Volume = users.Volume
	_, err := log.At(late).Send()
	require.ErrorIs(t, err, coda.Busy, "it cannot know")
	servers[2].CutOff(false)
	require.Eventually(t, func() bool {
		_, err := log.At(late).Send()
		return err == nil
	}, callTime, 10*time.Millisecond)
	log.At(clients[1].In("users")).Apply()
	for _, c := range clients {
		log.At(c.In("users")).COP2(0, 1, 2)
	}
	require.Empty(t, servers[2].Containers(), "what was purged is gone everywhere")
	home, _, _ := site(clients[0].In(vicetest.Volume), "home", 100)
	for _, c := range clients {
		home.At(c.In(vicetest.Volume)).Apply()
		home.At(c.In(vicetest.Volume)).COP2(0, 1, 2)
	}
	settleAll(t, servers)
	for _, s := range servers {
		require.Zero(t, s.Vice().Unsettled())
		v := s.Client(2).In("users").Describe("users")
		require.EqualValues(t, 100, v.UsedBytes)
		require.EqualValues(t, 2, v.UsedObjects)
		require.EqualValues(t, 2, s.Client(2).Describe(vicetest.Volume).UsedObjects)
	}
	requireEqual(t, servers)

	// The server in slot 0 loses its disk: it takes over what there is before it makes anything.
	servers[0].Kill()
	servers[0].LoseDisk()
	servers[0].Start()
	require.ErrorIs(t, servers[0].Vice().CreateVolume(t.Context(), "early", ""), coda.Busy)
	again := servers[0].Client(3)
	again.Resolve(again.Root)
	require.EqualValues(t, 100, again.In("users").Status(file).Length)
	require.NoError(t, servers[0].Vice().CreateVolume(t.Context(), "more", ""))
	require.NotZero(t, servers[1].Client(3).Describe("more").Volume)
	settleAll(t, servers)
	requireEqual(t, servers)
}

// settleAll has all servers settle what there is, in several rounds, as their attendants do.
func settleAll(t *testing.T, servers []*vicetest.Server) {
	t.Helper()
	require.Eventually(t, func() bool {
		left := 0
		for _, s := range servers {
			if err := s.Vice().Settle(t.Context()); err != nil {
				return false
			}
			left += s.Vice().Unsettled()
		}
		return left == 0
	}, callTime, 10*time.Millisecond)
}

// Volumes can be made with the store. Later starts do not look at the configuration for that.
func TestVolumesOfTheConfiguration(t *testing.T) {
	s := vicetest.Start(t, func(c *vice.Config) { c.Volumes = []string{"a", "b"} })
	a := s.Client(1).In("a")
	require.NoError(t, s.Vice().PurgeVolume(t.Context(), "b"))
	s.Stop()
	s.Configure(func(c *vice.Config) { c.Volumes = []string{"b", "c"} })
	s.Start()
	a.Reconnect()
	require.Equal(t, a.Volume, a.Describe("a").Volume)
	for _, name := range []string{"b", "c"} {
		_, err := a.Vice.Volume(t.Context(), &vicepb.VolumeRequest{Name: name})
		require.ErrorIs(t, err, coda.NotFound)
	}
	for _, names := range [][]string{{"a", "a"}, {vicetest.Volume}, {"a/b"}} {
		_, err := vice.Open(t.Context(), vice.Config{Disk: simdisk.New(), Dir: "x", Volume: vicetest.Volume, Volumes: names})
		require.Error(t, err, names)
	}
}

// A name and an id both find a volume.
func TestVolumeByID(t *testing.T) {
	c := vicetest.Start(t).Client(1)
	reply, err := c.Vice.Volume(t.Context(), &vicepb.VolumeRequest{Volume: c.Volume})
	require.NoError(t, err)
	require.Equal(t, vicetest.Volume, reply.Name)
	root, err := wire.FidFromProto(reply.Root)
	require.NoError(t, err)
	require.Equal(t, c.Root, root)
	_, err = c.Vice.Volume(t.Context(), &vicepb.VolumeRequest{Volume: 77})
	require.ErrorIs(t, err, coda.NotFound)
}

// What other servers have said about batches of a volume is forgotten with it.
func TestWhatWasSaidAboutAPurgedVolumeIsForgotten(t *testing.T) {
	servers := vicetest.StartReplicas(t, 2, unhurried)
	settleAll(t, servers)
	clients := clientsOf(servers, 1)
	require.NoError(t, servers[0].Vice().CreateVolume(t.Context(), "old", ""))
	log, _, _ := site(clients[0].In("old"), "dir", 100)
	for _, c := range clients {
		log.At(c.In("old")).Apply()
		log.At(c.In("old")).COP2(0, 1)
	}
	require.NoError(t, servers[0].Vice().Settle(t.Context()))
	require.Contains(t, servers[0].Vice().State(), "slot 1: READY, has 1 batches")
	require.NoError(t, servers[0].Vice().PurgeVolume(t.Context(), "old"))
	require.NoError(t, servers[0].Vice().Settle(t.Context()))
	require.Contains(t, servers[0].Vice().State(), "slot 1: READY, has 0 batches")
}
