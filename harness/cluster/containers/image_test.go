package containers

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness/cluster/clustertest"
)

func TestTheImageIsTheExecutableAndEmptyFolders(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "binary")
	require.NoError(t, os.WriteFile(binary, []byte("not really"), 0o600))
	var layer bytes.Buffer
	require.NoError(t, writeLayer(&layer, binary))
	archive := tar.NewReader(&layer)
	found := map[string]string{}
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		content, err := io.ReadAll(archive)
		require.NoError(t, err)
		require.Equal(t, int64(0o755), header.Mode)
		found[header.Name] = string(content)
	}
	require.Equal(t, map[string]string{
		"tmp/": "", "run/": "", "var/": "", "var/codastress/": "", "var/codastress/state/": "", "var/codastress/logs/": "", "coda/": "",
		"codastress": "not really",
	}, found)
	require.Error(t, writeLayer(io.Discard, filepath.Join(t.TempDir(), "none")))
}

func TestAnExecutableThatNeedsLibrariesIsRefused(t *testing.T) {
	require.Error(t, checkStatic("/proc/self/maps"), "it is no executable")
	if err := checkStatic("/bin/sh"); err != nil { // it may be static
		require.ErrorContains(t, err, "CGO_ENABLED=0")
	}
}

func TestAnImageIsLoadedOnce(t *testing.T) {
	needsEngine(t)
	binary := clustertest.BuildStub(t)
	first, err := LoadImage(t.Context(), binary)
	require.NoError(t, err)
	e, err := connect(t.Context())
	require.NoError(t, err)
	defer e.close()
	before, err := e.api.ImageInspect(t.Context(), first)
	require.NoError(t, err)
	again, err := LoadImage(t.Context(), binary)
	require.NoError(t, err)
	require.Equal(t, first, again)
	after, err := e.api.ImageInspect(t.Context(), first)
	require.NoError(t, err)
	require.Equal(t, before.ID, after.ID)
	require.Equal(t, []string{executable}, after.Config.Entrypoint)
	list, err := e.api.ImageList(t.Context(), client.ImageListOptions{Filters: make(client.Filters).Add("label", imageLabel)})
	require.NoError(t, err)
	require.NotEmpty(t, list.Items)
}

func TestTheEngineSaysItsErrorsAmongItsProgress(t *testing.T) {
	require.NoError(t, progress(strings.NewReader("{\"status\":\"sha256:1\"}\n")))
	require.EqualError(t, progress(strings.NewReader("{\"status\":\"half\"}\n{\"error\":\"no space\"}\n")), "no space")
}
