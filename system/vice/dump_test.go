package vice_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/vice"
	"github.com/codastress/codastress/system/vice/vicetest"
	"github.com/codastress/codastress/system/wire/controlpb"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// furnished makes a volume that has something of everything.
func furnished(t *testing.T, s *vicetest.Server, name string) *vicetest.Client {
	t.Helper()
	require.NoError(t, s.Vice().CreateVolume(t.Context(), name, everybody(t)))
	c := s.Client(7).In(name)
	log, dir, file := site(c, "dir", 100)
	below := log.MakeDirectory(dir, "below")
	log.Add(coda.SetACL{Fid: below, ACL: everybody(t)})
	log.Add(coda.Link{Parent: dir, Name: "another name", Fid: file})
	large, v := log.Create(below, "large")
	log.Store(large, v, data(2, 1<<20))
	log.Create(below, "empty")
	log.Add(coda.MakeSymlink{Parent: below, Name: "link", Fid: c.NewFid(coda.Symlink), PointsTo: "../file", Owner: 7})
	log.Add(coda.SetAttributes{Fid: below, Mode: new(uint32(0o700)), Modified: new(coda.Time(12345)), Owner: new(uint32(9))})
	for i := range 1500 {
		f, v := log.Create(below, fmt.Sprintf("%d\xff", i))
		log.Store(f, v, data(byte(i), i%50))
	}
	log.Apply()
	return c
}

// shown is what people see of a volume: no fids and versions.
func shown(t *testing.T, s *vicetest.Server, volume string) map[string]coda.Status {
	t.Helper()
	tree := map[string]coda.Status{}
	require.NoError(t, s.Vice().Tree(t.Context(), volume, func(path string, s coda.Status) error {
		s.Fid, s.Parent, s.Version = coda.Fid{}, coda.Fid{}, coda.VersionVector{}
		if s.Kind == coda.Directory {
			s.Digest = coda.Digest{}
		}
		tree[path] = s
		return nil
	}))
	return tree
}

func dumped(t *testing.T, s *vicetest.Server, volume string) []byte {
	t.Helper()
	var dump bytes.Buffer
	require.NoError(t, s.Vice().Dump(t.Context(), volume, &dump))
	return dump.Bytes()
}

func TestDumpAndRestore(t *testing.T) {
	s := vicetest.Start(t)
	furnished(t, s, "site")
	require.NoError(t, s.Vice().SetQuota(t.Context(), "site", vice.Quota{Objects: 1600}))
	dump := dumped(t, s, "site")
	require.Equal(t, dump, dumped(t, s, "site"))
	done, err := s.Vice().Restore(t.Context(), "again", bytes.NewReader(dump))
	require.NoError(t, err)
	require.Equal(t, shown(t, s, "site"), shown(t, s, "again"))
	again := s.Client(8).Describe("again")
	require.EqualValues(t, 1600, again.QuotaObjects)
	require.False(t, again.Locked)
	require.EqualValues(t, len(shown(t, s, "site"))-2, done.Objects, "not the root, and no second name")
	require.Equal(t, done.Objects, again.UsedObjects)
	require.Equal(t, done.Bytes, again.UsedBytes)
	require.ErrorIs(t, must2(s.Vice().Restore(t.Context(), "again", bytes.NewReader(dump))), coda.Exists)
	require.NotEmpty(t, shown(t, s, "again"))

	other := vicetest.Start(t)
	_, err = other.Vice().Restore(t.Context(), "site", bytes.NewReader(dump))
	require.NoError(t, err)
	require.Equal(t, shown(t, s, "site"), shown(t, other, "site"))
	log, _, _ := site(other.Client(1).In("site"), "more", 100)
	log.Apply()
}

func must2[T any](_ T, err error) error { return err }

// A dump that is not what was written is refused, and leaves nothing.
func TestDamagedDump(t *testing.T) {
	s := vicetest.Start(t)
	furnished(t, s, "site")
	dump := dumped(t, s, "site")
	containers := s.Containers()
	random := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		broken := bytes.Clone(dump)
		if at := random.IntN(len(broken)); random.IntN(3) == 0 {
			broken = broken[:at]
		} else {
			broken[at] ^= 1 << random.IntN(8)
		}
		_, err := s.Vice().Restore(t.Context(), "broken", bytes.NewReader(broken))
		require.Error(t, err)
		require.ErrorIs(t, s.Vice().LockVolume(t.Context(), "broken", true), coda.NotFound)
	}
	require.Equal(t, containers, s.Containers())
	_, err := s.Vice().Restore(t.Context(), "large", io.MultiReader(bytes.NewReader(dump), bytes.NewReader([]byte("more"))))
	require.NoError(t, err, "what follows the end is not read")
}

// A dump is of one moment, whatever is changed while it is written.
func TestDumpIsOfOneMoment(t *testing.T) {
	s := vicetest.Start(t)
	c := furnished(t, s, "site")
	before := shown(t, s, "site")
	read, write := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := s.Vice().Dump(t.Context(), "site", write)
		written <- errors.Join(err, write.Close())
	}()
	var dump bytes.Buffer
	_, err := io.CopyN(&dump, read, 1000)
	require.NoError(t, err)
	var large coda.Fid
	require.NoError(t, s.Vice().Tree(t.Context(), "site", func(path string, s coda.Status) error {
		if path == "dir/below/large" {
			large = s.Fid
		}
		return nil
	}))
	log := c.Log()
	log.Store(large, c.Status(large).Version, data(9, 1<<20))
	log.MakeDirectory(c.Root, "new")
	log.Apply()
	_, err = io.Copy(&dump, read)
	require.NoError(t, err)
	require.NoError(t, <-written)
	require.Len(t, s.Containers(), 1, "what was kept for the dump is gone")
	_, err = s.Vice().Restore(t.Context(), "before", &dump)
	require.NoError(t, err)
	require.Equal(t, before, shown(t, s, "before"))
}

// A server that crashes in the middle of a restore has a volume that is locked and can be purged.
func TestCrashInRestore(t *testing.T) {
	s := vicetest.Start(t)
	furnished(t, s, "site")
	dump := dumped(t, s, "site")
	containers := s.Containers()
	control, end := controlOf(t, s)
	stream, err := control.Restore(t.Context())
	require.NoError(t, err)
	for i := 0; i < len(dump)-200; i += 64 << 10 {
		require.NoError(t, stream.Send(&controlpb.RestoreRequest{Volume: "half", Data: dump[i:min(i+64<<10, len(dump)-200)]}))
	}
	c := s.Client(1)
	require.Eventually(t, func() bool {
		reply, err := c.Vice.Volume(t.Context(), &vicepb.VolumeRequest{Name: "half"})
		return err == nil && reply.UsedObjects > 100
	}, callTime, time.Millisecond)
	s.Kill()
	_, err = stream.CloseAndRecv()
	require.Error(t, err)
	end()
	s.Start()
	require.True(t, s.Client(1).Describe("half").Locked)
	require.NoError(t, s.Vice().PurgeVolume(t.Context(), "half"))
	require.Equal(t, containers, s.Containers())
	_, err = s.Vice().Restore(t.Context(), "half", bytes.NewReader(dump))
	require.NoError(t, err)
	require.Equal(t, shown(t, s, "site"), shown(t, s, "half"))
}

// All servers get a volume that is restored on one of them.
func TestRestoreOnReplicas(t *testing.T) {
	from := vicetest.Start(t)
	furnished(t, from, "site")
	dump := dumped(t, from, "site")
	servers := vicetest.StartReplicas(t, 2, unhurried)
	clients := clientsOf(servers, 1)
	clients[0].Resolve(clients[0].Root)
	_, err := servers[1].Vice().Restore(t.Context(), "site", bytes.NewReader(dump))
	require.ErrorIs(t, err, coda.Unsupported)
	_, err = servers[0].Vice().Restore(t.Context(), "site", bytes.NewReader(dump))
	require.NoError(t, err)
	resolve(t, clients[0], 3)
	for _, s := range servers {
		require.Equal(t, shown(t, from, "site"), shown(t, s, "site"))
	}
	requireEqual(t, servers)
}

// Whatever is restored, the server stays sound.
func FuzzRestore(f *testing.F) {
	s := vicetest.Start(f)
	c := s.Client(1)
	log, _, _ := site(c, "dir", 100)
	log.Apply()
	var dump bytes.Buffer
	require.NoError(f, s.Vice().Dump(context.Background(), vicetest.Volume, &dump))
	f.Add(dump.Bytes())
	f.Add(dump.Bytes()[:100])
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := s.Vice().Restore(t.Context(), "fuzzed", bytes.NewReader(b)); err == nil {
			found, err := s.Vice().Fsck(t.Context())
			require.NoError(t, err)
			require.Empty(t, found.Problems)
			require.NoError(t, s.Vice().PurgeVolume(t.Context(), "fuzzed"))
		}
		require.ErrorIs(t, s.Vice().PurgeVolume(t.Context(), "fuzzed"), coda.NotFound)
	})
}
