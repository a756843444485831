package venus_test

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// patience is how long tests wait for what must happen.
const patience = 20 * time.Second

// client is a venus with operations by path, which fail the test where they return no error.
type client struct {
	*venus.Venus
	t   tester
	cfg venus.Config
}

// tester is what tests and property tests have in common.
type tester interface {
	require.TestingT
	Helper()
	Name() string
	Context() context.Context
	Cleanup(f func())
}

// timing is quick enough for tests and slow enough for a busy machine.
func timing() venus.Timing {
	return venus.Timing{
		Call: patience, Ping: 50 * time.Millisecond, Dead: patience / 2, Connect: patience / 2, Retry: 20 * time.Millisecond,
		Snapshot: 100 * time.Millisecond,
	}
}

// start starts a client of a server, in dir or in a new directory.
func start(t testing.TB, s *vicetest.Server, change ...func(*venus.Config)) *client {
	t.Helper()
	return startIn(t, t.TempDir(), s, change...)
}

func startIn(t tester, dir string, s *vicetest.Server, change ...func(*venus.Config)) *client {
	t.Helper()
	cfg := venus.Config{Dir: dir, Servers: []venus.Server{{Address: "vicetest"}}, Dial: s.Dial, Volume: vicetest.Volume, Name: t.Name(), Timing: timing()}
	for _, f := range change {
		f(&cfg)
	}
	v, err := venus.Open(t.Context(), cfg)
	require.NoError(t, err)
	c := &client{Venus: v, t: t, cfg: cfg}
	t.Cleanup(func() { c.stop() })
	return c
}

func (c *client) stop() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(c.t, c.Close(ctx))
}

// restart closes the client and opens its cache again.
func (c *client) restart() *client {
	c.t.Helper()
	c.stop()
	v, err := venus.Open(c.t.Context(), c.cfg)
	require.NoError(c.t, err)
	again := &client{Venus: v, t: c.t, cfg: c.cfg}
	c.t.Cleanup(func() { again.stop() })
	return again
}

// at finds a path.
func (c *client) at(p string) (coda.Status, error) {
	s, err := c.Root(c.t.Context())
	for _, name := range strings.Split(p, "/") {
		if name == "" || err != nil {
			continue
		}
		s, err = c.Lookup(c.t.Context(), s.Fid, name)
	}
	return s, err
}

// parent finds the directory of a path, and gives the last name.
func (c *client) parent(p string) (coda.Fid, string) {
	c.t.Helper()
	s, err := c.at(path.Dir("/" + p))
	require.NoError(c.t, err)
	return s.Fid, path.Base(p)
}

func (c *client) write(p, contents string) {
	c.t.Helper()
	require.NoError(c.t, c.tryWrite(p, contents))
}

func (c *client) tryWrite(p, contents string) error {
	dir, name := c.parent(p)
	return c.tryWriteIn(dir, name, contents)
}

func (c *client) tryWriteIn(dir coda.Fid, name, contents string) error {
	_, h, err := c.Create(c.t.Context(), dir, name, 0o644, 0, venus.OpenFlags{Write: true, Truncate: true})
	if err != nil {
		return err
	}
	if _, err := h.WriteAt([]byte(contents), 0); err != nil {
		return err
	}
	if err := h.Flush(c.t.Context()); err != nil {
		return err
	}
	return h.Close(c.t.Context())
}

func (c *client) tryRead(p string) (string, error) {
	s, err := c.at(p)
	if err != nil {
		return "", err
	}
	h, err := c.OpenFile(c.t.Context(), s.Fid, venus.OpenFlags{Read: true})
	if err != nil {
		return "", err
	}
	b, err := contents(h)
	if err != nil {
		return "", err
	}
	return b, h.Close(c.t.Context())
}

// contents reads all of an open file.
func contents(h *venus.Handle) (string, error) {
	b, err := io.ReadAll(io.NewSectionReader(h, 0, 1<<40))
	return string(b), err
}

func (c *client) read(p string) string {
	c.t.Helper()
	s, err := c.tryRead(p)
	require.NoError(c.t, err)
	return s
}

func (c *client) mkdir(p string) {
	c.t.Helper()
	dir, name := c.parent(p)
	_, err := c.MakeDirectory(c.t.Context(), dir, name, 0o755, 0)
	require.NoError(c.t, err)
}

func (c *client) remove(p string) {
	c.t.Helper()
	dir, name := c.parent(p)
	require.NoError(c.t, c.Remove(c.t.Context(), dir, name))
}

func (c *client) rename(from, to string) {
	c.t.Helper()
	fromDir, fromName := c.parent(from)
	toDir, toName := c.parent(to)
	require.NoError(c.t, c.Rename(c.t.Context(), fromDir, fromName, toDir, toName, false))
}

// settle waits until the server has everything. Where it does not get it, venus says what it is doing.
func (c *client) settle() {
	c.t.Helper()
	var last atomic.Value // what came of the last attempt
	settled := assert.Eventually(c.t, func() bool {
		ctx, cancel := context.WithTimeout(c.t.Context(), patience)
		defer cancel()
		left, err := c.ForceReintegrate(ctx)
		last.Store(fmt.Sprintf("%d records are left: %v", left, err))
		return err == nil && left == 0
	}, patience, time.Millisecond)
	if !settled {
		require.FailNow(c.t, "the server has not got everything", "%v\n%s", last.Load(), c.State())
	}
}

// warm fills an empty cache: the volume, a reserve of vnode numbers and the whole tree.
func (c *client) warm() {
	c.t.Helper()
	c.write("warm", "")
	c.remove("warm")
	c.settle()
	c.tree()
}

// tree gives what a client sees: each path with its kind and contents.
func (c *client) tree() map[string]string {
	c.t.Helper()
	tree, err := c.tryTree()
	require.NoError(c.t, err)
	return tree
}

func (c *client) tryTree() (map[string]string, error) {
	tree := map[string]string{}
	root, err := c.Root(c.t.Context())
	if err != nil {
		return nil, err
	}
	return tree, c.walk(root.Fid, "", tree)
}

func (c *client) walk(dir coda.Fid, prefix string, tree map[string]string) error {
	entries, err := c.ReadDirectory(c.t.Context(), dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		s, err := c.Lookup(c.t.Context(), dir, e.Name)
		if err != nil {
			return fmt.Errorf("%s%s: %w", prefix, e.Name, err)
		}
		switch s.Kind {
		case coda.Directory:
			tree[prefix+e.Name] = "directory"
			if err := c.walk(s.Fid, prefix+e.Name+"/", tree); err != nil {
				return err
			}
		case coda.Symlink:
			tree[prefix+e.Name] = "symlink " + s.Target
		default:
			b, err := c.tryRead(prefix + e.Name)
			if err != nil {
				return err
			}
			tree[prefix+e.Name] = describe(s.Links, []byte(b))
		}
	}
	return nil
}

func describe(links uint32, b []byte) string {
	digest := coda.Digest(sha256.Sum256(b))
	return fmt.Sprintf("file of %d bytes %x, %d links", len(b), digest[:4], links)
}

// serverTree gives what the server has, in the form of tree.
func serverTree(s *vicetest.Server) map[string]string {
	tree := map[string]string{}
	for p, status := range s.Tree() {
		switch {
		case p == "":
		case status.Kind == coda.Directory:
			tree[p] = "directory"
		case status.Kind == coda.Symlink:
			tree[p] = "symlink " + status.Target
		default:
			tree[p] = fmt.Sprintf("file of %d bytes %x, %d links", status.Length, status.Digest[:4], status.Links)
		}
	}
	return tree
}

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimEnv); dir != "" {
		fmt.Fprintln(os.Stderr, victim(dir))
		os.Exit(1)
	}
	// A check is a whole life of a client; -rapid.checks gives more of them.
	if err := flag.Set("rapid.checks", "20"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

func TestTwoClientsSeeEachOther(t *testing.T) {
	s := vicetest.Start(t)
	a, b := start(t, s), start(t, s)
	a.mkdir("d")
	a.write("d/x", "one")
	require.Equal(t, "one", a.read("d/x"))
	a.settle()
	require.Eventually(t, func() bool { got, err := b.tryRead("d/x"); return err == nil && got == "one" }, patience, time.Millisecond)
	b.write("d/x", "two")
	b.write("d/y", "")
	b.settle()
	require.Eventually(t, func() bool { got, err := a.tryRead("d/x"); return err == nil && got == "two" }, patience, time.Millisecond)
	a.rename("d/x", "z")
	a.remove("d/y")
	a.settle()
	require.Eventually(t, func() bool { _, err := b.at("d/x"); return coda.KindOf(err) == coda.NotFound }, patience, time.Millisecond)
	require.Equal(t, "two", b.read("z"))
	require.Equal(t, serverTree(s), a.tree())
	require.Equal(t, serverTree(s), b.tree())
}
