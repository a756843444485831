package venusfs

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/system/coda"
)

func TestErrnoKnowsEveryKind(t *testing.T) {
	want := map[coda.ErrorKind]unix.Errno{
		coda.NotFound: unix.ENOENT, coda.Exists: unix.EEXIST, coda.NotDirectory: unix.ENOTDIR, coda.IsDirectory: unix.EISDIR,
		coda.NotEmpty: unix.ENOTEMPTY, coda.Invalid: unix.EINVAL, coda.NameTooLong: unix.ENAMETOOLONG, coda.CrossDevice: unix.EXDEV,
		coda.TooManyLinks: unix.EMLINK, coda.Permission: unix.EACCES, coda.NoSpace: unix.ENOSPC, coda.TimedOut: unix.ETIMEDOUT,
		coda.Conflict: unix.EPERM, coda.IO: unix.EIO, coda.Busy: unix.EBUSY, coda.Closed: unix.ESHUTDOWN, coda.Unsupported: unix.EOPNOTSUPP,
		coda.NoToken: unix.EACCES, coda.QuotaExceeded: unix.EDQUOT,
	}
	require.Len(t, want, int(coda.MaxErrorKind))
	for kind := coda.ErrorKind(1); kind <= coda.MaxErrorKind; kind++ {
		got := Errno(coda.Errorf("test", kind, "with details"))
		require.Equal(t, want[kind], got, kind)
		require.NotContains(t, []unix.Errno{0, unix.ESTALE, unix.ENOSYS, unix.EINTR}, got, kind)
	}
	require.Zero(t, Errno(nil))
	require.Equal(t, unix.EIO, Errno(os.ErrClosed))
}

func TestParseMounts(t *testing.T) {
	text := `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
36 22 0:53 / /mnt/with\040blank\134 rw,nosuid shared:7 master:2 - fuse.codastress codastress rw,user_id=0
37 22 0:1054 / /plain rw - fuse other rw
38 22 0:33 / /sys/fs/fuse/connections rw - fusectl fusectl rw
`
	got, err := parseMounts([]byte(text))
	require.NoError(t, err)
	require.Equal(t, []mounted{{`/mnt/with blank\`, 53}, {"/plain", 1054}}, got)
	for _, broken := range []string{"x", "36 22 0:53 / /mnt rw", "36 22 0:x / /mnt rw - fuse f rw"} {
		_, err := parseMounts([]byte(broken))
		require.Error(t, err, broken)
	}
}

func FuzzParseMounts(f *testing.F) {
	f.Add("36 22 0:53 / /mnt/with\\040blank\\134 rw,nosuid shared:7 - fuse.codastress codastress rw\n")
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = parseMounts([]byte(text)) // it must not panic
	})
}

func TestUnmountTakesFilesAwayInTheEnd(t *testing.T) {
	c := startCluster(t)
	client := c.mount(Options{Grace: 50 * time.Millisecond})
	client.write("file", "text")
	f := client.open("file", unix.O_WRONLY)
	_, err := f.WriteString("half")
	require.NoError(t, err)
	client.stop()
	require.ErrorIs(t, f.Close(), unix.ENOTCONN)
	_, err = os.Stat(client.path("file"))
	require.ErrorIs(t, err, os.ErrNotExist, "the mount has gone")
	// What was not closed never became the contents.
	require.Equal(t, "text", startClient(t, client.config).read("file"))
}

func TestUnmountWaitsForFiles(t *testing.T) {
	c := startCluster(t)
	client := c.mount(Options{Grace: 20 * time.Second})
	f := client.open("file", unix.O_WRONLY|unix.O_CREAT)
	_, err := f.WriteString("whole")
	require.NoError(t, err)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		client.stop()
	}()
	eventually(t, func() bool { _, err := os.Stat(client.path("file")); return os.IsNotExist(err) }, "the mount is detached")
	require.NoError(t, f.Close())
	<-stopped
	require.Equal(t, "whole", startClient(t, client.config).read("file"))
}

func TestFusermountMountsAndUnmounts(t *testing.T) {
	if _, err := exec.LookPath("fusermount3"); err != nil {
		t.Skip("needs fusermount3")
	}
	c := startCluster(t)
	client := c.mount(Options{Fusermount: true})
	client.write("file", "text")
	require.Equal(t, "text", client.read("file"))
	client.stop()
	_, err := os.Stat(client.path("file"))
	require.ErrorIs(t, err, os.ErrNotExist, "the mount has gone")
}

func TestMountRefusesToHideAnotherMount(t *testing.T) {
	c := startCluster(t)
	client := c.mount(Options{})
	_, err := Mount(t.Context(), stalling{}, client.dir, Options{})
	require.ErrorIs(t, err, coda.Busy)
}

// What Coda does not have, and how it says so.
func TestLimitsOfTheDesign(t *testing.T) {
	c := startCluster(t)
	client := c.mount(Options{})
	require.NoError(t, os.Mkdir(client.path("dir"), 0o755))
	require.NoError(t, os.Mkdir(client.path("full"), 0o755))
	client.write("full/x", "")
	client.write("file", "text")
	client.write("other", "other")
	long := strings.Repeat("n", 256)
	for _, test := range []struct {
		name string
		do   func() error
		want unix.Errno
	}{
		{"link into another directory", func() error { return os.Link(client.path("file"), client.path("dir/link")) }, unix.EXDEV},
		{"link to a directory", func() error { return os.Link(client.path("dir"), client.path("link")) }, unix.EPERM},
		{"fifo", func() error { return unix.Mkfifo(client.path("fifo"), 0o644) }, unix.EPERM},
		{"device", func() error { return unix.Mknod(client.path("device"), unix.S_IFCHR|0o644, 0x103) }, unix.EPERM},
		{"set xattr", func() error { return unix.Setxattr(client.path("file"), "user.x", []byte("x"), 0) }, unix.EOPNOTSUPP},
		{"get xattr", func() error { _, err := unix.Getxattr(client.path("file"), "user.x", nil); return err }, unix.EOPNOTSUPP},
		{"exchange", func() error { return rename2(client, "file", "other", unix.RENAME_EXCHANGE) }, unix.EINVAL},
		{"no replace", func() error { return rename2(client, "file", "other", unix.RENAME_NOREPLACE) }, unix.EEXIST},
		{"exclusive create", func() error { _, err := unix.Open(client.path("file"), unix.O_CREAT|unix.O_EXCL, 0o644); return err }, unix.EEXIST},
		{"long name", func() error { return os.WriteFile(client.path(long), nil, 0o644) }, unix.ENAMETOOLONG},
		{"remove full directory", func() error { return unix.Rmdir(client.path("full")) }, unix.ENOTEMPTY},
		{"remove directory as file", func() error { return unix.Unlink(client.path("dir")) }, unix.EISDIR},
		{"remove file as directory", func() error { return unix.Rmdir(client.path("file")) }, unix.ENOTDIR},
		{"replace full directory", func() error { return unix.Rename(client.path("dir"), client.path("full")) }, unix.ENOTEMPTY},
		{"directory below itself", func() error { return unix.Rename(client.path("dir"), client.path("dir/x")) }, unix.EINVAL},
		{"write to directory", func() error { _, err := unix.Open(client.path("dir"), unix.O_WRONLY, 0); return err }, unix.EISDIR},
		{"nothing there", func() error { _, err := os.Stat(client.path("nothing")); return err }, unix.ENOENT},
	} {
		require.Equal(t, test.want, asErrno(test.do()), test.name)
	}
	require.NoError(t, rename2(client, "file", "moved", unix.RENAME_NOREPLACE))
	require.Equal(t, "text", client.read("moved"))
	require.NoError(t, unix.Mknod(client.path("regular"), unix.S_IFREG|0o600, 0))
	require.Empty(t, client.read("regular"))
}

func rename2(c *client, from, to string, flags uint) error {
	return unix.Renameat2(unix.AT_FDCWD, c.path(from), unix.AT_FDCWD, c.path(to), flags)
}

func TestAttributes(t *testing.T) {
	bothModes(t, func(t *testing.T, c *cluster, options Options) {
		client := c.mount(options)
		path := client.path("file")
		client.write("file", "0123456789")
		at := time.Date(2007, 3, 15, 12, 0, 0, 42, time.UTC)
		require.NoError(t, os.Chmod(path, 0o600))
		require.NoError(t, os.Chown(path, 1000, 1000))
		require.NoError(t, os.Chtimes(path, time.Time{}, at))
		require.NoError(t, os.Truncate(path, 5))
		var s unix.Stat_t
		require.NoError(t, unix.Stat(path, &s))
		require.EqualValues(t, unix.S_IFREG|0o600, s.Mode)
		require.EqualValues(t, 1000, s.Uid)
		require.EqualValues(t, 5, s.Size)
		require.Equal(t, "01234", client.read("file"))
		require.NoError(t, os.Truncate(path, 8))
		require.Equal(t, "01234\x00\x00\x00", client.read("file"))
		require.NoError(t, os.Chtimes(path, time.Time{}, at))
		require.NoError(t, unix.Stat(path, &s))
		require.Equal(t, at.UnixNano(), s.Mtim.Nano())

		// The time that is set while the file is open survives the close, as cp -p and tar need it.
		f := client.open("file", unix.O_RDWR|unix.O_TRUNC)
		_, err := f.WriteString("new")
		require.NoError(t, err)
		require.NoError(t, unix.Futimes(int(f.Fd()), []unix.Timeval{{}, {Sec: 1000}}))
		info, err := f.Stat()
		require.NoError(t, err)
		require.EqualValues(t, 3, info.Size())
		require.NoError(t, f.Close())
		require.NoError(t, unix.Stat(path, &s))
		require.EqualValues(t, 1000, s.Mtim.Sec)

		var space unix.Statfs_t
		require.NoError(t, unix.Statfs(client.dir, &space))
		require.NotZero(t, space.Bfree)
		require.EqualValues(t, 255, space.Namelen)
	})
}

func TestRemovedFilesStayUsable(t *testing.T) {
	bothModes(t, func(t *testing.T, c *cluster, options Options) {
		client := c.mount(options)
		client.write("read", "text")
		reader := client.open("read", unix.O_RDONLY)
		writer := client.open("written", unix.O_RDWR|unix.O_CREAT)
		client.write("target", "target")
		require.NoError(t, os.Remove(client.path("read")))
		require.NoError(t, os.Rename(client.path("target"), client.path("written")))

		requireContents(t, reader, "text")
		_, err := writer.WriteString("some words")
		require.NoError(t, err)
		require.NoError(t, writer.Truncate(4))
		require.NoError(t, writer.Chmod(0o600))
		requireContents(t, writer, "some")
		for _, f := range []*os.File{reader, writer} {
			var s unix.Stat_t
			require.NoError(t, unix.Fstat(int(f.Fd()), &s))
			require.Zero(t, s.Nlink)
			require.EqualValues(t, 4, s.Size)
			require.NoError(t, f.Close())
		}
		require.Equal(t, "target", client.read("written"))
		names, err := os.ReadDir(client.dir)
		require.NoError(t, err)
		require.Len(t, names, 1)
	})
}

func TestSeveralNames(t *testing.T) {
	c := startCluster(t)
	client := c.mount(Options{})
	client.write("a", "old")
	require.NoError(t, os.Link(client.path("a"), client.path("b")))
	old := client.open("b", unix.O_RDONLY)
	defer old.Close()
	client.write("a", "new contents")
	requireContents(t, old, "old")
	require.Equal(t, "new contents", client.read("b"))
	f := client.open("b", unix.O_WRONLY|unix.O_APPEND)
	_, err := f.WriteString(", and more")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.Equal(t, "new contents, and more", client.read("a"))
	for _, name := range []string{"a", "b"} {
		var s unix.Stat_t
		require.NoError(t, unix.Stat(client.path(name), &s))
		require.EqualValues(t, 2, s.Nlink)
	}
}

func TestReopenBeyondAPath(t *testing.T) {
	bothModes(t, func(t *testing.T, c *cluster, options Options) {
		client := c.mount(options)
		client.write("file", "old")
		old := client.open("file", unix.O_RDONLY)
		defer old.Close()
		client.write("file", "new contents")
		// The kernel walks no path here, so that there can be no detour.
		again, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", old.Fd()))
		require.NoError(t, err)
		defer again.Close()
		require.Equal(t, "new contents", contentsBy["pread"](t, again))
		requireContents(t, old, "old")
	})
}

// Whoever sees a file through a mount that has been told of a change sees the change, also in what the kernel believes.
func TestChangesElsewhereComeSoon(t *testing.T) {
	c := startCluster(t)
	a := c.mount(Options{})
	b := c.mount(Options{AttributeTimeout: time.Hour})
	a.write("file", "1")
	a.write("removed", "1")
	require.NoError(t, os.Mkdir(a.path("dir"), 0o755))
	size := func(name string, want int64) func() bool {
		return func() bool {
			info, err := os.Stat(b.path(name))
			return err == nil && info.Size() == want
		}
	}
	eventually(t, size("file", 1), "the file comes")
	eventually(t, size("removed", 1), "the other file comes")
	eventually(t, func() bool { _, err := os.ReadDir(b.path("dir")); return err == nil }, "the directory comes")
	for i := int64(2); i < 5; i++ {
		a.write("file", strings.Repeat("x", int(i)))
		eventually(t, size("file", i), "the length changes")
	}
	require.NoError(t, os.Chmod(a.path("file"), 0o600))
	eventually(t, func() bool {
		info, err := os.Stat(b.path("file"))
		return err == nil && info.Mode().Perm() == 0o600
	}, "the mode changes")
	require.NoError(t, os.Remove(a.path("removed")))
	eventually(t, func() bool { _, err := os.Stat(b.path("removed")); return os.IsNotExist(err) }, "the file goes")
	require.NoError(t, os.Rename(a.path("file"), a.path("dir/moved")))
	eventually(t, size("dir/moved", 4), "the file moves")
	eventually(t, func() bool { _, err := os.Stat(b.path("file")); return os.IsNotExist(err) }, "the old name goes")
}
