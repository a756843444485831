package dump

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// parked is a goroutine to look for.
func parked(release <-chan struct{}) { <-release }

func TestStacksOverASocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "debug")
	require.NoError(t, os.WriteFile(path, nil, 0o600), "left by another life")
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, path) }()
	release := make(chan struct{})
	defer close(release)
	go parked(release)
	require.Eventually(t, func() bool {
		text, err := Fetch(t.Context(), path)
		return err == nil && len(text) > 0
	}, 10*time.Second, time.Millisecond)
	text, err := Fetch(t.Context(), path)
	require.NoError(t, err)
	require.Contains(t, string(text), "dump.parked")
	cancel()
	require.NoError(t, <-served)
	_, err = os.Stat(path)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Fetch(t.Context(), path)
	require.ErrorIs(t, err, syscall.ENOENT)
}

func TestAStoppedProcessDoesNotAnswer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "debug")
	listener, err := net.Listen("unix", path) // nobody accepts
	require.NoError(t, err)
	defer listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = Fetch(ctx, path)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestServeWhereItCannot(t *testing.T) {
	require.Error(t, Serve(t.Context(), filepath.Join(t.TempDir(), "no", "folder")))
}
