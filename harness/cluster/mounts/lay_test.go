package mounts

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/harness/agent/fusemount/fusetest"
	"github.com/codastress/codastress/harness/cluster/clustertest"
)

// TestMain lets this test binary be the processes that look at mounts, as codastress is.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "node" && os.Args[2] == "directory" {
		if err := Do(os.Args[3], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func self(t *testing.T) string {
	t.Helper()
	binary, err := os.Executable()
	require.NoError(t, err)
	return binary
}

// patience is enough for mounts that show the same at once.
const patience = 300 * time.Millisecond

func TestMountsOfOneFileSystemCanBeUsed(t *testing.T) {
	source, mounts := clustertest.Binds(t, 3)
	require.NoError(t, Try(t.Context(), self(t), mounts))
	entries, err := os.ReadDir(source)
	require.NoError(t, err)
	require.Empty(t, entries, "something is left")

	require.NoError(t, lay(t.Context(), self(t), mounts, "mine", patience))
	require.DirExists(t, filepath.Join(mounts[2], "mine", workName))
	require.ErrorIs(t, lay(t.Context(), self(t), mounts, "mine", patience), ErrMounts, "it is there already")
	require.NoError(t, RemoveLater(self(t), filepath.Join(mounts[1], "mine", workName)))
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(source, "mine"))
		return os.IsNotExist(err)
	}, time.Minute, 10*time.Millisecond)
}

func TestWhatCannotBeUsedIsSaid(t *testing.T) {
	source, mounts := clustertest.Binds(t, 2)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(mounts[0], link))
	readOnly := t.TempDir()
	require.NoError(t, unix.Mount(source, readOnly, "", unix.MS_BIND, ""))
	t.Cleanup(func() { require.NoError(t, unix.Unmount(readOnly, 0)) })
	require.NoError(t, unix.Mount("", readOnly, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""))
	other := t.TempDir()

	for _, test := range []struct {
		second string
		says   string
	}{
		{filepath.Join(source, "none"), "there is no such directory: mount the file system there"},
		{file, "it is not a directory"},
		{mounts[0], "are the same directory of the same mount: mount the file system once for each client"},
		{link, "are the same directory of the same mount"},
		{readOnly, "nothing can be made in it: read-only file system: it has to be writable"},
		{other, "does not appear in it within 300ms: all the directories have to be mounts of one file system"},
	} {
		err := lay(t.Context(), self(t), []string{mounts[0], test.second}, "mine", patience)
		require.ErrorIs(t, err, ErrMounts, test.says)
		require.ErrorContains(t, err, test.says)
		require.ErrorContains(t, err, test.second)
		entries, err := os.ReadDir(source)
		require.NoError(t, err)
		require.Empty(t, entries, "something is left after: %s", test.says)
	}
	err := lay(t.Context(), self(t), []string{readOnly, mounts[0]}, "mine", patience)
	require.ErrorContains(t, err, "nothing can be made in it: read-only file system")
}

// A mount that does not answer must not keep whoever asks.
func TestAHangingMountIsLeftBehind(t *testing.T) {
	deaf := fusetest.NewDeaf(t)
	began := time.Now()
	_, err := ask(t.Context(), self(t), time.Second, request{Verb: verbLook, Directory: deaf.Path})
	require.ErrorIs(t, err, errHangs)
	require.Less(t, time.Since(began), looking)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = ask(ctx, self(t), time.Minute, request{Verb: verbLook, Directory: deaf.Path})
	require.ErrorIs(t, err, context.Canceled)
}
