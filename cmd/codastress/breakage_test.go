package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
	scenario string // "" where only a simulation can find it
	seed     uint64
	searched string // the scenario whose seeds a simulation searches
}{
	{"lost-callback-break", "convergence", "quiet", 1, simulatedScenario},
	{"remove-not-sent", "no-lost-data", "quiet", 1, simulatedScenario},
	{"log-tail-dropped", "no-lost-data", "unanswered", 20, "testdata/breakages/unanswered.yaml"},
	{"applied-twice", "no-false-conflict", "unanswered-writes", 20, "testdata/breakages/unanswered-writes.yaml"},
	{"acknowledged-before-commit", "no-lost-data", "server-killed", 2, simulatedScenario},
	{"opens-deadlock", "no-hang", "one-client", 1, simulatedScenario},
	{"reads-wait-for-breaks", "responsive", "", 0, "testdata/breakages/bystanders.yaml"},
	{"breaks-taken-late", "visibility", "", 0, "testdata/breakages/stale.yaml"},
	{"sent-means-reintegrated", "no-lost-data", "", 0, "testdata/breakages/purged.yaml"},
	{"lease-given-up-early", "no-hang", "", 0, "testdata/breakages/aloof.yaml"},
	{"log-waits-for-the-clock", "convergence", "", 0, skewed},
}

func TestBreakagesAreFound(t *testing.T) {
	passed := map[string]bool{} // scenarios that a clean build passes
	for _, breakage := range breakages {
		if breakage.scenario == "" {
			continue
		}
		t.Run(breakage.patch, func(t *testing.T) {
			executable, err := build(filepath.Join(t.TempDir(), "codastress"), overlay(t, breakage.patch))
			require.NoError(t, err)
			unbroken := clean(t)

			seed := strconv.FormatUint(breakage.seed, 10)
			args := []string{"run", filepath.Join("testdata/breakages", breakage.scenario+".yaml"), "--runtime", "processes", "--seed", seed}
			runs := ground(t)
			dir := filepath.Join(runs, "broken")
			broken := codastress(t, exitFail, executable, append(args, "--dir", dir)...)
			require.Equal(t, "fail", verdicts(t, dir)[breakage.check], "%s", broken.said())
			require.Contains(t, broken.stdout.String(), "seed "+seed)
			if breakage.check == "no-hang" {
				hangIsExplained(t, dir, broken.stdout.String())
			}

			if !passed[breakage.scenario] {
				codastress(t, exitPass, unbroken, append(args, "--dir", filepath.Join(runs, "clean"))...)
				passed[breakage.scenario] = true
			}
		})
	}
}

// hangIsExplained wants what was saved at the moment of a hang of venus on client1 in the run directory and named in the summary: the operations that
// are stuck, the state of venus's queue and locks, and the goroutines of every daemon.
func hangIsExplained(t *testing.T, dir, summary string) {
	t.Helper()
	for file, want := range map[string][]string{
		"nodes/client1/hang-client1/venus.stacks":      {"goroutine ", "(*Venus).OpenFile"},
		"nodes/client1/hang-client1/web.stacks":        {"goroutine ", "harness/agent/web."},
		"nodes/client1/hang-client1/agent.stacks":      {"goroutine ", "harness/agent."},
		"nodes/server1/hang-client1/codasrv.stacks":    {"goroutine ", "system/vice."},
		"nodes/client1/hang-client1/venus.state.txt":   {"mutex: ", "modify log: ", "calls: ", "\n  open "},
		"nodes/server1/hang-client1/codasrv.state.txt": {"writer's turn: ", "requests: "},
	} {
		text := read(t, dir, file)
		for _, part := range want {
			require.Contains(t, text, part, "%s", file)
		}
		named := strings.Contains(summary, filepath.Dir(file)+"/*") ||
			strings.Contains(summary, filepath.Dir(file)+" (") && strings.Contains(summary, filepath.Base(file))
		require.True(t, named, "%s is not named in the summary:\n%s", file, summary)
	}
	var stuck []string
	for line := range strings.Lines(codastress(t, exitPass, clean(t), "history", dir).stdout.String()) {
		var record struct{ Stall *struct{ Path string } }
		require.NoError(t, json.Unmarshal([]byte(line), &record))
		if record.Stall != nil {
			stuck = append(stuck, record.Stall.Path)
		}
	}
	require.NotEmpty(t, stuck)
	require.True(t, slices.ContainsFunc(stuck, func(path string) bool {
		return strings.Contains(summary, path+" on client1 had not returned after ")
	}), "no operation that is stuck is named in the summary:\n%s", summary)
}

// overlay is patched with a patch of testdata/breakages.
func overlay(t *testing.T, name string) map[string]string {
	t.Helper()
	patch, err := os.ReadFile(filepath.Join("testdata/breakages", name+".patch"))
	require.NoError(t, err)
	return patched(t, name, patch)
}

// patched applies a patch to copies of the files that it changes, and returns the copies by the files that they take the place of.
func patched(t *testing.T, name string, patch []byte) map[string]string {
	t.Helper()
	root, err := filepath.Abs("../..")
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

	apply := exec.CommandContext(t.Context(), "git", "apply", "-")
	apply.Dir, apply.Stdin = folder, bytes.NewReader(patch)
	apply.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(folder)) // the copies belong to no repository
	output, err := apply.CombinedOutput()
	require.NoError(t, err, "the patch %s does not fit the tree any more: %s", name, output)

	return replace
}
