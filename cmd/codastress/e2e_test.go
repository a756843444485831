package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/harness/cluster"
)

// small is the main job at a size that a test can run many times: every part of it is there, faults included.
const small = "testdata/small.yaml"

// quiet is smaller still, and without faults.
const quiet = "testdata/breakages/quiet.yaml"

// verdicts are the results of a run's checks, from its result.json.
func verdicts(t *testing.T, dir string) map[string]string {
	t.Helper()
	var document struct {
		Verdicts []struct{ Check, Result string }
	}
	require.NoError(t, json.Unmarshal([]byte(read(t, dir, "result.json")), &document))
	results := map[string]string{}
	for _, verdict := range document.Verdicts {
		results[verdict.Check] = verdict.Result
	}
	require.NotEmpty(t, results)
	return results
}

func read(t *testing.T, dir, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, file))
	require.NoError(t, err)
	return string(text)
}

func TestRunReplayAndCheck(t *testing.T) {
	codastressed, runs := clean(t), ground(t)
	first, second := filepath.Join(runs, "first"), filepath.Join(runs, "second")

	ran := codastress(t, exitPass, codastressed, "run", small, "--runtime", "processes", "--seed", "5", "--dir", first)
	for _, file := range []string{"scenario.yaml", "plan.yaml", "meta.json", "history", "result.json", "junit.xml", "report.html"} {
		require.FileExists(t, filepath.Join(first, file))
	}
	require.Contains(t, ran.stdout.String(), "PASS  small, seed 5: 3 clients, 1 server, in processes")
	require.Contains(t, ran.stdout.String(), "3 of 3 proven and healed")

	checked := codastress(t, exitPass, codastressed, "check", first)
	require.Equal(t, ran.stdout.String(), checked.stdout.String(), "a stored run has another verdict")

	codastress(t, exitPass, codastressed, "replay", first, "--dir", second)
	require.Equal(t, read(t, first, "plan.yaml"), read(t, second, "plan.yaml"))
	require.Equal(t, read(t, first, "scenario.yaml"), read(t, second, "scenario.yaml"))
	require.Equal(t, verdicts(t, first), verdicts(t, second))

	printed := codastress(t, exitPass, codastressed, "history", first)
	require.Greater(t, strings.Count(printed.stdout.String(), "\n"), 300)
}

// TestNothingIsLeftBehind ends the harness in many ways, each at a random moment of a part of the run, and looks ten seconds later.
func TestNothingIsLeftBehind(t *testing.T) {
	codastressed := clean(t)
	for _, runtime := range runtimes(t) {
		for _, ending := range []struct {
			from, to time.Duration
			signals  []syscall.Signal
		}{
			{0, time.Second, []syscall.Signal{syscall.SIGKILL}},
			{2 * time.Second, 8 * time.Second, []syscall.Signal{syscall.SIGKILL}},
			{0, 3 * time.Second, []syscall.Signal{syscall.SIGINT}},
			{4 * time.Second, 8 * time.Second, []syscall.Signal{syscall.SIGTERM}},
			{time.Second, 5 * time.Second, []syscall.Signal{syscall.SIGINT, syscall.SIGINT}},
		} {
			moment := (ending.from + rand.N(ending.to-ending.from)).Round(time.Millisecond)
			t.Run(fmt.Sprintf("%s %v after %v", runtime, ending.signals, moment), func(t *testing.T) {
				dir := filepath.Join(ground(t), "run")
				run := begin(t, codastressed, "run", small, "--runtime", runtime, "--seed", "3", "--dir", dir)
				time.Sleep(moment) // the moment is what is tested: any will do
				for _, signal := range ending.signals {
					require.NoError(t, run.cmd.Process.Signal(signal), "it has ended already:\n%s", run.said())
					time.Sleep(50 * time.Millisecond) // or the second signal could come before the first
				}
				status := run.wait(t, 30*time.Second)
				if len(ending.signals) == 1 && ending.signals[0] != syscall.SIGKILL {
					require.Equal(t, exitInterrupted, status, "%s", run.said())
					require.Contains(t, run.complaint(t), "interrupted")
				}
				if exists(t, filepath.Join(dir, "history")) {
					codastress(t, exitPass, codastressed, "history", dir)
					codastress(t, exitUndecided, codastressed, "check", dir)
				}
			})
		}
	}
}

// TestTheClusterIsLost kills the first process of a node: the whole node is gone, as when its machine or its container dies.
func TestTheClusterIsLost(t *testing.T) {
	dir := filepath.Join(ground(t), "run")
	run := begin(t, clean(t), "run", small, "--runtime", "processes", "--seed", "3", "--dir", dir)
	require.Eventually(t, func() bool { return strings.Contains(run.stderr.String(), "  loading") }, time.Minute, 20*time.Millisecond,
		"the load does not begin:\n%s", run.stderr.String())
	require.NoError(t, syscall.Kill(agentOf(t, "client2"), syscall.SIGKILL))
	require.Equal(t, exitCluster, run.wait(t, 30*time.Second), "%s", run.said())
	require.Contains(t, run.complaint(t), "client2")
	codastress(t, exitPass, clean(t), "history", dir)
	codastress(t, exitUndecided, clean(t), "check", dir)
}

// agentOf is the number of the first process of a node, among the runs of this test.
func agentOf(t *testing.T, node string) int {
	t.Helper()
	processes, err := filepath.Glob("/proc/[0-9]*")
	require.NoError(t, err)
	for _, process := range processes {
		command, err := os.ReadFile(process + "/cmdline")
		if err != nil || !bytes.HasSuffix(command, []byte("\x00node\x00client\x00")) {
			continue // it has ended meanwhile, or is another
		}
		environment, err := os.ReadFile(process + "/environ")
		if err != nil {
			continue
		}
		ours := bytes.Contains(environment, []byte("\x00"+cluster.LockVariable+"="+os.Getenv("TMPDIR")+"/")) ||
			bytes.HasPrefix(environment, []byte(cluster.LockVariable+"="+os.Getenv("TMPDIR")+"/"))
		if ours && bytes.Contains(environment, []byte(`"name":"`+node+`"`)) {
			number, err := strconv.Atoi(filepath.Base(process))
			require.NoError(t, err)
			return number
		}
	}
	require.FailNow(t, "the process was not found", node)
	return 0
}

// TestTheDiskIsFull has a run whose run directory is on a disk with little room.
func TestTheDiskIsFull(t *testing.T) {
	codastressed, runs := clean(t), ground(t)
	for _, test := range []struct {
		room      string
		complaint string // why it ended
		recorded  bool
	}{
		{"8k", "run directory: ", false},
		{"80k", "the history is not whole: ", true},
	} {
		t.Run(test.room, func(t *testing.T) {
			disk := filepath.Join(runs, test.room)
			require.NoError(t, os.Mkdir(disk, 0o755))
			if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size="+test.room); err != nil {
				t.Skipf("needs root: mounting a small disk: %v", err)
			}
			defer func() { require.NoError(t, unix.Unmount(disk, unix.MNT_DETACH)) }()
			dir := filepath.Join(disk, "run")
			run := begin(t, codastressed, "run", quiet, "--runtime", "processes", "--seed", "1", "--dir", dir)
			status := run.wait(t, runBound)
			complaint := run.complaint(t)
			require.True(t, strings.HasPrefix(complaint, test.complaint), "%s", complaint)
			require.Contains(t, complaint, "no space left on device")
			if !test.recorded {
				require.Equal(t, exitUsage, status)
				return
			}
			require.Equal(t, exitUndecided, status)
			printed := codastress(t, exitPass, codastressed, "history", dir)
			require.Contains(t, printed.stdout.String(), `"kind":"write"`)
			codastress(t, exitUndecided, codastressed, "check", dir)
		})
	}
}

// TestDisksAil has the disks of both daemons ail in all ways in which they can, on the machine's own disk.
func TestDisksAil(t *testing.T) {
	for _, runtime := range runtimes(t) {
		t.Run(runtime, func(t *testing.T) {
			dir := filepath.Join(ground(t), "run")
			ran := codastress(t, exitPass, clean(t), "run", "testdata/ailing.yaml", "--runtime", runtime, "--seed", "1", "--dir", dir)
			require.Contains(t, ran.stdout.String(), "9 of 9 proven and healed")
			require.Contains(t, ran.stdout.String(), "codasrv ended by it and was started again")
		})
	}
}

// TestWithoutFUSE has runs on a machine that has no /dev/fuse, and on one on which nobody may open it.
func TestWithoutFUSE(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: hiding /dev/fuse")
	}
	codastressed, runs := clean(t), ground(t)
	for _, machine := range []struct {
		hide    string // a script that hides the device in a mount namespace of its own, below the folder $0
		problem string
	}{
		{
			`mount -t tmpfs -o mode=755 tmpfs "$0" && mknod -m 666 "$0/null" c 1 3 && mknod -m 666 "$0/urandom" c 1 9 && mount --bind "$0" /dev`,
			"open /dev/fuse: no such file or directory",
		},
		{
			`mount -t tmpfs -o mode=755 tmpfs "$0" && mknod -m 666 "$0/null" c 1 3 && mknod -m 666 "$0/urandom" c 1 9 && touch "$0/fuse" &&
			mkdir "$0/nodev" && mount -t tmpfs -o nodev,mode=755 tmpfs "$0/nodev" && mknod "$0/nodev/fuse" c 10 229 &&
			mount --bind "$0/nodev/fuse" "$0/fuse" && mount --rbind "$0" /dev`,
			"open /dev/fuse: permission denied",
		},
	} {
		t.Run(machine.problem, func(t *testing.T) {
			hidden := func(args ...string) *invocation {
				script := machine.hide + ` && exec "$@"`
				return begin(t, "unshare", append([]string{"--mount", "sh", "-c", script, t.TempDir(), codastressed}, args...)...)
			}
			dir := filepath.Join(runs, "asked")
			run := hidden("run", quiet, "--runtime", "processes", "--mount", "fuse", "--seed", "1", "--dir", dir)
			require.Equal(t, exitCluster, run.wait(t, runBound), "%s", run.said())
			require.Contains(t, run.complaint(t), "no FUSE: "+machine.problem+": run as root with /dev/fuse, or use --mount direct")
			require.NoDirExists(t, dir)

			run = hidden("run", quiet, "--runtime", "processes", "--seed", "1", "--dir", filepath.Join(t.TempDir(), "direct"))
			require.Equal(t, exitPass, run.wait(t, runBound), "%s", run.said())
			require.Contains(t, run.stderr.String(), "mount direct, since there is no FUSE: "+machine.problem)
			require.Contains(t, run.stdout.String(), "mounted through direct")
		})
	}
}
