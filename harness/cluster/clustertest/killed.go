package clustertest

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness/cluster"
)

// startHarness starts a harness in a process of its own and waits until its cluster runs.
func (b bench) startHarness(t *testing.T, spec cluster.Spec) *exec.Cmd {
	t.Helper()
	command := exec.Command(b.stub, "harness", b.driver.Name(), spec.Dir, spec.RunID)
	command.Stderr = t.Output()
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	output, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() { _ = command.Process.Kill() })
	said, err := bufio.NewReader(output).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "the cluster runs\n", said)
	return command
}

func (b bench) testKilledHarness(t *testing.T) {
	t.Parallel()
	spec := b.spec(t)
	harness := b.startHarness(t, spec)
	require.NoError(t, harness.Process.Kill())
	_ = harness.Wait()
	eventually(t, func() bool {
		found, err := cluster.LeftoversOf(t.Context(), spec.RunID, b.sweeper)
		return err == nil && len(found) == 0
	}, "something of run %s is left", spec.RunID)
}

// testClean kills the janitor as well: the nodes end by themselves, and what they cannot remove is found later.
func (b bench) testClean(t *testing.T) {
	t.Parallel()
	spec := b.spec(t)
	harness := b.startHarness(t, spec)
	for _, child := range childrenOf(t, harness.Process.Pid) {
		if strings.Contains(commandOf(child), "janitor") {
			require.NoError(t, syscall.Kill(child, syscall.SIGKILL))
		}
	}
	require.NoError(t, harness.Process.Kill())
	_ = harness.Wait()
	eventually(t, func() bool { return b.onlyPassive(t, spec.RunID) }, "nodes of run %s still run", spec.RunID)
	found, err := cluster.Leftovers(t.Context(), b.sweeper)
	require.NoError(t, err)
	require.True(t, hasRun(found, spec.RunID), "the folder is left")
	removed, err := cluster.Clean(bounded(t), b.sweeper)
	require.NoError(t, err)
	require.True(t, hasRun(removed, spec.RunID))
	b.nothingLeft(t, spec.RunID)
}

// onlyPassive says whether nothing of a run runs any more.
func (b bench) onlyPassive(t *testing.T, runID string) bool {
	found, err := cluster.LeftoversOf(t.Context(), runID, b.sweeper)
	for _, one := range found {
		if one.Kind == "process" || one.Kind == "container" || one.Kind == "mount" {
			return false
		}
	}
	return err == nil
}

func hasRun(found []cluster.Leftover, runID string) bool {
	for _, one := range found {
		if one.RunID == runID {
			return true
		}
	}
	return false
}

func childrenOf(t *testing.T, pid int) []int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	require.NoError(t, err)
	var children []int
	for _, entry := range entries {
		child, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		status, _ := os.ReadFile("/proc/" + entry.Name() + "/status") // it may have ended
		if strings.Contains(string(status), "\nPPid:\t"+strconv.Itoa(pid)+"\n") {
			children = append(children, child)
		}
	}
	return children
}

func commandOf(pid int) string {
	arguments, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline") // it may have ended
	return strings.ReplaceAll(string(arguments), "\x00", " ")
}
