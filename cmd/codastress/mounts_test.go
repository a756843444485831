package main

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness/cluster/clustertest"
)

// site is the main job at a size that a test can run many times.
func site(t *testing.T, mounts []string, dir string, more ...string) []string {
	t.Helper()
	return append([]string{
		"run", "mass-delete", "--mounts", strings.Join(mounts, ","), "--seed", "3", "--dir", dir, "--set", "load=4s", "--set", "workload.pages=240",
		"--set", "workload.directories=6", "--set", "workload.delete=120", "--set", "workload.looks=8", "--set", "limits.converge=15s",
	}, more...)
}

// requireEmpty demands that a run has left nothing in what was mounted.
func requireEmpty(t *testing.T, source string) {
	t.Helper()
	entries, err := os.ReadDir(source)
	require.NoError(t, err)
	require.Empty(t, entries, "the run has left something in the mounts")
}

// eventuallyEmpty waits for those who remove what a run has left in what was mounted when it ended.
func eventuallyEmpty(t *testing.T, source string) {
	t.Helper()
	require.Eventually(t, func() bool {
		entries, err := os.ReadDir(source)
		return err == nil && len(entries) == 0
	}, time.Minute, 100*time.Millisecond, "the run has left something in the mounts")
}

func TestMountsThatAreOneDirectoryKeepEveryPromise(t *testing.T) {
	codastressed, runs := clean(t), ground(t)
	source, mounts := clustertest.Binds(t, 3)
	first, second := filepath.Join(runs, "first"), filepath.Join(runs, "second")
	ran := codastress(t, exitPass, codastressed, site(t, mounts, first)...)
	require.Contains(t, ran.stdout.String(), "PASS  mass-delete, seed 3: 3 mounts of a file system that claims close-to-open")
	require.Contains(t, ran.stderr.String(), "left out, since they are done to a cluster of ours: kill-codasrv, kill-venus, partition")
	for check, result := range verdicts(t, first) {
		want := "pass"
		if check == "no-crash" || check == "sound-server" || check == "no-false-conflict" || check == "connected" || check == "quota" {
			want = "skipped" // it needs to look inside
		}
		require.Equal(t, want, result, check)
	}
	require.Contains(t, read(t, first, "junit.xml"), `<skipped message="the daemons of the file system are not ours to watch">`)
	require.NotContains(t, read(t, first, "scenario.yaml"), "\nservers:")
	requireEmpty(t, source)

	checked := codastress(t, exitPass, codastressed, "check", first)
	require.Equal(t, ran.stdout.String(), checked.stdout.String(), "a stored run has another verdict")
	codastress(t, exitPass, codastressed, "report", first)
	codastress(t, exitPass, codastressed, "replay", first, "--dir", second)
	require.Equal(t, read(t, first, "plan.yaml"), read(t, second, "plan.yaml"))
	require.Equal(t, verdicts(t, first), verdicts(t, second))
	refused := codastress(t, exitUsage, codastressed, "shrink", first)
	require.Contains(t, refused.complaint(t), "there is no simulation to shrink")
	requireEmpty(t, source)
}

// mixed is a load of everything that files and names can be used for, of which each process has a directory that it alone changes.
func mixed(t *testing.T, dir, more string) string {
	t.Helper()
	file := filepath.Join(dir, "mixed.yaml")
	require.NoError(t, os.WriteFile(file, []byte("name: mixed\nload: 4s\nworkload: {name: mixed, think: 3ms, workers: 4"+more+"}\n"), 0o600))
	return file
}

// Everything that files can be used for, by several clients at once, must be no reason to accuse a sound file system.
func TestMountsThatAreOneDirectoryUnderAMixedLoad(t *testing.T) {
	runs := ground(t)
	source, mounts := clustertest.Binds(t, 2)
	codastress(t, exitPass, clean(t), "run", mixed(t, runs, ""), "--mounts", strings.Join(mounts, ","), "--dir", filepath.Join(runs, "run"))
	requireEmpty(t, source)
}

func TestMountsThatBreakAPromise(t *testing.T) {
	forgetful := &atomic.Bool{}
	for _, test := range []struct {
		name        string
		defect      defect
		consistency string
		status      int
		fails       string // the check that finds it
		says        string
	}{
		{"removed files are found for long", defect{cached: 8 * time.Second}, "close-to-open", exitFail, "visibility", "finds it"},
		{"removed files are found for longer than is claimed", defect{cached: 8 * time.Second}, "eventual=500ms", exitFail, "visibility", "must know of it within 500ms"},
		{"removed files are found for as long as is claimed", defect{cached: 2 * time.Second}, "eventual=1m", exitPass, "", ""},
		{"removals are forgotten", defect{forgetful: forgetful}, "session", exitFail, "no-lost-data", "although its removal on client3 was acknowledged"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(ground(t), "run")
			source := t.TempDir()
			mounts := []string{mountOf(t, source, test.defect), mountOf(t, source, test.defect), mountOf(t, source, test.defect)}
			forgetful.Store(true)
			ran := codastress(t, test.status, clean(t), site(t, mounts, dir, "--consistency", test.consistency)...)
			if test.fails != "" {
				require.Equal(t, "fail", verdicts(t, dir)[test.fails], "%s", ran.said())
				require.Contains(t, ran.stdout.String(), test.says)
			}
			forgetful.Store(false)
			eventuallyEmpty(t, source)
		})
	}
}

// hook unmounts one of the bind mounts of a directory, and mounts it again. What it is asked for it writes down.
func hook(t *testing.T, source, more string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hook")
	require.NoError(t, os.WriteFile(path, []byte(`#!/bin/sh
echo "$*" >>"$0.calls"
`+more+`
case "$1 $2" in
"list ") echo "unmount one the mount of a client is gone for a while" ;;
"inject unmount") umount -l "$CODASTRESS_MOUNTS" ;;
"verify injected") ! mountpoint -q "$CODASTRESS_MOUNTS" && echo "$CODASTRESS_MOUNTS is not mounted" ;;
"heal unmount") mountpoint -q "$CODASTRESS_MOUNTS" || mount --bind `+source+` "$CODASTRESS_MOUNTS" ;;
"verify healed") mountpoint -q "$CODASTRESS_MOUNTS" && echo "$CODASTRESS_MOUNTS is mounted" ;;
esac
`), 0o700))
	return path
}

func TestAFaultHookHarmsTheMounts(t *testing.T) {
	codastressed, runs := clean(t), ground(t)
	source, mounts := clustertest.Binds(t, 2)
	harmed := filepath.Join(runs, "harmed.yaml")
	require.NoError(t, os.WriteFile(harmed, []byte(`name: harmed
load: 5s
workload: {name: mass-delete, pages: 240, directories: 6, delete: 120, looks: 4}
faults:
  steps: [{name: unmount, nodes: [client2], start: 1s, length: 600ms}]
`), 0o600))
	sound := hook(t, source, "")
	first, second := filepath.Join(runs, "first"), filepath.Join(runs, "second")
	ran := codastress(t, exitPass, codastressed, "run", harmed, "--mounts", strings.Join(mounts, ","), "--fault-hook", sound, "--seed", "4", "--dir", first)
	require.Contains(t, ran.stdout.String(), "1 of 1 proven and healed")
	require.Contains(t, ran.stdout.String(), mounts[1]+" is not mounted; healed: "+mounts[1]+" is mounted")
	require.Equal(t, "list\ninject unmount client2\nverify injected unmount client2\nheal unmount client2\nverify healed unmount client2\n", read(t, "/", sound+".calls"))
	codastress(t, exitPass, codastressed, "check", first)
	requireEmpty(t, source)

	refused := codastress(t, exitUsage, codastressed, "replay", first)
	require.Contains(t, refused.complaint(t), "unmount, is a fault of a hook: name a command that can inject it with --fault-hook")
	codastress(t, exitPass, codastressed, "replay", first, "--fault-hook", sound, "--dir", second)
	require.Equal(t, read(t, first, "plan.yaml"), read(t, second, "plan.yaml"))

	// A hook that does nothing has proven nothing.
	idle := hook(t, source, `[ "$1" != inject ] || exit 0`)
	third := filepath.Join(runs, "third")
	codastress(t, exitUndecided, codastressed, "run", harmed, "--mounts", strings.Join(mounts, ","), "--fault-hook", idle, "--seed", "4", "--dir", third)
	require.Equal(t, "undecided", verdicts(t, third)["proven"])
	require.Contains(t, read(t, third, "result.json"), "no effect was seen: the hook's verify injected: exit status 1")
	requireEmpty(t, source)
}

// A client that has seen what another had made, and does not find it any more, has no sessions. No directory moves: go-fuse remembers where it
// last met one, and where each of two was met within the other in turn, Inode.Path follows their parents for ever.
func TestMountsThatGoBackHaveNoSessions(t *testing.T) {
	runs := ground(t)
	dir, source := filepath.Join(runs, "run"), t.TempDir()
	d := defect{cached: 8 * time.Second}
	mounts := mountOf(t, source, d) + "," + mountOf(t, source, d)
	ran := codastress(t, exitFail, clean(t), "run", mixed(t, runs, ", rename-directory: 0, stat: 60, names: 3, fresh: 10"), "--mounts", mounts, "--dir", dir, "--seed", "1", "--consistency", "session")
	require.Equal(t, "fail", verdicts(t, dir)["own-names"], "%s", ran.said())
	requireEmpty(t, source)
}

// A file system that hangs must keep neither the harness nor its end, and the verdict tells of it.
func TestAMountThatHangs(t *testing.T) {
	dir := filepath.Join(ground(t), "run")
	source := t.TempDir()
	frozen := &atomic.Bool{}
	mounts := []string{mountOf(t, source, defect{}), mountOf(t, source, defect{frozen: frozen})}
	run := begin(t, clean(t), site(t, mounts, dir, "--set", "limits.hang=1s", "--set", "limits.converge=3s")...)
	require.Eventually(t, func() bool { return strings.Contains(run.stderr.String(), "  loading") }, time.Minute, 20*time.Millisecond,
		"the load does not begin:\n%s", run.stderr.String())
	frozen.Store(true)
	require.Equal(t, exitFail, run.wait(t, 90*time.Second), "%s", run.said())
	frozen.Store(false)
	require.Equal(t, "fail", verdicts(t, dir)["no-hang"], "%s", run.said())
	eventuallyEmpty(t, source)
}

// TestAKilledHarnessLeavesNothingInTheMounts: what was made there is removed by who outlives it.
func TestAKilledHarnessLeavesNothingInTheMounts(t *testing.T) {
	dir := filepath.Join(ground(t), "run")
	source, mounts := clustertest.Binds(t, 2)
	run := begin(t, clean(t), site(t, mounts, dir)...)
	require.Eventually(t, func() bool { return strings.Contains(run.stderr.String(), "  loading") }, time.Minute, 20*time.Millisecond,
		"the load does not begin:\n%s", run.stderr.String())
	require.NoError(t, run.cmd.Process.Kill())
	require.Equal(t, -1, run.wait(t, 30*time.Second))
	eventuallyEmpty(t, source)
	codastress(t, exitPass, clean(t), "history", dir)
}
