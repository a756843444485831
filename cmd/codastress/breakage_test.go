package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// breakages are deliberate defects of the file system, each a patch in testdata/breakages. The harness must find every one of them with the
// check named here, and must find nothing with the same scenario and seed when the tree is as it is. The moments of the faults in a scenario are
// made for the time at which the seed begins the workload's burst.
var breakages = []struct {
	patch    string
	check    string
	scenario string
	seed     uint64
}{
	{"lost-callback-break", "convergence", "quiet", 1},
	{"remove-not-sent", "no-lost-data", "quiet", 1},
	{"log-tail-dropped", "no-lost-data", "unanswered", 20},
	{"applied-twice", "no-false-conflict", "unanswered", 20},
	{"acknowledged-before-commit", "no-lost-data", "server-killed", 2},
	{"opens-deadlock", "no-hang", "one-client", 1},
}

func TestBreakagesAreFound(t *testing.T) {
	passed := map[string]bool{} // scenarios that a clean build passes
	for _, breakage := range breakages {
		t.Run(breakage.patch, func(t *testing.T) {
			executable, err := build(filepath.Join(t.TempDir(), "codastress"), "-overlay", overlay(t, breakage.patch))
			require.NoError(t, err)
			unbroken := clean(t)

			seed := strconv.FormatUint(breakage.seed, 10)
			args := []string{"run", filepath.Join("testdata/breakages", breakage.scenario+".yaml"), "--runtime", "processes", "--seed", seed}
			runs := ground(t)
			dir := filepath.Join(runs, "broken")
			broken := codastress(t, exitFail, executable, append(args, "--dir", dir)...)
			require.Equal(t, "fail", verdicts(t, dir)[breakage.check], "%s", broken.said())
			require.Contains(t, broken.stdout.String(), "seed "+seed)

			if !passed[breakage.scenario] {
				codastress(t, exitPass, unbroken, append(args, "--dir", filepath.Join(runs, "clean"))...)
				passed[breakage.scenario] = true
			}
		})
	}
}

// overlay applies a patch to copies of the files that it changes, and returns the file that tells the toolchain to take the copies.
func overlay(t *testing.T, name string) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	path := filepath.Join(root, "cmd/codastress/testdata/breakages", name+".patch")
	patch, err := os.ReadFile(path)
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

	apply := exec.CommandContext(t.Context(), "git", "apply", path)
	apply.Dir = folder
	apply.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(folder)) // the copies belong to no repository
	output, err := apply.CombinedOutput()
	require.NoError(t, err, "the patch %s does not fit the tree any more: %s", name, output)

	text, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	list := filepath.Join(folder, "overlay.json")
	require.NoError(t, os.WriteFile(list, text, 0o644))
	return list
}
