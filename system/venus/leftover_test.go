package venus_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// computer is a machine that keeps a cache, is never connected again, and can lose its venus or its power.
type computer struct {
	t    *testing.T
	s    *vicetest.Server
	dir  string
	disk *vfs.MemFS
	boot int
	c    *client
}

// newComputer has a cache with a file x in it, whose contents are "old".
func newComputer(t *testing.T) *computer {
	m := &computer{t: t, s: vicetest.Start(t), dir: t.TempDir(), disk: vfs.NewCrashableMem()}
	c := startIn(t, m.dir, m.s, m.use, func(c *venus.Config) { c.Dial = m.s.Dial })
	c.warm()
	c.write("x", "old")
	c.settle()
	c.stop()
	m.start()
	return m
}

func (m *computer) use(c *venus.Config) {
	c.Disk, c.Boot, c.Dial = m.disk, fmt.Sprint("boot ", m.boot), nowhere
}

func (m *computer) start() {
	m.c = startIn(m.t, m.dir, m.s, m.use)
	m.c.await(false)
}

// kill has venus start again from what it had handed to the kernel. Files that it had open are closed as a front end's are when it is killed.
func (m *computer) kill(open ...*venus.Handle) {
	disk := m.disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 2))})
	m.end(disk, open)
}

// losePower has venus start again from what was synced of its metadata.
func (m *computer) losePower(open ...*venus.Handle) {
	disk := m.disk.CrashClone(vfs.CrashCloneCfg{})
	m.boot++
	m.end(disk, open)
}

func (m *computer) end(disk *vfs.MemFS, open []*venus.Handle) {
	m.c.stop()
	for _, h := range open {
		require.ErrorIs(m.t, h.Close(m.t.Context()), coda.Closed)
	}
	m.disk = disk
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
