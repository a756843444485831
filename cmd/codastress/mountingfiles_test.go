package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/workloads"
)

// TestFirstDirectoriesAreVolumes makes directories where there are some volumes.
func TestFirstDirectoriesAreVolumes(t *testing.T) {
	root := t.TempDir()
	mounted := map[string]string{}
	files := &mountingFiles{
		Directory: workloads.LocalDirectory{Root: root}, volumes: []string{"client1-1", "client1-2"},
		mount: func(_ context.Context, path, volume string) error {
			mounted[path] = volume
			return nil
		},
	}
	for _, path := range []string{"a", "b", "c"} {
		require.NoError(t, files.MakeDirectory(t.Context(), path))
	}
	require.Equal(t, map[string]string{"a": "client1-1", "b": "client1-2"}, mounted)
	made, err := os.ReadDir(root)
	require.NoError(t, err)
	require.Len(t, made, 1)
	require.DirExists(t, filepath.Join(root, "c"))
}
