package venusfs

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

var programsBuild = flag.String("programs.build", "unicode/utf8", "the package that testdata/programs/go.sh builds on the mount, such as ./cmd/codastress")

// programTime bounds one run of a script.
const programTime = 10 * time.Minute

// script is one of testdata/programs, which has a README.
type script struct {
	path    string
	needs   []string
	differs []*regexp.Regexp
}

func readScript(t *testing.T, path string) script {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	path, err = filepath.Abs(path)
	require.NoError(t, err)
	s := script{path: path}
	for line := range strings.Lines(string(text)) {
		if names, ok := strings.CutPrefix(line, "# needs: "); ok {
			s.needs = strings.Fields(names)
		}
		if pattern, ok := strings.CutPrefix(line, "# differs: "); ok {
			s.differs = append(s.differs, regexp.MustCompile(strings.TrimSpace(pattern)))
		}
	}
	return s
}

// need skips a test where a program is missing.
func (s script) need(t *testing.T) {
	t.Helper()
	for _, name := range s.needs {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("needs %s", name)
		}
	}
}

// run runs the script in a directory and gives what it printed and how it ended.
func (s script) run(t *testing.T, dir, source string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), programTime)
	defer cancel()
	repository, err := filepath.Abs("../..")
	require.NoError(t, err)
	cmd := exec.CommandContext(ctx, "bash", "-eu", "-o", "pipefail", s.path)
	cmd.Dir = dir
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC", "SOURCE="+source, "SCRATCH="+t.TempDir(), "REPOSITORY="+repository, "STEP="+*programsBuild)
	out, err := cmd.CombinedOutput()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		require.NoError(t, err)
	}
	return strings.ReplaceAll(string(out), dir, "DIR") + cmd.ProcessState.String()
}

// seen is what a file system says of one path.
type seen struct {
	Path, Mode, Target string
	Links, Size        int64
	Digest             string
	Modified           time.Time
}

// look describes a tree, in the order of its paths.
func look(t *testing.T, dir string) []seen {
	t.Helper()
	var tree []seen
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		s := seen{Path: path[len(dir)+1:], Mode: info.Mode().String(), Modified: info.ModTime()}
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			s.Target, err = os.Readlink(path)
		case info.Mode().IsRegular():
			s.Size, s.Links = info.Size(), int64(info.Sys().(*syscall.Stat_t).Nlink)
			var b []byte
			b, err = os.ReadFile(path)
			s.Digest = fmt.Sprintf("%x", sha256.Sum256(b))
		}
		tree = append(tree, s)
		return err
	}))
	slices.SortFunc(tree, func(a, b seen) int { return cmp.Compare(a.Path, b.Path) })
	return tree
}

// comparable takes out of what is in a directory what is never the same twice.
func (s script) comparable(dir string, tree []seen) []seen {
	var kept []seen
	for _, e := range tree {
		e.Modified, e.Target = time.Time{}, strings.ReplaceAll(e.Target, dir, "DIR")
		if slices.ContainsFunc(s.differs, func(r *regexp.Regexp) bool { return r.MatchString(e.Path) }) {
			continue
		}
		kept = append(kept, e)
	}
	return kept
}

// requireSameTrees compares entry by entry, since whole trees are too long to be read.
func requireSameTrees(t *testing.T, want, got []seen) {
	t.Helper()
	byPath := map[string]seen{}
	for _, e := range got {
		byPath[e.Path] = e
	}
	for _, e := range want {
		other, ok := byPath[e.Path]
		require.True(t, ok, "%s is missing", e.Path)
		other.Modified, e.Modified = other.Modified.UTC(), e.Modified.UTC()
		require.Equal(t, e, other)
		delete(byPath, e.Path)
	}
	require.Empty(t, byPath, "these should not be there")
}

// Programs do on the mount what they do in the local file system, and another client sees what they have made.
func TestPrograms(t *testing.T) {
	scripts, err := filepath.Glob("testdata/programs/*.sh")
	require.NoError(t, err)
	require.NotEmpty(t, scripts)
	bothModes(t, func(t *testing.T, c *cluster, options Options) {
		a, b := c.mount(options), c.mount(options)
		for _, path := range scripts {
			name := strings.TrimSuffix(filepath.Base(path), ".sh")
			t.Run(name, func(t *testing.T) {
				s := readScript(t, path)
				s.need(t)
				source := filepath.Join(t.TempDir(), "source")
				makeSource(t, source)
				local := filepath.Join(t.TempDir(), name)
				require.NoError(t, os.Mkdir(local, 0o755))
				require.NoError(t, os.Mkdir(a.path(name), 0o755))
				want := s.run(t, local, source)
				require.True(t, strings.HasSuffix(want, "exit status 0"), want)
				require.Equal(t, want, s.run(t, a.path(name), source))
				made := look(t, a.path(name))
				requireSameTrees(t, s.comparable(local, look(t, local)), s.comparable(a.path(name), made))

				a.reintegrate()
				require.Equal(t, "0", a.ask("conflicts"))
				eventually(t, func() bool { _, err := os.Stat(b.path(name)); return err == nil }, "the directory comes")
				requireSameTrees(t, made, look(t, b.path(name)))
				require.NoError(t, os.RemoveAll(a.path(name)))
			})
		}
	})
}

// makeSource makes a directory with files of several sizes, old times, odd names and modes, a link and symlinks.
func makeSource(t *testing.T, dir string) {
	t.Helper()
	at := time.Date(2007, 3, 15, 12, 0, 0, 5000, time.UTC)
	for name, size := range map[string]int{
		"empty": 0, "a/small": 10, "a/b/c/deep": 1, "a/page": 4096, "a/large": 3 << 20, "a/name with\nnewline": 5, "a/-rf": 1, "a/\xff\xfe": 2, "a/ä": 3,
		"a/" + strings.Repeat("n", 255): 100,
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("x", size)), 0o640))
		require.NoError(t, os.Chtimes(path, at, at))
	}
	for name, target := range map[string]string{"symlink": "a/small", "dangling": strings.Repeat("t/", 2000), "a/b/up": "../.."} {
		require.NoError(t, os.Symlink(target, filepath.Join(dir, name)))
		times := []unix.Timespec{{Sec: 1e9}, {Sec: 1e9, Nsec: 7}}
		require.NoError(t, unix.UtimesNanoAt(unix.AT_FDCWD, filepath.Join(dir, name), times, unix.AT_SYMLINK_NOFOLLOW))
	}
	require.NoError(t, os.Link(filepath.Join(dir, "a/small"), filepath.Join(dir, "a/small too")))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "nothing in it"), 0o700))
	require.NoError(t, os.Chmod(filepath.Join(dir, "a/-rf"), 0o755))
	require.NoError(t, os.Chmod(filepath.Join(dir, "a/b"), 0o711))
	for _, name := range []string{"a/b/c", "a/b", "a", "nothing in it"} {
		require.NoError(t, os.Chtimes(filepath.Join(dir, name), at, at))
	}
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
	require.NoError(t, os.RemoveAll(a.path("dir")))
	_, err = d.Readdirnames(-1) // it ends, whatever it gives
	if err != nil {
		require.ErrorIs(t, err, os.ErrNotExist)
	}
	eventually(t, func() bool { _, err := os.Stat(b.path("dir")); return os.IsNotExist(err) }, "the directory goes")
}

// run runs a program that is expected to succeed, and gives what it prints.
func run(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("needs %s", program)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s %v: %s", program, args, out)
	return string(out)
}
