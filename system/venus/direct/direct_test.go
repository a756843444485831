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
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a venus with a control socket and connects to it.
func start(t *testing.T) *direct.Client {
	t.Helper()
	s := vicetest.Start(t)
	v, err := venus.Open(t.Context(), venus.Config{Dir: t.TempDir(), Server: "vicetest", Dial: s.Dial, Volume: vicetest.Volume})
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
	run := func(name string) string {
		t.Helper()
		command, ok := cfs.Find(name)
		require.True(t, ok)
		var out strings.Builder
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		require.NoError(t, command.Run(ctx, c.Control(), &out))
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
	require.Contains(t, run("listlocal"), "No conflicts")
}
