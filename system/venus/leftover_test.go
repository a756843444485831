package venus_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk"
	"github.com/codastress/codastress/system/disk/simdisk"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// computer is a machine that keeps a cache, is never connected again, and can lose its venus or its power.
type computer struct {
	t    *testing.T
	s    *vicetest.Server
	dir  string
	disk *simdisk.Disk
	boot int
	c    *client
}

// halfSimulated keeps the metadata on a simulated disk, which can lose its power, and the containers on the machine's own, where the kernel tells
// who has them open.
type halfSimulated struct{ *simdisk.Disk }

func (d halfSimulated) of(name string) disk.FS {
	if strings.Contains(name, "/containers") || strings.Contains(name, "/conflicts") || strings.HasSuffix(name, "/ballast") {
		return disk.Real()
	}
	return d.Disk
}

func (d halfSimulated) OpenFile(name string, flag int) (disk.File, error) {
	return d.of(name).OpenFile(name, flag)
}
func (d halfSimulated) Entries(dir string) ([]disk.Entry, error) { return d.of(dir).Entries(dir) }
func (d halfSimulated) MkdirAll(dir string, mode os.FileMode) error {
	return d.of(dir).MkdirAll(dir, mode)
}
func (d halfSimulated) OpenDir(dir string) (vfs.File, error)   { return d.of(dir).OpenDir(dir) }
func (d halfSimulated) Remove(name string) error               { return d.of(name).Remove(name) }
func (d halfSimulated) Link(from, to string) error             { return d.of(to).Link(from, to) }
func (d halfSimulated) Stat(name string) (vfs.FileInfo, error) { return d.of(name).Stat(name) }

func (d halfSimulated) GetDiskUsage(path string) (vfs.DiskUsage, error) {
	return d.of(path).GetDiskUsage(path)
}

// newComputer has a cache with a file x in it, whose contents are "old".
func newComputer(t *testing.T) *computer {
	m := &computer{t: t, s: vicetest.Start(t), dir: t.TempDir(), disk: simdisk.New()}
	require.NoError(t, disk.MakeDirectory(m.disk, m.dir))
	c := startIn(t, m.dir, m.s, m.use, func(c *venus.Config) { c.Dial = m.s.Dial })
	c.warm()
	c.write("x", "old")
	c.settle()
	c.stop()
	m.start()
	return m
}

func (m *computer) use(c *venus.Config) {
	c.Disk, c.Boot, c.Dial = halfSimulated{m.disk}, fmt.Sprint("boot ", m.boot), nowhere
}

func (m *computer) start() {
	m.c = startIn(m.t, m.dir, m.s, m.use)
	m.c.await(false)
}

// kill has venus start again from what it had handed to the kernel. Files that it had open are closed as a front end's are when it is killed.
func (m *computer) kill(open ...*venus.Handle) {
	m.end(m.disk.Crash(), open)
}

// losePower has venus start again from what was synced of its metadata.
func (m *computer) losePower(open ...*venus.Handle) {
	m.boot++
	m.end(m.disk.LosePower(rand.New(rand.NewPCG(1, 2))), open)
}

func (m *computer) end(left *simdisk.Disk, open []*venus.Handle) {
	m.c.stop()
	for _, h := range open {
		if err := h.Close(m.t.Context()); err != nil {
			require.ErrorIs(m.t, err, coda.Closed)
		}
	}
	m.disk = left
	m.start()
}

// damage replaces the contents of containers while venus does not run.
func (m *computer) damage(from, to string) {
	files, err := filepath.Glob(filepath.Join(m.dir, "containers", "*"))
	require.NoError(m.t, err)
	for _, name := range files {
		b, err := os.ReadFile(name)
		require.NoError(m.t, err)
		if string(b) == from {
			require.NoError(m.t, os.WriteFile(name, []byte(to), 0o600))
		}
	}
}

// roomForMappings gives a directory on a file system that tells who has a file mapped.
func roomForMappings(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	var s unix.Statfs_t
	require.NoError(t, unix.Statfs(dir, &s))
	if s.Type != unix.OVERLAYFS_SUPER_MAGIC {
		return dir
	}
	dir, err := os.MkdirTemp("/dev/shm", "venus-") //nolint:usetesting // t.TempDir gives one that does not
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

// leave opens the container of a file as the kernel does for a program, which may outlive venus.
func leave(t *testing.T, h *venus.Handle) *os.File {
	t.Helper()
	f, err := os.OpenFile(h.File().Name(), os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() }) // most tests have closed it
	return f
}

// What was synced survives a crash that leaves a writer behind, and a power loss after that.
func TestContentsWithALeftWriterSurvivePowerLoss(t *testing.T) {
	m := newComputer(t)
	h := m.c.open("x", venus.OpenFlags{Write: true})
	put(t, h, 0, "synced")
	require.NoError(t, h.Sync(t.Context()))
	left := leave(t, h)
	m.kill(h)
	m.losePower()
	_, err := left.WriteAt([]byte("changed"), 0)
	require.NoError(t, err)
	require.Equal(t, "synced", m.c.read("x"))
}

// A mount that was cut leaves writers behind while venus goes on.
func TestContentsOfAnAbandonedWriterDoNotChange(t *testing.T) {
	m := newComputer(t)
	h := m.c.open("x", venus.OpenFlags{Write: true})
	put(t, h, 0, "flushed")
	require.NoError(t, h.Flush(t.Context()))
	left := leave(t, h)
	require.NoError(t, h.Abandon(t.Context()))
	require.Equal(t, "flushed", m.c.read("x"))
	for i := range 20 {
		m.c.write(fmt.Sprint("other", i), "other")
	}
	_, err := left.WriteAt([]byte("changed"), 0)
	require.NoError(t, err)
	require.Equal(t, "flushed", m.c.read("x"))
	m.c.write("x", "new")
	for i := range 20 {
		m.c.write(fmt.Sprint("another", i), "other")
	}
	_, err = left.WriteAt([]byte("changed"), 0)
	require.NoError(t, err)
	for i := range 20 {
		require.Equal(t, "other", m.c.read(fmt.Sprint("another", i)))
	}
}

// What is written by way of a mapping after the last close becomes the contents of the file when the mapping has gone.
func TestSessionsLastAsLongAsTheirMappings(t *testing.T) {
	s := vicetest.Start(t)
	c := startIn(t, roomForMappings(t), s)
	ctx := t.Context()
	c.write("x", "old")
	c.write("y", "old")
	for _, name := range []string{"x", "y"} {
		h := c.open(name, venus.OpenFlags{Write: true})
		left := leave(t, h)
		b, err := unix.Mmap(int(left.Fd()), 0, 3, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		require.NoError(t, err)
		require.NoError(t, left.Close())
		b[0] = 'O'
		require.NoError(t, h.Flush(ctx))
		require.NoError(t, h.Close(ctx))
		if name == "y" {
			c.settle() // a copy is sent
		}
		require.Equal(t, "Old", c.read(name))
		b[1] = 'L'
		require.Equal(t, "Old", c.read(name))
		require.NoError(t, unix.Munmap(b))
		require.Eventually(t, func() bool { return c.read(name) == "OLd" }, patience, time.Millisecond)
	}
	require.Eventually(t, func() bool { c.settle(); return fmt.Sprint(serverTree(s)) == fmt.Sprint(c.tree()) }, patience, time.Millisecond)
}

// A close acknowledges what was written by way of a mapping before it, although the container does not show it.
func TestFlushesSeeMappings(t *testing.T) {
	m := newComputer(t)
	h := m.c.open("x", venus.OpenFlags{Write: true})
	b, err := unix.Mmap(int(h.File().Fd()), 0, 3, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	require.NoError(t, err)
	b[0] = 'O'
	require.NoError(t, h.Flush(t.Context()))
	require.Equal(t, "Old", m.c.read("x")) // a copy
	b[1] = 'L'
	require.NoError(t, h.Flush(t.Context()))
	require.NoError(t, unix.Munmap(b))
	m.kill(h)
	require.Equal(t, "OLd", m.c.read("x"))
}

// A client ends although files of its are mapped, and has them when it starts again.
func TestCloseWithMappings(t *testing.T) {
	m := newComputer(t)
	h := m.c.open("x", venus.OpenFlags{Write: true})
	left := leave(t, h)
	put(t, h, 0, "new")
	require.NoError(t, h.Flush(t.Context()))
	require.NoError(t, h.Close(t.Context()))
	m.kill()
	_, err := left.WriteAt([]byte("changed"), 0)
	require.NoError(t, err)
	require.Equal(t, "new", m.c.read("x"))
}
