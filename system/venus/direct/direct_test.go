package direct_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/venus/cfs"
	"github.com/codastress/codastress/system/venus/direct"
	"github.com/codastress/codastress/system/vice/vicetest"
	"github.com/codastress/codastress/system/wire/controlpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a venus with a control socket and connects to it.
func start(t *testing.T) *direct.Client {
	t.Helper()
	return startOn(t, vicetest.Start(t))
}

func startOn(t *testing.T, s *vicetest.Server) *direct.Client {
	t.Helper()
	v, err := venus.Open(t.Context(), venus.Config{Dir: t.TempDir(), Servers: []venus.Server{{Address: "vicetest"}}, Dial: s.Dial, Volume: vicetest.Volume})
	require.NoError(t, err)
	socket := filepath.Join(t.TempDir(), "venus")
	l, err := net.Listen("unix", socket)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- v.ServeControl(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-served)
		require.NoError(t, v.Close(context.Background()))
	})
	c, err := direct.Dial(socket)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func TestFilesByPath(t *testing.T) {
	c := start(t)
	ctx := t.Context()
	_, err := c.MakeDirectory(ctx, "d", 0o755)
	require.NoError(t, err)
	big := bytes.Repeat([]byte("0123456789abcdef"), 50_000)
	status, err := c.WriteFile(ctx, "/d/big", bytes.NewReader(big), direct.Write{Create: true, Mode: 0o640, Sync: true})
	require.NoError(t, err)
	require.EqualValues(t, len(big), status.Length)
	require.EqualValues(t, 0o640, status.Mode)
	got, err := c.ReadFile(ctx, "d/big")
	require.NoError(t, err)
	require.True(t, bytes.Equal(big, got))

	_, err = c.WriteFile(ctx, "d/big", strings.NewReader("x"), direct.Write{Create: true, Exclusive: true})
	require.ErrorIs(t, err, coda.Exists)
	_, err = c.WriteFile(ctx, "d/none", strings.NewReader("x"), direct.Write{})
	require.ErrorIs(t, err, coda.NotFound)
	_, err = c.WriteFile(ctx, "d/big", io.MultiReader(strings.NewReader("half"), broken{}), direct.Write{})
	require.ErrorIs(t, err, errBroken)
	got, err = c.ReadFile(ctx, "d/big")
	require.NoError(t, err)
	require.Len(t, got, len(big), "a write that breaks off must leave the old contents")

	_, err = c.Link(ctx, "d/big", "d/other")
	require.NoError(t, err)
	_, err = c.Link(ctx, "d/big", "elsewhere")
	require.ErrorIs(t, err, coda.CrossDevice)
	_, err = c.MakeSymlink(ctx, "l", "d/big")
	require.NoError(t, err)
	status, err = c.Stat(ctx, "l")
	require.NoError(t, err)
	require.Equal(t, "d/big", status.Target)
	require.NoError(t, c.Rename(ctx, "d/other", "d/renamed"))
	list, err := c.ReadDirectory(ctx, "d")
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, "renamed", list[1].Name)
	require.ErrorIs(t, c.RemoveDirectory(ctx, "d"), coda.NotEmpty)
	require.NoError(t, c.Remove(ctx, "d/big"))
	require.NoError(t, c.Remove(ctx, "d/renamed"))
	require.NoError(t, c.RemoveDirectory(ctx, "d"))
	_, err = c.Stat(ctx, "d")
	require.ErrorIs(t, err, coda.NotFound)
}

var errBroken = errors.New("broken")

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errBroken }

func TestCfs(t *testing.T) {
	c := start(t)
	run := func(name string, in ...cfs.Input) string {
		t.Helper()
		command, ok := cfs.Find(name)
		require.True(t, ok)
		var out strings.Builder
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		require.NoError(t, command.Run(ctx, c.Control(), &out, append(in, cfs.Input{})[0]))
		return out.String()
	}
	_, err := c.WriteFile(t.Context(), "x", strings.NewReader("x"), direct.Write{Create: true})
	require.NoError(t, err)
	require.Contains(t, run("cs"), "All servers up")
	require.Contains(t, run("fr"), "The modify log is empty")
	require.Contains(t, run("lv"), "Reachable")
	require.Contains(t, run("flushcache"), "Flushed")
	run("disconnect")
	require.Contains(t, run("cs"), "These servers are down")
	require.Contains(t, run("lv"), "Unreachable")
	require.Contains(t, run("state"), "disconnected by cfs")
	_, err = c.ReadFile(t.Context(), "x")
	require.ErrorIs(t, err, coda.TimedOut)
	run("reconnect")
	require.Eventually(t, func() bool { _, err := c.ReadFile(t.Context(), "x"); return err == nil }, 10*time.Second, time.Millisecond)
	require.Contains(t, run("listlocal"), "There are no local changes")
}

// The commands for conflicts, from the first look to the end of a repair.
func TestCfsOnConflicts(t *testing.T) {
	s := vicetest.Start(t)
	a, b := startOn(t, s), startOn(t, s)
	run := func(c *direct.Client, name string, in cfs.Input) string {
		t.Helper()
		command, ok := cfs.Find(name)
		require.True(t, ok)
		var out strings.Builder
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		require.NoError(t, command.Run(ctx, c.Control(), &out, in))
		return out.String()
	}
	write := func(c *direct.Client, path, contents string) {
		t.Helper()
		_, err := c.WriteFile(t.Context(), path, strings.NewReader(contents), direct.Write{Create: true})
		require.NoError(t, err)
	}
	read := func(c *direct.Client, path string) string {
		t.Helper()
		b, err := c.ReadFile(t.Context(), path)
		require.NoError(t, err)
		return string(b)
	}
	names := []string{"collapsed", "contents", "discarded", "everything", "kept", "preserved"}
	write(a, "free", "old")
	run(a, "fr", cfs.Input{})
	run(a, "disconnect", cfs.Input{})
	for _, name := range names {
		write(b, name, "b's")
		write(a, name, "a's")
	}
	run(b, "fr", cfs.Input{})
	require.NotContains(t, run(a, "listlocal", cfs.Input{}), "conflict")
	require.Contains(t, run(a, "listlocal", cfs.Input{Path: "kept"}), "store kept")
	require.NotContains(t, run(a, "listlocal", cfs.Input{Path: "kept"}), "preserved")
	run(a, "reconnect", cfs.Input{})
	require.Eventually(t, func() bool {
		_, err := a.Control().ForceReintegrate(t.Context(), &controlpb.ForceReintegrateRequest{})
		return err == nil
	}, 10*time.Second, time.Millisecond)

	list := run(a, "listlocal", cfs.Input{Path: "kept"})
	require.Regexp(t, `create kept: in conflict: exists already`, list)
	require.Regexp(t, `store kept: in conflict, depends on \d+`, list)
	require.Regexp(t, `(?s)create kept: exists already.*store kept: not found.*would refuse 2 of 2`, run(a, "checklocal", cfs.Input{Path: "kept"}))
	run(a, "expand", cfs.Input{Path: "collapsed"})
	require.Equal(t, "a's", read(a, "collapsed/local"))
	require.Equal(t, "b's", read(a, "collapsed/global"))
	run(a, "collapse", cfs.Input{Path: "collapsed"})
	link, err := a.Stat(t.Context(), "collapsed")
	require.NoError(t, err)
	require.True(t, coda.IsConflictTarget(link.Target))

	require.Contains(t, run(a, "br", cfs.Input{Path: "kept"}), "endrepair")
	run(a, "er", cfs.Input{Path: "kept"})
	require.Contains(t, run(a, "listlocal", cfs.Input{Path: "kept"}), "in conflict")
	run(a, "br", cfs.Input{Path: "kept"})
	require.Equal(t, "kept: repaired\n", run(a, "er", cfs.Input{Path: "kept", Keep: "local"}))
	require.Equal(t, "contents: repaired\n", run(a, "repair", cfs.Input{Path: "contents", Contents: []byte("merged")}))
	require.Contains(t, run(a, "discardlocal", cfs.Input{Path: "discarded"}), "the servers' version stays")
	require.Contains(t, run(a, "preservelocal", cfs.Input{Path: "preserved"}), "the local version is in preserved.local")
	run(a, "preservelocal", cfs.Input{All: true})
	require.Equal(t, "There are no local changes\n", run(a, "listlocal", cfs.Input{Path: "everything"}))
	run(a, "fr", cfs.Input{})
	require.Equal(t, "There are no local changes\n", run(a, "listlocal", cfs.Input{}))
	for _, c := range []*direct.Client{a, b} {
		for path, want := range map[string]string{
			"kept": "a's", "contents": "merged", "discarded": "b's", "preserved": "b's", "preserved.local": "a's",
			"everything": "b's", "everything.local": "a's", "collapsed": "b's", "collapsed.local": "a's",
		} {
			require.Eventually(t, func() bool { got, err := c.ReadFile(t.Context(), path); return err == nil && string(got) == want },
				10*time.Second, time.Millisecond, path)
		}
	}
	command, _ := cfs.Find("repair")
	require.ErrorIs(t, command.Run(t.Context(), a.Control(), io.Discard, cfs.Input{Path: "kept", Keep: "local"}), coda.NotFound)
	require.ErrorContains(t, command.Run(t.Context(), a.Control(), io.Discard, cfs.Input{Path: "kept"}), "what is to be kept")
}
