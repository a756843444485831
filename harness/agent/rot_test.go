package agent

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness/agent/rot"
)

func TestTheContentsOfADaemonRot(t *testing.T) {
	config := newConfig(t, "serve")
	folder := t.TempDir()
	client := start(t, config, Hooks{}).client
	_, err := client.FlipBits(t.Context(), "d", nil, 1, 1)
	require.ErrorIs(t, err, ErrState, "it keeps no contents")

	config = newConfig(t, "serve")
	config.Daemons[0].Contents = folder
	client = start(t, config, Hooks{}).client
	_, err = client.FlipBits(t.Context(), "d", nil, 1, 1)
	require.ErrorContains(t, err, rot.ErrNothing.Error())
	for _, name := range []string{"a", "b"} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte("contents"), 0o600))
	}
	flips, err := client.FlipBits(t.Context(), "d", nil, 1, 1)
	require.NoError(t, err)
	require.Len(t, flips, 2)
	for _, want := range []rot.State{rot.Flipped, rot.Right} {
		states, err := client.LookAtBits(t.Context(), "d", flips, want == rot.Right)
		require.NoError(t, err)
		require.Equal(t, map[rot.State]int{want: 2}, states)
	}
	for _, name := range []string{"a", "b"} {
		got, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err)
		require.Equal(t, "contents", string(got))
	}

	_, err = client.Cached(t.Context(), "d")
	require.ErrorIs(t, err, ErrNotHere)
	one := []rot.Content{{Path: filepath.Join(folder, "b")}}
	client = start(t, newConfig(t, "serve"), Hooks{Cached: func(context.Context, string) ([]rot.Content, error) { return one, nil }}).client
	among, err := client.Cached(t.Context(), "d")
	require.NoError(t, err)
	require.Equal(t, one, among)
	flips, err = client.FlipBits(t.Context(), "d", among, 1, 1)
	require.NoError(t, err)
	require.Len(t, flips, 1, "of those that are meant alone")
	require.Equal(t, one[0], flips[0].Content)
}
