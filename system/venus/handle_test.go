package venus_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// open opens a path.
func (c *client) open(p string, flags venus.OpenFlags) *venus.Handle {
	c.t.Helper()
	s, err := c.at(p)
	require.NoError(c.t, err)
	h, err := c.OpenFile(c.t.Context(), s.Fid, flags)
	require.NoError(c.t, err)
	return h
}

func put(t *testing.T, h *venus.Handle, offset int64, s string) {
	t.Helper()
	_, err := h.WriteAt([]byte(s), offset)
	require.NoError(t, err)
}

func TestReadersKeepWhatTheyOpened(t *testing.T) {
	c := start(t, vicetest.Start(t))
	ctx := t.Context()
	c.write("x", "old")
	before := c.open("x", venus.OpenFlags{Read: true})
	w := c.open("x", venus.OpenFlags{Read: true, Write: true})
	put(t, w, 0, "new!")
	during := c.open("x", venus.OpenFlags{Read: true})
	s, err := c.at("x")
	require.NoError(t, err)
	require.EqualValues(t, 4, s.Length, "a stat sees the length of what is being written")
	require.NoError(t, w.Flush(ctx))
	after := c.open("x", venus.OpenFlags{Read: true})
	require.NoError(t, w.Close(ctx))
	c.settle()
	for h, want := range map[*venus.Handle]string{before: "old", during: "old", after: "new!"} {
		got, err := contents(h)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.NoError(t, h.Close(ctx))
		require.NoError(t, h.Close(ctx), "a second close does nothing")
	}
}

func TestWritersShareOneCopy(t *testing.T) {
	s := vicetest.Start(t)
	c := start(t, s)
	ctx := t.Context()
	c.write("x", "0123456789")
	a, b := c.open("x", venus.OpenFlags{Write: true}), c.open("x", venus.OpenFlags{Write: true})
	put(t, a, 0, "a")
	put(t, b, 9, "b")
	require.NoError(t, a.Close(ctx))
	require.NoError(t, b.Close(ctx))
	require.Equal(t, "a12345678b", c.read("x"))
	c.settle()
	require.Equal(t, serverTree(s), c.tree())
	conflicts, err := c.Conflicts()
	require.NoError(t, err)
	require.Empty(t, conflicts)
}

// What a close has acknowledged is not changed by who opens the file before the kernel has told of the release, however venus ends.
func TestAFlushIsNotChangedByLaterWriters(t *testing.T) {
	for name, flags := range map[string]venus.OpenFlags{"writes": {Write: true}, "truncates": {Write: true, Truncate: true}} {
		for i, text := range []string{"acknowledged", "acknowledged", strings.Repeat("acknowledged", 100_000)} {
			released := i > 0
			t.Run(fmt.Sprint(name, " ", len(text), " ", released), func(t *testing.T) {
				m := newComputer(t)
				first := m.c.open("x", venus.OpenFlags{Write: true})
				put(t, first, 0, text)
				require.NoError(t, first.Flush(t.Context()))
				second := m.c.open("x", flags)
				put(t, second, 0, "changed")
				require.True(t, m.c.read("x") == text)
				if released {
					require.NoError(t, first.Close(t.Context()))
					require.True(t, m.c.read("x") == text)
				}
				m.kill(first, second)
				require.True(t, m.c.read("x") == text)
			})
		}
	}
}

// Writers that are open at once see what the others write, whatever has been flushed and whoever reads meanwhile, and each flush stays what it was.
func TestAFlushIsNotChangedByOtherWriters(t *testing.T) {
	m := newComputer(t)
	ctx := t.Context()
	a, b := m.c.open("x", venus.OpenFlags{Read: true, Write: true}), m.c.open("x", venus.OpenFlags{Read: true, Write: true})
	put(t, a, 0, "0123456789")
	require.NoError(t, a.Flush(ctx))
	put(t, b, 0, "b")
	require.Equal(t, "0123456789", m.c.read("x"))
	c := m.c.open("x", venus.OpenFlags{Read: true, Write: true})
	put(t, c, 1, "c")
	put(t, a, 2, "a")
	for _, h := range []*venus.Handle{a, b, c} {
		got, err := contents(h)
		require.NoError(t, err)
		require.Equal(t, "bca3456789", got)
	}
	require.Equal(t, "0123456789", m.c.read("x"))
	require.NoError(t, b.Flush(ctx))
	put(t, c, 3, "C")
	require.NoError(t, b.Close(ctx))
	m.kill(a, c)
	require.Equal(t, "bca3456789", m.c.read("x"))
}

// A reader keeps what it opened although the writer that flushed it goes on.
func TestReadersKeepWhatWasFlushed(t *testing.T) {
	m := newComputer(t)
	ctx := t.Context()
	w := m.c.open("x", venus.OpenFlags{Write: true})
	put(t, w, 0, "flushed")
	require.NoError(t, w.Flush(ctx))
	r := m.c.open("x", venus.OpenFlags{Read: true})
	put(t, w, 0, "changed")
	require.Equal(t, "flushed", m.c.read("x"))
	require.NoError(t, w.Sync(ctx))
	require.Equal(t, "changed", m.c.read("x"))
	got, err := contents(r)
	require.NoError(t, err)
	require.Equal(t, "flushed", got)
	require.NoError(t, r.Close(ctx))
	require.NoError(t, w.Close(ctx))
}

// What was synced counts as synced after its contents have been copied for others, and can be synced after that.
func TestCopiesOfSyncedContentsAreSynced(t *testing.T) {
	for name, syncs := range map[string]struct{ before, after bool }{"before": {before: true}, "after": {after: true}} {
		t.Run(name, func(t *testing.T) {
			m := newComputer(t)
			w := m.c.open("x", venus.OpenFlags{Write: true})
			put(t, w, 0, "synced")
			if syncs.before {
				require.NoError(t, w.Sync(t.Context()))
			}
			require.NoError(t, w.Flush(t.Context()))
			require.Equal(t, "synced", m.c.read("x"))
			if syncs.after {
				require.NoError(t, w.Sync(t.Context()))
			}
			m.losePower(w)
			m.c.stop()
			// Contents that are not what the log says are kept after a power loss only if they were synced.
			m.damage("synced", "SYNCED")
			m.boot++
			m.start()
			require.Equal(t, "SYNCED", m.c.read("x"))
		})
	}
}

// A process that keeps a file open, after another one that had inherited it closed it, must not hold up what was closed.
func TestFlushedContentsOfAnOpenFileAreSent(t *testing.T) {
	s := vicetest.Start(t)
	c := start(t, s)
	ctx := t.Context()
	c.write("x", "")
	w := c.open("x", venus.OpenFlags{Write: true})
	put(t, w, 0, "flushed")
	require.NoError(t, w.Flush(ctx))
	c.write("y", "behind it")
	c.settle()
	require.Equal(t, serverTree(s), c.tree())
	require.Equal(t, "flushed", c.read("x"))
	put(t, w, 7, " and more")
	require.Equal(t, "flushed", c.read("x"))
	require.NoError(t, w.Close(ctx))
	require.Equal(t, "flushed and more", c.read("x"))
	c.settle()
	require.Equal(t, serverTree(s), c.tree())
}

func TestUnwrittenFilesAreNotStored(t *testing.T) {
	s := vicetest.Start(t)
	c := start(t, s)
	ctx := t.Context()
	c.write("x", "x")
	c.settle()
	before := s.Tree()
	h := c.open("x", venus.OpenFlags{Read: true, Write: true})
	require.NoError(t, h.Flush(ctx))
	require.NoError(t, h.Close(ctx))
	require.Zero(t, c.Volume().LogRecords)
	require.Equal(t, before, s.Tree())
	h = c.open("x", venus.OpenFlags{Write: true, Truncate: true})
	require.NoError(t, h.Close(ctx))
	require.Empty(t, c.read("x"))
}

// What cp -p and tar do: set the time while the file is open, or right after close and before the kernel has told of the release.
func TestTimesSurviveStores(t *testing.T) {
	s := vicetest.Start(t)
	c := start(t, s)
	ctx := t.Context()
	old := time.Unix(1e9, 5)
	set := func(p string) {
		at, err := c.at(p)
		require.NoError(t, err)
		_, err = c.SetAttributes(ctx, at.Fid, venus.Changes{Modified: &old})
		require.NoError(t, err)
	}
	for name, order := range map[string][]string{
		"before close": {"set", "flush", "close"}, "before release": {"flush", "set", "close"}, "after": {"flush", "close", "set"},
	} {
		c.write(name, "")
		w := c.open(name, venus.OpenFlags{Write: true})
		put(t, w, 0, "contents")
		for _, step := range order {
			switch step {
			case "set":
				set(name)
			case "flush":
				require.NoError(t, w.Flush(ctx))
			case "close":
				require.NoError(t, w.Close(ctx))
			}
		}
		at, err := c.at(name)
		require.NoError(t, err)
		require.Equal(t, coda.TimeOf(old), at.Modified, name)
		c.settle()
		require.Equal(t, coda.TimeOf(old), s.Tree()[name].Modified, name)
		require.EqualValues(t, 8, s.Tree()[name].Length, name)
	}
}

func TestLengths(t *testing.T) {
	s := vicetest.Start(t)
	c := start(t, s)
	ctx := t.Context()
	c.write("x", "0123456789")
	at, err := c.at("x")
	require.NoError(t, err)
	for _, n := range []uint64{20, 4, 0, 3} {
		got, err := c.SetAttributes(ctx, at.Fid, venus.Changes{Length: &n})
		require.NoError(t, err)
		require.Equal(t, n, got.Length)
	}
	require.Equal(t, "\x00\x00\x00", c.read("x"))
	h := c.open("x", venus.OpenFlags{Write: true})
	require.NoError(t, h.Truncate(ctx, 1))
	require.NoError(t, h.Close(ctx))
	require.Equal(t, "\x00", c.read("x"))
	large := strings.Repeat("large", 200_000) // beyond what is digested at once
	c.write("large", large)
	require.True(t, large == c.read("large"))
	c.settle()
	require.Equal(t, serverTree(s), c.tree())
}

func TestRemovedWhileOpen(t *testing.T) {
	s := vicetest.Start(t)
	c := start(t, s)
	ctx := t.Context()
	c.write("x", "contents")
	c.settle()
	r, w := c.open("x", venus.OpenFlags{Read: true}), c.open("x", venus.OpenFlags{Write: true})
	put(t, w, 0, "CONTENTS")
	c.remove("x")
	status, err := w.Status(ctx)
	require.NoError(t, err)
	require.Zero(t, status.Links)
	got, err := contents(r)
	require.NoError(t, err)
	require.Equal(t, "contents", got)
	require.NoError(t, w.Flush(ctx))
	require.NoError(t, w.Close(ctx))
	require.NoError(t, r.Close(ctx))
	c.settle()
	require.Empty(t, serverTree(s))
	conflicts, err := c.Conflicts()
	require.NoError(t, err)
	require.Empty(t, conflicts)
}

func TestCreate(t *testing.T) {
	c := start(t, vicetest.Start(t))
	ctx := t.Context()
	root, err := c.Root(ctx)
	require.NoError(t, err)
	_, h, err := c.Create(ctx, root.Fid, "x", 0o600, 7, venus.OpenFlags{Read: true, Exclusive: true})
	require.NoError(t, err)
	got, err := contents(h)
	require.NoError(t, err)
	require.Empty(t, got)
	require.NoError(t, h.Close(ctx))
	_, _, err = c.Create(ctx, root.Fid, "x", 0o600, 7, venus.OpenFlags{Write: true, Exclusive: true})
	require.ErrorIs(t, err, coda.Exists)
	s, h, err := c.Create(ctx, root.Fid, "x", 0o777, 8, venus.OpenFlags{Write: true})
	require.NoError(t, err)
	require.EqualValues(t, 0o600, s.Mode)
	require.EqualValues(t, 7, s.Owner)
	require.NoError(t, h.Close(ctx))
	_, _, err = c.Create(ctx, root.Fid, "a/b", 0o600, 7, venus.OpenFlags{Write: true})
	require.ErrorIs(t, err, coda.Invalid)
	_, _, err = c.Create(ctx, s.Fid, "y", 0o600, 7, venus.OpenFlags{Write: true})
	require.ErrorIs(t, err, coda.NotDirectory)
	_, err = c.OpenFile(ctx, root.Fid, venus.OpenFlags{Read: true})
	require.ErrorIs(t, err, coda.IsDirectory)
	_, err = c.GetAttributes(ctx, coda.NewFid(root.Fid.Volume, 1<<40, coda.File))
	require.ErrorIs(t, err, coda.NotFound)
}

// Closing a client must not need its open files to be closed, and what was flushed is there afterwards.
func TestCloseWithOpenFiles(t *testing.T) {
	s := vicetest.Start(t)
	c := start(t, s)
	ctx := t.Context()
	c.write("x", "old")
	r, w := c.open("x", venus.OpenFlags{Read: true}), c.open("x", venus.OpenFlags{Write: true})
	put(t, w, 0, "new")
	require.NoError(t, w.Flush(ctx))
	put(t, w, 0, "lost")
	again := c.restart()
	got, err := contents(r)
	require.NoError(t, err)
	require.Equal(t, "old", got)
	require.ErrorIs(t, w.Close(ctx), coda.Closed)
	require.NoError(t, r.Close(ctx))
	_, err = c.Root(ctx)
	require.ErrorIs(t, err, coda.Closed)
	require.Contains(t, []string{"new", "lost"}, again.read("x"))
	again.settle()
}
