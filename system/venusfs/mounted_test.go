package venusfs

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A mounted volume is a directory to the kernel and to programs, on every client, and nothing leads out of it but its own mount point.
func TestMountedVolume(t *testing.T) {
	bothModes(t, func(t *testing.T, c *cluster, options Options) {
		require.NoError(t, c.server.Vice().CreateVolume(t.Context(), "users", ""))
		a, b := c.mount(options), c.mount(options)
		require.NoError(t, os.Mkdir(a.path("home"), 0o755))
		_, err := os.Lstat(a.path("home/users"))
		require.Equal(t, unix.ENOENT, asErrno(err))
		require.Equal(t, "<nil>", a.ask("mount home/users"))
		info, err := os.Lstat(a.path("home/users"))
		require.NoError(t, err, "that there was nothing is forgotten")
		require.True(t, info.IsDir())

		a.write("home/users/file", "one")
		require.NoError(t, os.MkdirAll(a.path("home/users/d/e"), 0o755))
		require.NoError(t, os.Rename(a.path("home/users/file"), a.path("home/users/d/e/file")))
		require.NoError(t, os.Symlink("d/e/file", a.path("home/users/link")))
		require.Equal(t, "one", a.read("home/users/link"))
		require.Equal(t, "one", a.read("home/users/d/../../users/d/e/file"))
		require.Equal(t, "0 <nil>", a.ask("reintegrate"))
		eventually(t, func() bool {
			got, err := os.ReadFile(b.path("home/users/d/e/file"))
			return err == nil && string(got) == "one"
		}, "b sees it")
		var walked []string
		require.NoError(t, filepath.WalkDir(b.path(""), func(p string, _ fs.DirEntry, err error) error {
			walked = append(walked, p[len(b.path("")):])
			return err
		}))
		require.Equal(t, []string{"", "/home", "/home/users", "/home/users/d", "/home/users/d/e", "/home/users/d/e/file", "/home/users/link"}, walked)

		a.write("outside", "two")
		require.Equal(t, unix.EXDEV, asErrno(os.Rename(a.path("outside"), a.path("home/users/outside"))))
		require.Equal(t, unix.EXDEV, asErrno(os.Link(a.path("outside"), a.path("home/users/outside"))))
		require.Equal(t, unix.EBUSY, asErrno(unix.Rmdir(a.path("home/users"))))
		require.Equal(t, unix.EBUSY, asErrno(os.Rename(a.path("home/users"), a.path("home/elsewhere"))))
		require.Equal(t, unix.EINVAL, asErrno(os.Symlink("#users.", a.path("forged"))))
		require.NoError(t, os.Symlink("#users", a.path("harmless")))

		gone := func(c *client) func() bool {
			return func() bool { _, err := os.Lstat(c.path("home/users")); return asErrno(err) == unix.ENOENT }
		}
		require.Equal(t, "<nil>", a.ask("unmount home/users"))
		eventually(t, gone(a), "the kernel forgets the mount point")
		eventually(t, gone(b), "b sees that it is gone")
		require.Equal(t, "<nil>", b.ask("mount home/users"))
		eventually(t, func() bool {
			got, err := os.ReadFile(a.path("home/users/d/e/file"))
			return err == nil && string(got) == "one"
		}, "it is there again")
		require.NoError(t, c.server.Vice().PurgeVolume(t.Context(), "users"))
		for _, c := range []*client{a, b} {
			eventually(t, func() bool {
				target, err := os.Readlink(c.path("home/users"))
				return err == nil && target == "#users."
			}, "a link that leads nowhere is left")
		}
	})
}
