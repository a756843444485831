package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/cluster/containers"
	"github.com/stretchr/testify/require"
)

// small is the main job at a size that a test can run many times: every part of it is there, faults included.
const small = "testdata/small.yaml"

// runBound ends a codastress that does not end by itself.
const runBound = 3 * time.Minute

// an invocation is a finished codastress process.
type invocation struct {
	status int
	stdout string
	stderr string
}

// codastress runs an executable built from this tree, or one broken on purpose.
func codastress(t *testing.T, executable string, args ...string) invocation {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runBound)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, executable, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	require.NoError(t, ctx.Err(), "codastress %v did not end in %v\n%s%s", args, runBound, &stdout, &stderr)
	if err != nil {
		require.IsType(t, &exec.ExitError{}, err)
	}
	return invocation{status: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
}

// built builds codastress statically, with some files of the tree replaced where an overlay is given.
func built(t *testing.T, overlay string) string {
	t.Helper()
	executable := filepath.Join(t.TempDir(), "codastress")
	args := []string{"build", "-trimpath", "-o", executable}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.CommandContext(t.Context(), "go", append(args, ".")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "building codastress: %s", output)
	return executable
}

// verdicts are the results of a run's checks, from its result.json.
func verdicts(t *testing.T, dir string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "result.json"))
	require.NoError(t, err)
	var document struct {
		Verdicts []struct{ Check, Result string }
	}
	require.NoError(t, json.Unmarshal(text, &document))
	results := map[string]string{}
	for _, verdict := range document.Verdicts {
		results[verdict.Check] = verdict.Result
	}
	require.NotEmpty(t, results)
	return results
}

func TestRunReplayAndCheck(t *testing.T) {
	executable := built(t, "")
	folder := t.TempDir()
	first, second := filepath.Join(folder, "first"), filepath.Join(folder, "second")

	ran := codastress(t, executable, "run", small, "--runtime", "processes", "--seed", "5", "--dir", first)
	require.Equal(t, exitPass, ran.status, "%s%s", ran.stdout, ran.stderr)
	for _, file := range []string{"scenario.yaml", "plan.yaml", "meta.json", "history", "result.json", "junit.xml", "report.html"} {
		require.FileExists(t, filepath.Join(first, file))
	}

	checked := codastress(t, executable, "check", first)
	require.Equal(t, ran.status, checked.status)
	require.Equal(t, ran.stdout, checked.stdout, "the verdict of a stored run is the same again")

	replayed := codastress(t, executable, "replay", first, "--dir", second)
	require.Equal(t, exitPass, replayed.status, "%s%s", replayed.stdout, replayed.stderr)
	require.Equal(t, read(t, first, "plan.yaml"), read(t, second, "plan.yaml"))
	require.Equal(t, read(t, first, "scenario.yaml"), read(t, second, "scenario.yaml"))
	require.Equal(t, verdicts(t, first), verdicts(t, second))

	printed := codastress(t, executable, "history", first)
	require.Equal(t, exitPass, printed.status)
	require.Greater(t, strings.Count(printed.stdout, "\n"), 300)
}

func read(t *testing.T, dir, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, file))
	require.NoError(t, err)
	return string(text)
}

// TestNothingIsLeftBehind ends the harness at many moments, in order and with SIGKILL, and looks ten seconds later.
func TestNothingIsLeftBehind(t *testing.T) {
	executable := built(t, "")
	for _, runtime := range runtimes(t) {
		for _, ending := range []struct {
			signal syscall.Signal
			after  time.Duration
		}{
			{syscall.SIGKILL, 300 * time.Millisecond},
			{syscall.SIGKILL, 6 * time.Second},
			{syscall.SIGINT, 2 * time.Second},
			{syscall.SIGTERM, 8 * time.Second},
		} {
			t.Run(fmt.Sprintf("%s-%s-%s", runtime, ending.signal, ending.after), func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "run")
				endAfter(t, ending.signal, ending.after, executable, "run", small, "--runtime", runtime, "--seed", "3", "--dir", dir)
				require.Eventually(t, func() bool { return len(leftovers(t)) == 0 }, 10*time.Second, 200*time.Millisecond,
					"still there: %v", leftovers(t))
			})
		}
	}
}

// endAfter starts codastress, signals it, and waits for its end. What it recorded until then can be read.
func endAfter(t *testing.T, signal syscall.Signal, after time.Duration, executable string, args ...string) {
	t.Helper()
	var output bytes.Buffer
	cmd := exec.Command(executable, args...)
	cmd.Stdout, cmd.Stderr = &output, &output
	require.NoError(t, cmd.Start())
	time.Sleep(after) // the moment of the signal is what is tested: any moment will do
	require.NoError(t, cmd.Process.Signal(signal))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // the status is looked at below
	}()
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		_ = cmd.Process.Kill()
		<-ended
		t.Fatalf("codastress did not end within 30 s of %v:\n%s", signal, &output)
	}
	if signal != syscall.SIGKILL {
		require.Equal(t, exitInterrupted, cmd.ProcessState.ExitCode(), "%s", &output)
	}
}

// leftovers are what any run of codastress left on this machine.
func leftovers(t *testing.T) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	found, err := cluster.Leftovers(ctx, sweepers()...)
	require.NoError(t, err)
	var texts []string
	for _, one := range found {
		if !strings.HasPrefix(one.RunID, "test") { // what is called so is of the drivers' own tests
			texts = append(texts, one.String())
		}
	}
	return texts
}

// runtimes are the runtimes that can be tested on this machine.
func runtimes(t *testing.T) []string {
	t.Helper()
	names := []string{"processes"}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := containers.New().Available(ctx); err != nil {
		t.Run("containers", func(t *testing.T) { t.Skipf("needs a container engine: %v", err) })
		return names
	}
	return append(names, "containers")
}

func seedText(seed uint64) string { return strconv.FormatUint(seed, 10) }
