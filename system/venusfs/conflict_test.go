package venusfs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A conflict takes a file's place under the eyes of the kernel, as a link that leads nowhere, and gives it up again. Programs that have the file open go
// on reading what they had.
func TestConflictOnAMount(t *testing.T) {
	c := startCluster(t)
	a, b := c.mount(Options{}), c.mount(Options{})
	a.write("both", "old")
	a.write("other", "old")
	require.NoError(t, os.Mkdir(a.path("d"), 0o755))
	require.Equal(t, "0 <nil>", a.ask("reintegrate"))
	open, err := os.Open(a.path("both"))
	require.NoError(t, err)
	defer open.Close()
	eventually(t, func() bool { text, err := os.ReadFile(b.path("both")); return err == nil && string(text) == "old" }, "b sees the file")
	require.Equal(t, "disconnected", a.ask("disconnect"))
	b.write("both", "b's")
	b.write("d/name", "b's")
	require.Equal(t, "0 <nil>", b.ask("reintegrate"))
	a.write("both", "a's")
	a.write("d/name", "a's")
	a.write("other", "a's")
	require.Equal(t, "a's", a.read("both"))
	require.Equal(t, "reconnected", a.ask("reconnect"))
	eventually(t, func() bool { return a.ask("reintegrate") == "0 <nil>" }, "the server answers")

	for _, name := range []string{"both", "d/name"} {
		isLink := func() bool {
			info, err := os.Lstat(a.path(name))
			return err == nil && info.Mode().Type() == os.ModeSymlink
		}
		eventually(t, isLink, "the conflict shows")
		target, err := os.Readlink(a.path(name))
		require.NoError(t, err)
		require.Regexp(t, `^@[0-9a-f]{8,}\.[0-9a-f]{8,}\.[0-9a-f]{8,}@localhost\.$`, target)
		_, err = os.ReadFile(a.path(name))
		require.Equal(t, unix.ENOENT, asErrno(err))
		require.Equal(t, unix.EINVAL, asErrno(os.WriteFile(a.path(name), nil, 0o644)))
		require.Equal(t, unix.EPERM, asErrno(os.Remove(a.path(name))))
		require.Equal(t, unix.EPERM, asErrno(os.Rename(a.path(name), a.path("elsewhere"))))
		list, err := os.ReadDir(filepath.Dir(a.path(name)))
		require.NoError(t, err)
		for _, e := range list {
			require.Equal(t, e.Name() == filepath.Base(name), e.Type() == os.ModeSymlink, e.Name())
		}
		require.Equal(t, "<nil>", a.ask("expand "+name))
		eventually(t, func() bool { info, err := os.Lstat(a.path(name)); return err == nil && info.IsDir() }, "it is expanded")
		require.Equal(t, "a's", a.read(name+"/local"))
		require.Equal(t, "b's", a.read(name+"/global"))
		require.Equal(t, unix.EPERM, asErrno(os.WriteFile(a.path(name+"/new"), nil, 0o644)))
		require.Equal(t, unix.EPERM, asErrno(os.Remove(a.path(name+"/local"))))
		require.Equal(t, "<nil>", a.ask("collapse "+name))
		eventually(t, isLink, "it is collapsed")
		if name == "both" {
			requireNames(t, a.dir, "both d other")
		}
	}
	require.Equal(t, "a's", a.read("other"))
	eventually(t, func() bool { text, err := os.ReadFile(b.path("other")); return err == nil && string(text) == "a's" }, "others see the rest")
	text := make([]byte, 10)
	n, err := open.ReadAt(text, 0)
	require.Equal(t, 3, n, "%v", err)
	require.Equal(t, "old", string(text[:n]))

	require.Equal(t, "<nil>", a.ask("keep-local both"))
	require.Equal(t, "<nil>", a.ask("keep-local d/name"))
	for _, name := range []string{"both", "d/name"} {
		for _, side := range []*client{a, b} {
			eventually(t, func() bool { text, err := os.ReadFile(side.path(name)); return err == nil && string(text) == "a's" }, "it is repaired")
		}
	}
	a.write("both", "again")
	require.Equal(t, "0 <nil>", a.ask("reintegrate"))
	eventually(t, func() bool { text, err := os.ReadFile(b.path("both")); return err == nil && string(text) == "again" }, "work goes on")
}

func requireNames(t *testing.T, dir, want string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	require.Equal(t, want, strings.Join(names, " "))
}

func TestPathInAMount(t *testing.T) {
	c := startCluster(t)
	a := c.mount(Options{})
	dir, below, ok, err := InMount(a.path("d/x"))
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, []string{a.dir, "d/x"}, []string{dir, below})
	_, below, ok, err = InMount(a.dir)
	require.NoError(t, err)
	require.True(t, ok)
	require.Empty(t, below)
	_, _, ok, err = InMount(t.TempDir())
	require.NoError(t, err)
	require.False(t, ok)
}
