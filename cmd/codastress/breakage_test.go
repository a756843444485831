package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// breakages are deliberate defects of the file system, each a patch in testdata/breakages. The harness must find every one of them
// with the check named here, and must find nothing with the same scenario and seed when the tree is as it is.
var breakages = []struct {
	patch    string
	check    string
	scenario string
	seed     uint64
}{
	{"lost-callback-break", "convergence", "quiet", 1},
	{"log-tail-dropped", "no-lost-data", "unanswered", 1},
	{"remove-not-sent", "no-lost-data", "quiet", 1},
	{"acknowledged-before-commit", "no-lost-data", "server-killed", 2}, // the pages are deleted a second before the server dies
	{"opens-deadlock", "no-hang", "one-client", 1},
	{"applied-twice", "no-false-conflict", "unanswered", 1},
}

func TestBreakagesAreFound(t *testing.T) {
	clean := built(t, "")
	for _, breakage := range breakages {
		t.Run(breakage.patch, func(t *testing.T) {
			broken := built(t, overlay(t, breakage.patch))
			args := []string{"run", "testdata/breakages/" + breakage.scenario + ".yaml", "--runtime", "processes", "--seed", seedText(breakage.seed)}

			dir := filepath.Join(t.TempDir(), "broken")
			ran := codastress(t, broken, append(args, "--dir", dir)...)
			require.Equal(t, exitFail, ran.status, "seed %d: the breakage was not found:\n%s%s", breakage.seed, ran.stdout, ran.stderr)
			require.Equal(t, "fail", verdicts(t, dir)[breakage.check], "%s", ran.stdout)
			require.Contains(t, ran.stdout, "seed "+seedText(breakage.seed))

			dir = filepath.Join(t.TempDir(), "clean")
			ran = codastress(t, clean, append(args, "--dir", dir)...)
			require.Equal(t, exitPass, ran.status, "seed %d: a clean build does not pass:\n%s%s", breakage.seed, ran.stdout, ran.stderr)
		})
	}
}

// overlay applies a patch to copies of the files that it changes, and returns the file that tells the toolchain to take the copies.
func overlay(t *testing.T, name string) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	patch, err := os.ReadFile(filepath.Join("testdata", "breakages", name+".patch"))
	require.NoError(t, err)

	folder := t.TempDir()
	replace := map[string]string{}
	for line := range strings.Lines(string(patch)) {
		file, ok := strings.CutPrefix(strings.TrimSpace(line), "--- a/")
		if !ok {
			continue
		}
		original, err := os.ReadFile(filepath.Join(root, file))
		require.NoError(t, err)
		changed := filepath.Join(folder, file)
		require.NoError(t, os.MkdirAll(filepath.Dir(changed), 0o755))
		require.NoError(t, os.WriteFile(changed, original, 0o644))
		replace[filepath.Join(root, file)] = changed
	}
	require.NotEmpty(t, replace, "the patch %s changes no file", name)

	apply := exec.CommandContext(t.Context(), "git", "apply", "--unsafe-paths", "--directory", folder, filepath.Join(root, "cmd/codastress/testdata/breakages", name+".patch"))
	apply.Dir = folder
	output, err := apply.CombinedOutput()
	require.NoError(t, err, "the patch %s does not fit the tree any more: %s", name, output)

	text, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	path := filepath.Join(folder, "overlay.json")
	require.NoError(t, os.WriteFile(path, text, 0o644))
	return path
}
