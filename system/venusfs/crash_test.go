package venusfs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// within fails the test if something takes longer than it may. What hangs is left behind.
func within(t *testing.T, limit time.Duration, what string, do func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-time.After(limit):
		t.Fatalf("%s hangs", what)
		return nil
	}
}

func TestKilledClient(t *testing.T) {
	c := startCluster(t)
	client := c.mount(Options{})
	client.write("closed", "closed before")
	reader := client.open("closed", unix.O_RDONLY)
	defer reader.Close()
	writer := client.open("open", unix.O_WRONLY|unix.O_CREAT)
	_, err := writer.WriteString("written")
	require.NoError(t, err)

	waiting := make(chan error, 1)
	go func() { waiting <- unix.Access(client.path(stalled), unix.F_OK) }()
	time.Sleep(20 * time.Millisecond) // so that it most likely waits by now; the test is right either way
	client.kill()

	require.Error(t, within(t, 10*time.Second, "a call that was under way", func() error { return <-waiting }))
	for name, do := range map[string]func() error{
		"stat":           func() error { _, err := os.Lstat(client.path("closed")); return err },
		"list":           func() error { _, err := os.ReadDir(client.dir); return err },
		"write":          func() error { return os.WriteFile(client.path("new"), nil, 0o644) },
		"close a writer": writer.Close,
	} {
		err := within(t, 10*time.Second, name, do)
		require.Error(t, err, name)
		require.True(t, isOneOf(err, unix.ENOTCONN, unix.ECONNABORTED), "%s: %v", name, err)
	}
	// The kernel still has the container.
	require.Equal(t, "closed before", contentsBy["pread"](t, reader))

	require.NoError(t, ClearDead(client.dir))
	require.NoError(t, ClearDead(client.dir))
	entries, err := os.ReadDir(client.dir)
	require.NoError(t, err)
	require.Empty(t, entries, "the mount has gone")

	again := startClient(t, client.config)
	require.Equal(t, "closed before", again.read("closed"))
	require.Empty(t, again.read("open"), "what was never closed")
	again.write("closed", "closed after")
	require.Equal(t, "closed after", again.read("closed"))
}

func isOneOf(err error, errnos ...unix.Errno) bool {
	for _, e := range errnos {
		if asErrno(err) == e {
			return true
		}
	}
	return false
}

// A child that outlives its parent does not keep the parent's mount alive.
func TestChildrenInheritNothing(t *testing.T) {
	c := startCluster(t)
	client := c.mount(Options{})
	pid := client.ask("spawn")
	number, err := strconv.Atoi(pid)
	require.NoError(t, err)
	t.Cleanup(func() { _ = unix.Kill(number, unix.SIGKILL) })
	links, err := filepath.Glob("/proc/" + pid + "/fd/*")
	require.NoError(t, err)
	require.NotEmpty(t, links)
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil {
			require.ErrorIs(t, err, os.ErrNotExist) // a library that the program had open to load it
			continue
		}
		require.NotContains(t, target, "fuse")
	}
	client.kill()
	require.ErrorIs(t, within(t, 10*time.Second, "stat", func() error { _, err := os.Stat(client.path("x")); return err }), unix.ENOTCONN)
}

func TestStoppedClientIsCleared(t *testing.T) {
	c := startCluster(t)
	client := c.mount(Options{})
	client.write("file", "text")
	client.pause()
	waiting := make(chan error, 1)
	go func() {
		_, err := os.Stat(client.path("not cached"))
		waiting <- err
	}()
	select {
	case err := <-waiting:
		t.Fatalf("a stopped client answers %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	require.NoError(t, within(t, 10*time.Second, "abort", func() error { return Abort(client.dir) }))
	require.True(t, isOneOf(<-waiting, unix.ENOTCONN, unix.ECONNABORTED))
	require.NoError(t, within(t, 10*time.Second, "clear", func() error { return ClearDead(client.dir) }))
	_, err := os.Stat(client.path("file"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorIs(t, Abort(client.dir), os.ErrNotExist)
	client.kill()
}

// A mapping of a file does not block those who look at its process, when nobody serves the file any more.
func TestMappingsOfAStoppedClientBlockNobody(t *testing.T) {
	c := startCluster(t)
	client := c.mount(Options{})
	client.write("file", strings.Repeat("x", 1<<20))
	f := client.open("file", unix.O_RDWR)
	b, err := unix.Mmap(int(f.Fd()), 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	require.NoError(t, err)
	b[0] = 'y'
	client.pause()
	for i := 0; i < len(b); i += 4096 {
		b[i] = 'z' // with passthrough nobody is asked
	}
	require.NoError(t, within(t, 10*time.Second, "munmap", func() error { return unix.Munmap(b) }))
	require.NoError(t, within(t, 10*time.Second, "reading /proc", func() error {
		_, err := os.ReadFile("/proc/self/cmdline")
		return err
	}))
	require.NoError(t, client.cmd.Process.Signal(unix.SIGCONT))
	require.NoError(t, f.Close())
	require.Equal(t, "z", client.read("file")[:1])
}

func TestInterruptEndsAWait(t *testing.T) {
	c := startCluster(t)
	client := c.mount(Options{})
	cmd := exec.CommandContext(t.Context(), "stat", client.path(stalled))
	require.NoError(t, cmd.Start())
	time.Sleep(50 * time.Millisecond) // so that it most likely waits by now; the test is right either way
	require.NoError(t, cmd.Process.Signal(unix.SIGTERM))
	require.Error(t, within(t, 10*time.Second, "an interrupted call", cmd.Wait))
}

func TestDeadlineEndsAWait(t *testing.T) {
	c := startCluster(t)
	client := c.mount(Options{CallTimeout: 100 * time.Millisecond})
	err := within(t, 10*time.Second, "a late call", func() error { _, err := os.Stat(client.path(stalled)); return err })
	require.ErrorIs(t, err, unix.ETIMEDOUT)
}

// A request that waits long does not keep others from its directory, whatever the kernel is told about that meanwhile.
func TestSlowLookupDelaysNobody(t *testing.T) {
	c := startCluster(t)
	a, b := c.mount(Options{}), c.mount(Options{CallTimeout: 2 * time.Second})
	a.write("file", "1")
	eventually(t, func() bool { _, err := os.Stat(b.path("file")); return err == nil }, "the file comes")
	slow := make(chan error, 1)
	go func() { slow <- unix.Access(b.path(stalled), unix.F_OK) }()
	for i := range 20 {
		time.Sleep(20 * time.Millisecond) // so that notices have time to come
		a.write("file", strings.Repeat("x", i))
		a.write("other", strings.Repeat("x", i))
		require.NoError(t, os.Remove(a.path("other")))
		start := time.Now()
		_, _ = os.Stat(b.path("file"))
		_, _ = os.Stat(b.path("nothing"))
		if took := time.Since(start); took > time.Second {
			t.Fatalf("others wait for %v", took)
		}
	}
	require.ErrorIs(t, within(t, 10*time.Second, "the slow call", func() error { return <-slow }), unix.ETIMEDOUT)
}

// Who still has a file open for writing when its client was killed can write to its container, but to no other file, and closes in vain.
func TestLeftWritersHarmNobody(t *testing.T) {
	c := startCluster(t)
	client := c.mount(Options{})
	client.write("file", "old")
	left := client.open("file", unix.O_RDWR)
	_, err := left.WriteAt([]byte("new"), 0)
	require.NoError(t, err)
	client.kill()
	require.NoError(t, ClearDead(client.dir))
	again := startClient(t, client.config)
	for i := range 50 {
		again.write(fmt.Sprint("other", i), "other")
	}
	_, err = left.WriteAt([]byte("left"), 0)
	require.NoError(t, err)
	require.Error(t, left.Close())
	for i := range 50 {
		require.Equal(t, "other", again.read(fmt.Sprint("other", i)))
	}
	require.Equal(t, "old", again.read("file"))
}
