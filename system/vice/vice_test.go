package vice_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/vice"
	"github.com/codastress/codastress/system/vice/vicetest"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// data gives n bytes that differ between seeds.
func data(seed byte, n int) []byte { return bytes.Repeat([]byte{seed, byte(n)}, n/2+1)[:n] }

func TestFilesOfEverySize(t *testing.T) {
	s := vicetest.Start(t, func(c *vice.Config) { c.Limits.InlineBatch = 100_000 })
	c := s.Client(1)
	log := c.Log()
	want := map[coda.Fid][]byte{}
	for i, size := range []int{0, 1, 4096, 32 << 10, 32<<10 + 1, 256 << 10, 1_000_000, 30_000, 30_000, 30_000, 30_000} {
		f, v := log.Create(c.Root, fmt.Sprint(i))
		want[f] = data(byte(i), size)
		log.Store(f, v, want[f])
	}
	log.Apply()
	check := func() {
		for f, contents := range want {
			got, err := c.Fetch(f)
			require.NoError(t, err)
			require.True(t, bytes.Equal(contents, got.Data))
			require.EqualValues(t, len(contents), got.Status.Length)
			require.EqualValues(t, sha256.Sum256(contents), got.Status.Digest)
		}
	}
	check()
	s.LosePower(1)
	s.Start()
	c.Reconnect()
	check()
	again := c.Log()
	for f := range want {
		want[f] = data(100, len(want[f])/2)
		again.Store(f, c.Status(f).Version, want[f])
	}
	containers := len(s.Containers())
	again.Apply()
	check()
	require.Less(t, len(s.Containers()), containers, "old contents are removed")
	s.CheckSound()
}

func TestFetch(t *testing.T) {
	s := vicetest.Start(t)
	c := s.Client(1)
	log := c.Log()
	dir := log.MakeDirectory(c.Root, "dir")
	f, v := log.Create(dir, "file")
	log.Store(f, v, data(1, 100))
	link := c.NewFid(coda.Symlink)
	log.Add(coda.MakeSymlink{Parent: dir, Name: "caf\xe9", Fid: link, PointsTo: "../\xff", Owner: 7})
	log.Apply()

	got, err := c.Fetch(dir)
	require.NoError(t, err)
	require.Equal(t, []coda.Entry{{Name: "caf\xe9", Fid: link, Kind: coda.Symlink}, {Name: "file", Fid: f, Kind: coda.File}}, got.Entries)
	require.EqualValues(t, 2, got.Status.Length)
	require.False(t, got.Promised)
	require.Equal(t, "../\xff", c.Status(link).Target)
	require.EqualValues(t, 7, c.Status(link).Owner)

	status := c.Status(f)
	request := &vicepb.FetchRequest{Fid: wire.FidToProto(f), Contents: true, Have: wire.VersionToProto(status.Version)}
	got, err = c.FetchRequest(request)
	require.NoError(t, err)
	require.True(t, got.Unchanged)
	require.Empty(t, got.Data)
	request = &vicepb.FetchRequest{Fid: wire.FidToProto(f), Contents: true, HaveDigest: status.Digest[:]}
	got, err = c.FetchRequest(request)
	require.NoError(t, err)
	require.True(t, got.Unchanged)

	_, err = c.Fetch(c.NewFid(coda.File))
	require.ErrorIs(t, err, coda.NotFound)
	_, err = c.FetchRequest(&vicepb.FetchRequest{})
	require.ErrorIs(t, err, coda.Invalid)
	_, err = c.Vice.Volume(t.Context(), &vicepb.VolumeRequest{Name: "other"})
	require.ErrorIs(t, err, coda.NotFound)
}

func TestManyEntries(t *testing.T) {
	s := vicetest.Start(t)
	c := s.Client(1)
	log := c.Log()
	for i := range 8000 {
		log.Create(c.Root, fmt.Sprintf("%0200d", i))
	}
	log.Apply()
	got, err := c.Fetch(c.Root)
	require.NoError(t, err)
	require.Len(t, got.Entries, 8000)
}

func TestGrantsAreNeverGivenTwice(t *testing.T) {
	s := vicetest.Start(t)
	c := s.Client(1)
	allocate := func(n uint32) uint64 {
		reply, err := c.Vice.AllocateVnodes(t.Context(), &vicepb.AllocateVnodesRequest{Volume: c.Volume, Count: n})
		require.NoError(t, err)
		require.Equal(t, n, reply.Count)
		return reply.First
	}
	next := allocate(5)
	for i := range 4 {
		next += 5
		require.Equal(t, next, allocate(5))
		s.LosePower(uint64(i))
		s.Start()
		c = s.Client(1)
	}
	for _, n := range []uint32{0, wire.MaxAllocate + 1} {
		_, err := c.Vice.AllocateVnodes(t.Context(), &vicepb.AllocateVnodesRequest{Volume: c.Volume, Count: n})
		require.ErrorIs(t, err, coda.Invalid)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, cfg := range []vice.Config{{}, {Dir: "x"}, {Volume: "y"}, {Dir: "x", Volume: "a/b"}} {
		_, err := vice.Open(t.Context(), cfg)
		require.Error(t, err)
	}
}
