package processes

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/codastress/codastress/harness/agent/fusemount/fusetest"
	"github.com/codastress/codastress/harness/cluster"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

// startMarked starts a shell script with the marks of a run. It says a word when it has begun.
func startMarked(t *testing.T, runID, lock, script string) *exec.Cmd {
	t.Helper()
	command := exec.Command("/bin/sh", "-c", "echo begun; "+script)
	command.Env = append(os.Environ(), cluster.RunVariable+"="+runID, cluster.LockVariable+"="+lock)
	output, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
	_, err = bufio.NewReader(output).ReadString('\n')
	require.NoError(t, err)
	return command
}

func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func pidsOf(t *testing.T, runID string) []int {
	t.Helper()
	found, err := processesOfRuns()
	require.NoError(t, err)
	var pids []int
	for _, p := range found {
		if p.runID == runID {
			pids = append(pids, p.pid)
		}
	}
	return pids
}

func TestProcessesAreFoundByTheirMarks(t *testing.T) {
	one, other := cluster.NewRunID(), cluster.NewRunID()
	doomed := startMarked(t, one, "/nowhere/lock", "sleep 100 & sleep 100")
	spared := startMarked(t, other, "/nowhere/lock", "exec sleep 100")
	require.Contains(t, pidsOf(t, one), doomed.Process.Pid)
	require.Equal(t, []int{spared.Process.Pid}, pidsOf(t, other))

	found, err := New().Find(t.Context())
	require.NoError(t, err)
	var ours []cluster.Leftover
	for _, leftover := range found {
		if leftover.RunID == one {
			require.Equal(t, "/nowhere/lock", leftover.Lock)
			ours = append(ours, leftover)
		}
	}
	require.NoError(t, New().Remove(bounded(t), ours))
	require.Empty(t, pidsOf(t, one), "children included")
	require.Equal(t, []int{spared.Process.Pid}, pidsOf(t, other))
	require.NoError(t, New().Remove(bounded(t), ours), "they are gone already")
}

func TestDescendants(t *testing.T) {
	parent := startMarked(t, cluster.NewRunID(), "", "sleep 100 & sleep 100")
	require.Eventually(t, func() bool { return len(descendants(parent.Process.Pid, "")) == 3 }, patience, 10*time.Millisecond)
	all := descendants(parent.Process.Pid, "")
	require.Equal(t, parent.Process.Pid, all[0].pid, "the parent comes first")
	for _, p := range all {
		require.False(t, p.gone())
	}
	require.NoError(t, killUntilGone(bounded(t), func() ([]process, error) { return all, nil }))
}

func TestANumberThatWasUsedAgainIsNotSignalled(t *testing.T) {
	command := startMarked(t, cluster.NewRunID(), "", "exec sleep 100")
	impostor := process{pid: command.Process.Pid, born: "1", name: "impostor"}
	require.True(t, impostor.gone())
	require.NoError(t, impostor.signal(9))
	require.NoError(t, command.Process.Signal(syscall.Signal(0)), "it lives")
}

// TestWhoWaitsForAHungMountDies has a process that not even SIGKILL ends, because it waits for a file system that never answers.
func TestWhoWaitsForAHungMountDies(t *testing.T) {
	mount := fusetest.NewDeaf(t)
	run := cluster.NewRunID()
	lock := filepath.Join(filepath.Dir(mount.Path), "lock")
	waiting := startMarked(t, run, lock, "exec cat '"+filepath.Join(mount.Path, "file")+"'")
	require.Eventually(t, func() bool { return mount.Asked() > 0 }, patience, 10*time.Millisecond)
	require.NoError(t, waiting.Process.Kill())
	_, state, ok := status(waiting.Process.Pid)
	require.True(t, ok)
	require.NotEqual(t, byte('Z'), state, "it is not to be killed: else the test shows nothing")
	require.NoError(t, killRun(bounded(t), run))
	require.Empty(t, pidsOf(t, run))
}

func TestRunsHaveAddressesOfTheirOwn(t *testing.T) {
	one, err := reserve()
	require.NoError(t, err)
	defer one.release()
	other, err := reserve()
	require.NoError(t, err)
	defer other.release()
	require.NotEqual(t, one.network, other.network)
	require.NotEqual(t, one.host(80), one.side(0))
	one.release()
}

// TestAClientMountsForItselfOnly looks at the mount namespace of a client's node.
func TestAClientMountsForItselfOnly(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: for mount namespaces")
	}
	script := filepath.Join(t.TempDir(), "node")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\nexec sleep 100\n"), 0o755))
	made, err := New().Prepare(t.Context(), cluster.Ground{
		RunID: cluster.NewRunID(), Dir: t.TempDir(), Folder: t.TempDir(), Lock: "/nowhere/lock", Binary: script, Mount: cluster.MountFUSE,
		Nodes: []cluster.NodeName{{Name: "server1", Role: cluster.RoleServer}, {Name: "client1", Role: cluster.RoleClient}},
	})
	require.NoError(t, err)
	defer made.Close(bounded(t)) //nolint:errcheck // checked below
	ours, err := os.Readlink("/proc/self/ns/mnt")
	require.NoError(t, err)
	for node, private := range map[string]bool{"server1": false, "client1": true} {
		role := cluster.RoleServer
		if private {
			role = cluster.RoleClient
		}
		started, err := made.StartNode(t.Context(), cluster.NodeSpec{NodeName: cluster.NodeName{Name: node, Role: role}})
		require.NoError(t, err)
		one := started.(*instance)
		theirs, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(one.process.Pid), "ns/mnt"))
		require.NoError(t, err)
		require.Equal(t, private, ours != theirs, node)
		require.NoError(t, started.Kill(bounded(t)))
		<-started.Done()
		require.ErrorContains(t, started.Err(), "killed")
	}
	require.NoError(t, made.Close(bounded(t)))
}
