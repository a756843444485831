package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/harness/agent/ill"
	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/system/disk"
)

// TestTheDiskOfADaemonIsToldToAil asks a daemon that lives, one that has ended, and its next life.
func TestTheDiskOfADaemonIsToldToAil(t *testing.T) {
	dir := t.TempDir()
	flags := daemonFlags{dir: dir, disk: filepath.Join(dir, "disk")}
	asked := nodeDisk{flags.disk}
	live := func(during func(on disk.FS)) {
		t.Helper()
		on, closeDisk, err := flags.openDisk(slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		defer closeDisk()
		during(on)
	}
	open := func(on disk.FS) error {
		f, err := on.OpenFile(filepath.Join(dir, "file"), os.O_RDWR|os.O_CREATE)
		if err != nil {
			return err
		}
		return f.Close()
	}
	refusing := ill.State{Operation: "create", Call: 2, Count: 2, Error: cluster.DiskHasNoSpace}
	require.ErrorIs(t, asked.ProbeDisk(t.Context()), errNotRunning)
	live(func(on disk.FS) {
		require.NoError(t, asked.ProbeDisk(t.Context()))
		require.NoError(t, asked.SetDisk(t.Context(), refusing))
		require.NoError(t, open(on))
		require.ErrorIs(t, open(on), unix.ENOSPC)
	})
	harm, err := asked.DiskHarm(t.Context())
	require.NoError(t, err)
	require.Equal(t, ill.Harm{Calls: 3, Refused: 1, First: "create " + filepath.Join(dir, "file")}, harm, "it is gone, and has left what it knew")
	live(func(on disk.FS) {
		require.ErrorContains(t, asked.ProbeDisk(t.Context()), "no space left on device")
		require.NoError(t, open(on), "two were to fail")
		harm, err := asked.DiskHarm(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, harm.Refused)
	})
	require.NoError(t, asked.SetDisk(t.Context(), ill.State{Failing: 1, Operation: "create"}))
	live(func(on disk.FS) { require.ErrorIs(t, open(on), unix.EIO, "it was told so before it lived") })
	require.NoError(t, asked.SetDisk(t.Context(), ill.State{}))
	live(func(on disk.FS) { require.NoError(t, open(on)) })

	flags.disk = ""
	live(func(on disk.FS) { require.Equal(t, disk.Real(), on, "a daemon that nobody can tell has no such disk") })
}
