package vice_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/test/bufconn"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk"
	"github.com/codastress/codastress/system/vice"
	"github.com/codastress/codastress/system/vice/vicetest"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/controlpb"
)

func TestFsckFindsDamage(t *testing.T) {
	cases := []struct {
		name string
		want string // part of a problem
		do   func(w *world, s *vice.Server, b *pebble.Batch) error
	}{
		{"entry without object", "does not exist", func(w *world, _ *vice.Server, b *pebble.Batch) error {
			return b.Delete(vice.VnodeKey(w.other.Fid), nil)
		}},
		{"object without entry", "has no name", func(w *world, _ *vice.Server, b *pebble.Batch) error {
			return b.Delete(vice.EntryKey(w.root, "other"), nil)
		}},
		{"entry in no directory", "which is no directory", func(w *world, _ *vice.Server, b *pebble.Batch) error {
			return b.Set(vice.EntryKey(coda.NewFid(1, 99, coda.Directory), "x"), vice.EntryRow(coda.Entry{Fid: w.dir, Kind: coda.Directory}), nil)
		}},
		{"kind of entry", "says that", func(w *world, _ *vice.Server, b *pebble.Batch) error {
			return b.Set(vice.EntryKey(w.root, "file"), vice.EntryRow(coda.Entry{Fid: w.file.Fid, Kind: coda.Symlink}), nil)
		}},
		{"bad name", "has a meaning of its own", func(w *world, _ *vice.Server, b *pebble.Batch) error {
			return b.Set(vice.EntryKey(w.root, ".."), vice.EntryRow(coda.Entry{Fid: w.file.Fid, Kind: coda.File}), nil)
		}},
		{"damaged entry", "damaged", func(w *world, _ *vice.Server, b *pebble.Batch) error {
			return b.Set(vice.EntryKey(w.root, "file"), []byte{1, 2, 3}, nil)
		}},
		{"link count", "a link count of 5", func(w *world, s *vice.Server, b *pebble.Batch) error {
			return b.Set(vice.VnodeKey(w.file.Fid), s.ChangeVnode(w.file.Fid, func(st *coda.Status) { st.Links = 5 }), nil)
		}},
		{"parent", "its name is in", func(w *world, s *vice.Server, b *pebble.Batch) error {
			return b.Set(vice.VnodeKey(w.file.Fid), s.ChangeVnode(w.file.Fid, func(st *coda.Status) { st.Parent = w.dir }), nil)
		}},
		{"damaged ACL", "decode an ACL", func(w *world, s *vice.Server, b *pebble.Batch) error {
			return b.Set(vice.VnodeKey(w.full), s.ChangeVnode(w.full, func(st *coda.Status) { st.ACL = "\x01\x02" }), nil)
		}},
		{"damaged users and groups", "users and groups", func(_ *world, _ *vice.Server, b *pebble.Batch) error {
			return b.Set([]byte{'P'}, []byte("{}"), nil)
		}},
		{"number of entries", "a length of 77", func(w *world, s *vice.Server, b *pebble.Batch) error {
			return b.Set(vice.VnodeKey(w.full), s.ChangeVnode(w.full, func(st *coda.Status) { st.Length = 77 }), nil)
		}},
		{"length of a file", "contents of 10 bytes", func(w *world, s *vice.Server, b *pebble.Batch) error {
			return b.Set(vice.VnodeKey(w.file.Fid), s.ChangeVnode(w.file.Fid, func(st *coda.Status) { st.Length = 11 }), nil)
		}},
		{"digest", "do not have its digest", func(w *world, s *vice.Server, b *pebble.Batch) error {
			return b.Set(vice.VnodeKey(w.file.Fid), s.ChangeVnode(w.file.Fid, func(st *coda.Status) { st.Digest[0]++ }), nil)
		}},
		{"no contents", "read contents", func(_ *world, _ *vice.Server, b *pebble.Batch) error {
			return b.DeleteRange(vice.DataKey(0), vice.DataKey(1000), nil)
		}},
		{"nobody's contents", "belong to no file", func(_ *world, _ *vice.Server, b *pebble.Batch) error {
			return b.Set(vice.DataKey(999), []byte("x"), nil)
		}},
		{"no version", "has no version", func(w *world, s *vice.Server, b *pebble.Batch) error {
			return b.Set(vice.VnodeKey(w.file.Fid), s.ChangeVnode(w.file.Fid, func(st *coda.Status) { st.Version = coda.VersionVector{} }), nil)
		}},
		{"never granted", "never granted", func(w *world, s *vice.Server, b *pebble.Batch) error {
			f := coda.NewFid(1, 1<<40, coda.File)
			return b.Set(vice.VnodeKey(f), s.ChangeVnode(w.other.Fid, func(*coda.Status) {}), nil)
		}},
		{"circle", "below itself", func(w *world, _ *vice.Server, b *pebble.Batch) error {
			return errors.Join(b.Delete(vice.EntryKey(w.root, "full"), nil),
				b.Set(vice.EntryKey(w.inner, "full"), vice.EntryRow(coda.Entry{Fid: w.full, Kind: coda.Directory}), nil))
		}},
		{"two directories", "has names in", func(w *world, _ *vice.Server, b *pebble.Batch) error {
			return b.Set(vice.EntryKey(w.dir, "file"), vice.EntryRow(coda.Entry{Fid: w.file.Fid, Kind: coda.File}), nil)
		}},
		{"the root has a name", "the root", func(w *world, _ *vice.Server, b *pebble.Batch) error {
			return b.Set(vice.EntryKey(w.dir, "root"), vice.EntryRow(coda.Entry{Fid: w.root, Kind: coda.Directory}), nil)
		}},
		{"replay row", "refuses record 9", func(w *world, _ *vice.Server, b *pebble.Batch) error {
			return b.Set(vice.ReplayKey(1, w.me.ID), vice.ReplayRow(5, 3, 9), nil)
		}},
		{"replay row backwards", "is about records 7 to 5", func(w *world, _ *vice.Server, b *pebble.Batch) error {
			return b.Set(vice.ReplayKey(1, w.me.ID), vice.ReplayRow(5, 7, 7), nil)
		}},
		{"damaged replay row", "damaged", func(w *world, _ *vice.Server, b *pebble.Batch) error {
			return b.Set(vice.ReplayKey(1, w.me.ID), []byte{9}, nil)
		}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			s := vicetest.Start(t)
			w := newWorld(t, s)
			s.CheckSound()
			require.NoError(t, s.Vice().Damage(func(b *pebble.Batch) error { return tc.do(w, s.Vice(), b) }))
			result, err := s.Vice().Fsck(t.Context())
			require.NoError(t, err)
			require.Contains(t, strings.Join(result.Problems, "\n"), tc.want)
			s.Stop()
		})
	}
}

func TestFsckFindsDamagedContainers(t *testing.T) {
	damage := map[string]func(t *testing.T, on disk.FS, path string){
		"no such file": func(t *testing.T, on disk.FS, path string) { require.NoError(t, on.Remove(path)) },
		"do not have its digest": func(t *testing.T, on disk.FS, path string) {
			f, err := on.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
			require.NoError(t, err)
			_, err = f.WriteAt([]byte{99}, 50_000)
			require.NoError(t, errors.Join(err, f.Close()))
		},
		"belongs to no file": func(t *testing.T, on disk.FS, path string) {
			f, err := on.Create(path+"x", vfs.WriteCategoryUnspecified)
			require.NoError(t, errors.Join(err, f.Close()))
		},
	}
	for want, do := range damage {
		t.Run(want, func(t *testing.T) {
			s := vicetest.Start(t)
			c := s.Client(1)
			log := c.Log()
			f, v := log.Create(c.Root, "f")
			log.Store(f, v, data(1, 100_000))
			log.Apply()
			paths := s.Containers()
			require.Len(t, paths, 1)
			do(t, s.Disk(), paths[0])
			result, err := s.Vice().Fsck(t.Context())
			require.NoError(t, err)
			require.Len(t, result.Problems, 1)
			require.Contains(t, result.Problems[0], want)
			s.Stop()
		})
	}
}

// controlOf connects to the control service of a server.
func controlOf(t *testing.T, s *vicetest.Server) (client controlpb.CodasrvControlClient, end func()) {
	t.Helper()
	listener := bufconn.Listen(1 << 16)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Vice().ServeControl(ctx, listener) }()
	cfg := wire.DefaultClientConfig()
	cfg.Dialer = func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }
	conn, err := wire.Dial("control", cfg)
	require.NoError(t, err)
	return controlpb.NewCodasrvControlClient(conn), func() {
		require.NoError(t, conn.Close())
		stop()
		require.NoError(t, <-served)
	}
}

func TestControl(t *testing.T) {
	s := vicetest.Start(t)
	w := newWorld(t, s)
	w.me.Open()
	log := w.me.Log()
	log.Create(w.dir, "caf\xe9")
	log.Apply()
	client, end := controlOf(t, s)

	fsck, err := client.Fsck(t.Context(), &controlpb.FsckRequest{})
	require.NoError(t, err)
	require.Empty(t, fsck.Problems)
	require.EqualValues(t, 9, fsck.Objects)
	state, err := client.State(t.Context(), &controlpb.StateRequest{})
	require.NoError(t, err)
	require.Contains(t, state.Text, "sessions: 1")
	require.Contains(t, state.Text, "0 events queued")
	require.Len(t, state.Calls, 2, "the session's and this one")

	head, err := client.Head(t.Context(), &controlpb.HeadRequest{Fid: wire.FidToProto(w.file.Fid)})
	require.NoError(t, err)
	require.Equal(t, data(1, 10), head.Head)
	_, err = client.Head(t.Context(), &controlpb.HeadRequest{Fid: wire.FidToProto(w.dir)})
	require.ErrorIs(t, err, coda.Invalid)
	_, err = client.Head(t.Context(), &controlpb.HeadRequest{Fid: wire.FidToProto(coda.NewFid(1, 99, coda.File))})
	require.ErrorIs(t, err, coda.NotFound)

	stream, err := client.Tree(t.Context(), &controlpb.TreeRequest{Volume: vicetest.Volume})
	require.NoError(t, err)
	var paths []string
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		_, err = wire.StatusFromProto(part.Status)
		require.NoError(t, err)
		paths = append(paths, part.Path)
	}
	require.Equal(t, []string{"", "dir", `"dir/caf\xe9"`, "file", "full", "full/inner", "full/leaf", "other", "symlink"}, paths)
	stream, err = client.Tree(t.Context(), &controlpb.TreeRequest{Volume: "other"})
	require.NoError(t, err)
	_, err = stream.Recv()
	require.ErrorIs(t, err, coda.NotFound)
	end()
}

// Fsck goes on beside writers and sees one moment of them: a batch under way is no damage.
func TestFsckWhileWriting(t *testing.T) {
	s := vicetest.Start(t, smallLimits)
	ctx, cancel := context.WithCancel(t.Context())
	var sent atomic.Int64
	var writers sync.WaitGroup
	for id := range uint64(2) {
		a := newAuthor(s, id+1, 7)
		writers.Go(func() { a.write(ctx, &sent) })
	}
	for checks := 0; checks < 20 || sent.Load() < 40; checks++ {
		s.CheckSound()
	}
	cancel()
	writers.Wait()
}
