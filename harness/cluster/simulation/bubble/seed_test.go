package bubble_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness/cluster/simulation/bubble"
)

// One seed is one course of events, however busy the machine is; another seed is another one, and so is every run without a seed.
func TestSeedDecides(t *testing.T) {
	torture := built(t)
	const runs = 20
	first := run(t, torture, "7")
	for _, part := range []string{"all", "calls", "channels", "locks", "numbers", "pointers", "pools", "store", "timers", "yields"} {
		require.Contains(t, first, "\n"+part, "the torture left something out")
	}
	stop := load()
	defer stop()
	for range runs - 1 {
		require.Equal(t, first, run(t, torture, "7"))
	}
	require.Equal(t, run(t, torture, "8"), run(t, torture, "8"))
	require.NotEqual(t, first, run(t, torture, "8"))
	different := map[string]bool{}
	for range 5 {
		different[run(t, torture, "")] = true
	}
	require.Greater(t, len(different), 1, "the torture cannot tell runs apart")
}

// A seed that is none is refused, and not taken for another one.
func TestSeedIsNoNumber(t *testing.T) {
	torture := built(t)
	for _, seed := range []string{"-1", "0x10", "seven", "18446744073709551616"} {
		output, err := command(torture, seed).CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(output), bubble.SeedVariable)
	}
	require.NotEmpty(t, run(t, torture, "18446744073709551615"))
}

// built is the torture program with the seeded runtime.
func built(t *testing.T) string {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	root := filepath.Join(filepath.Dir(here), "../../../..")
	generate := exec.CommandContext(t.Context(), "go", "run", "./scripts/overlay")
	generate.Dir = root
	flags, err := generate.Output()
	require.NoError(t, err)
	torture := filepath.Join(t.TempDir(), "torture")
	arguments := append([]string{"build", "-trimpath", "-o", torture}, strings.Fields(string(flags))...)
	build := exec.CommandContext(t.Context(), "go", append(arguments, "./harness/cluster/simulation/bubble/testdata/torture")...)
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	output, err := build.CombinedOutput()
	require.NoError(t, err, "%s", output)
	return torture
}

// command runs the torture with a seed, or without where it is empty, and with nothing else in its environment.
func command(torture, seed string) *exec.Cmd {
	c := exec.Command(torture)
	c.Env = []string{}
	if seed != "" {
		c.Env = append(c.Env, bubble.SeedVariable+"="+seed)
	}
	return c
}

// run is what the torture prints.
func run(t *testing.T, torture, seed string) string {
	t.Helper()
	c := command(torture, seed)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	require.NoError(t, c.Run(), "%s", &stderr)
	return "\n" + stdout.String()
}

// load keeps every processor of the machine busy until it is stopped.
func load() (stop func()) {
	var stopped atomic.Bool
	var loops sync.WaitGroup
	for range runtime.NumCPU() {
		loops.Go(func() {
			for !stopped.Load() {
				runtime.Gosched()
			}
		})
	}
	return func() {
		stopped.Store(true)
		loops.Wait()
	}
}
