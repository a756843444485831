package venusfs

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// run runs a program that is expected to succeed, and gives what it prints.
func run(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("needs %s", program)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s %v: %s", program, args, out)
	return string(out)
}

// makeTree makes a directory with files of several sizes, old times, a link, a symlink and odd modes.
func makeTree(t *testing.T, dir string) {
	t.Helper()
	at := time.Date(2007, 3, 15, 12, 0, 0, 5000, time.UTC)
	for _, name := range []string{"empty", "a/small", "a/b/c/deep", "a/page", "a/large"} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		size := map[string]int{"empty": 0, "a/small": 10, "a/b/c/deep": 1, "a/page": 4096, "a/large": 3 << 20}[name]
		require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("x", size)), 0o640))
		require.NoError(t, os.Chtimes(path, at, at))
	}
	require.NoError(t, os.Symlink("a/small", filepath.Join(dir, "symlink")))
	require.NoError(t, os.Link(filepath.Join(dir, "a/small"), filepath.Join(dir, "a/small too")))
	require.NoError(t, os.Chmod(filepath.Join(dir, "a/b"), 0o711))
	require.NoError(t, os.Chtimes(filepath.Join(dir, "a"), at, at))
}

// listing describes a tree for a comparison.
func listing(t *testing.T, dir string) []string {
	t.Helper()
	out := run(t, dir, "find", ".", "-mindepth", "1", "(",
		"-type", "d", "-printf", "%p %M %T@\n", "-o", "-printf", "%p %M %s %T@ %n %l|\n", ")")
	lines := strings.Split(out, "\n")
	slices.Sort(lines)
	return lines
}

func TestCopiesKeepEverything(t *testing.T) {
	bothModes(t, func(t *testing.T, c *cluster, options Options) {
		client := c.mount(options)
		local := t.TempDir()
		source := filepath.Join(local, "source")
		makeTree(t, source)
		want := listing(t, source)

		run(t, local, "cp", "-a", source, client.path("copied"))
		require.Equal(t, want, listing(t, client.path("copied")))
		run(t, local, "diff", "-r", source, client.path("copied"))

		archive := filepath.Join(local, "archive.tar")
		run(t, local, "tar", "--format=posix", "-C", client.path("copied"), "-cf", archive, ".")
		require.NoError(t, os.Mkdir(client.path("unpacked"), 0o755))
		run(t, local, "tar", "-C", client.path("unpacked"), "-xpf", archive)
		require.Equal(t, want, listing(t, client.path("unpacked")))
		run(t, local, "diff", "-r", source, client.path("unpacked"))

		run(t, local, "rm", "-rf", client.path("copied"), client.path("unpacked"))
		left, err := os.ReadDir(client.dir)
		require.NoError(t, err)
		require.Empty(t, left)
	})
}

func TestGitWorksOnTheMount(t *testing.T) {
	bothModes(t, func(t *testing.T, c *cluster, options Options) {
		client := c.mount(options)
		require.NoError(t, os.Mkdir(client.path("project"), 0o755))
		dir := client.path("project")
		run(t, dir, "git", "init", "-q", ".")
		for _, text := range []string{"one", "two", "three"} {
			client.write("project/file", strings.Repeat(text, 1000))
			run(t, dir, "git", "add", ".")
			run(t, dir, "git", "commit", "-q", "-m", text)
		}
		require.Equal(t, "3\n", run(t, dir, "git", "rev-list", "--count", "HEAD"))
		run(t, dir, "git", "checkout", "-q", "HEAD~1")
		require.Equal(t, strings.Repeat("two", 1000), client.read("project/file"))
		run(t, dir, "git", "gc", "-q")
		run(t, dir, "git", "fsck", "--strict")
		require.Empty(t, run(t, dir, "git", "status", "--porcelain"))
		run(t, client.dir, "git", "clone", "-q", "project", "clone")
		require.Equal(t, strings.Repeat("two", 1000), client.read("clone/file"))
	})
}

// A directory is removed while others keep making names in it, until they stop.
func TestRemovingEnds(t *testing.T) {
	c := startCluster(t)
	a, b := c.mount(Options{}), c.mount(Options{})
	require.NoError(t, os.Mkdir(a.path("dir"), 0o755))
	eventually(t, func() bool { _, err := os.Stat(b.path("dir")); return err == nil }, "the directory comes")
	for i := range 300 {
		a.write(filepath.Join("dir", strings.Repeat("n", 1+i%100)+time.Duration(i).String()), "x")
	}
	d, err := os.Open(b.path("dir"))
	require.NoError(t, err)
	defer d.Close()
	first, err := d.Readdirnames(1)
	require.NoError(t, err)
	require.Len(t, first, 1)
	run(t, a.dir, "rm", "-rf", "dir")
	_, err = d.Readdirnames(-1) // it ends, whatever it gives
	if err != nil {
		require.ErrorIs(t, err, os.ErrNotExist)
	}
	eventually(t, func() bool { _, err := os.Stat(b.path("dir")); return os.IsNotExist(err) }, "the directory goes")
}
