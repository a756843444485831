package venusfs

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/system/disk"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice"
)

var (
	treeFiles = flag.Int("tree.files", 3000, "how many files TestManyFiles makes")
	largeFile = flag.Int64("large.mib", 300, "the length of TestLargeFile's file in MiB")
)

// A directory is read while names come and go: none that stays is missed or seen twice.
func TestDirectoriesChangeWhileTheyAreRead(t *testing.T) {
	const stay, change = 2000, 1000
	c := startCluster(t)
	a, b := c.mount(Options{}), c.mount(Options{})
	require.NoError(t, os.Mkdir(a.path("dir"), 0o755))
	for i := range stay {
		require.NoError(t, unix.Mknod(a.path(fmt.Sprint("dir/stays", i)), unix.S_IFREG|0o644, 0))
	}
	a.reintegrate()
	eventually(t, func() bool { names, err := os.ReadDir(b.path("dir")); return err == nil && len(names) == stay }, "the directory comes")

	stop, changed := make(chan struct{}), make(chan error, 1)
	go func() {
		changed <- func() error {
			for i := 0; ; i = (i + 1) % change {
				select {
				case <-stop:
					return nil
				default:
				}
				comes := a.path(fmt.Sprint("dir/", i%7, "comes", i))
				if err := unix.Mknod(comes, unix.S_IFREG|0o644, 0); err != nil {
					return err
				}
				if err := os.Rename(comes, comes+"moved"); err != nil {
					return err
				}
				if err := os.Remove(comes + "moved"); err != nil {
					return err
				}
			}
		}()
	}()
	for _, client := range []*client{a, b, a, b, a, b} {
		fd, err := unix.Open(client.path("dir"), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		require.NoError(t, err)
		seen := map[string]int{}
		buf := make([]byte, 4096) // so that the reading takes many calls
		for {
			n, err := unix.Getdents(fd, buf)
			require.NoError(t, err)
			if n == 0 {
				break
			}
			_, _, names := unix.ParseDirent(buf[:n], -1, nil)
			for _, name := range names {
				seen[name]++
			}
		}
		require.NoError(t, unix.Close(fd))
		for i := range stay {
			require.Equal(t, 1, seen[fmt.Sprint("stays", i)], "stays%d", i)
		}
		for name, times := range seen {
			require.Equal(t, 1, times, name)
		}
	}
	close(stop)
	require.NoError(t, <-changed)
	require.NoError(t, os.RemoveAll(a.path("dir")))
}

// A large tree is made, listed on another client and removed. One of its directories has a tenth of all files.
func TestManyFiles(t *testing.T) {
	c := startCluster(t)
	limits := venus.Limits{CacheObjects: 2 * *treeFiles}
	a, b := c.mountWith(Options{}, limits), c.mountWith(Options{}, limits)
	paths := make(map[string]bool, *treeFiles)
	require.NoError(t, os.Mkdir(a.path("tree"), 0o755))
	for i := range *treeFiles {
		dir := "tree/large"
		if i%10 > 0 {
			dir = fmt.Sprintf("tree/%d/%d", i%7, i/700)
		}
		require.NoError(t, os.MkdirAll(a.path(dir), 0o755))
		path := fmt.Sprintf("%s/file%d", dir, i)
		require.NoError(t, os.WriteFile(a.path(path), fmt.Append(nil, i), 0o644))
		paths[path] = true
	}
	a.reintegrate()
	for _, client := range []*client{a, b} {
		found := strings.Fields(run(t, client.dir, "find", "tree", "-type", "f"))
		require.Len(t, found, len(paths))
		for _, path := range found {
			require.True(t, paths[path], path)
		}
	}
	last := fmt.Sprintf("tree/large/file%d", (*treeFiles-1)/10*10)
	require.Equal(t, last, "tree/large/file"+b.read(last))
	t.Logf("memory: %s of the client that made them, %s of the one that looked", a.memory(), b.memory())
	run(t, a.dir, "rm", "-r", "tree")
	a.reintegrate()
	eventually(t, func() bool { _, err := os.Stat(b.path("tree")); return os.IsNotExist(err) }, "the tree goes")
}

// A large file goes to the server and to another client, and neither keeps it in memory.
func TestLargeFile(t *testing.T) {
	needFUSE(t)
	length := *largeFile << 20
	c := startCluster(t, func(cfg *vice.Config) { cfg.Disk, cfg.Dir = disk.Real(), t.TempDir() })
	limits := venus.Limits{CacheBytes: uint64(3*length + 1<<30)}
	a, b := c.mountWith(Options{}, limits), c.mountWith(Options{}, limits)
	f, err := os.Create(a.path("large"))
	require.NoError(t, err)
	written := sha256.New()
	// Half of it is a hole.
	_, err = f.Seek(length/2, io.SeekStart)
	require.NoError(t, err)
	_, err = io.CopyN(written, zeros{}, length/2)
	require.NoError(t, err)
	block := make([]byte, 1<<20)
	for i := length / 2; i < length; i += int64(len(block)) {
		copy(block, fmt.Sprint("block at ", i))
		_, err := io.MultiWriter(f, written).Write(block)
		require.NoError(t, err)
	}
	require.NoError(t, f.Close())
	a.reintegrate()
	for _, client := range []*client{a, b} {
		info, err := os.Stat(client.path("large"))
		require.NoError(t, err)
		require.Equal(t, length, info.Size())
		// An open that has waited for a minute fails; the fetch goes on, and another open finds what it brings.
		var r *os.File
		require.Eventually(t, func() bool {
			r, err = os.Open(client.path("large"))
			return asErrno(err) != unix.ETIMEDOUT
		}, reintegrateTime, time.Millisecond)
		require.NoError(t, err)
		read := sha256.New()
		_, err = io.Copy(read, r)
		require.NoError(t, err)
		require.NoError(t, r.Close())
		require.Equal(t, written.Sum(nil), read.Sum(nil))
		require.Less(t, client.peak(), int64(250<<20), "a client must not need memory for what files contain")
	}
	t.Logf("memory: %s of the writer, %s of the reader", a.memory(), b.memory())
	require.NoError(t, os.Remove(a.path("large")))
	a.reintegrate()
}

type zeros struct{}

// Read gives zeros.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// memory says how much memory a client has, and has had at most.
func (c *client) memory() string {
	return fmt.Sprintf("%d MiB (at most %d MiB)", c.status("VmRSS")>>20, c.peak()>>20)
}

// peak is the most memory that a client has had, in bytes.
func (c *client) peak() int64 { return c.status("VmHWM") }

// status gives a number of bytes of /proc/PID/status.
func (c *client) status(field string) int64 {
	c.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	require.NoError(c.t, err)
	for line := range strings.Lines(string(text)) {
		var kib int64
		if _, err := fmt.Sscanf(line, field+": %d kB", &kib); err == nil {
			return kib << 10
		}
	}
	c.t.Fatalf("%s is not known of the client", field)
	return 0
}
