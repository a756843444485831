package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness/history"
)

// simulatedScenario is a scenario of a size that a simulation runs several times a second, with every daemon killed and the link to the deleting client cut.
const simulatedScenario = "testdata/simulated.yaml"

// dark has processes that change files of their own, and losses of power.
const dark = "testdata/dark.yaml"

// rough has processes that change names of their own, and disks and links that work badly.
const rough = "testdata/rough.yaml"

// operators is the same with everything that operators do, and the network parted in every way.
const operators = "testdata/operators.yaml"

// people has what people forget: quotas that are too low, and tokens that have ended.
const people = "testdata/people.yaml"

// chosen has disks refuse calls that its steps choose.
const chosen = "testdata/chosen.yaml"

// failpoints has faults that find daemons at a point of their code.
const failpoints = "testdata/failpoints.yaml"

// rotten has two servers whose disks give wrong contents.
const rotten = "testdata/rotten.yaml"

// replicated has two servers that hold the volume.
const replicated = "testdata/replicated.yaml"

// skewed has clocks that are wrong.
const skewed = "testdata/skewed.yaml"

// seedsOf says how many seeds a campaign has run, from its last lines.
func seedsOf(t *testing.T, summary string) int {
	t.Helper()
	for line := range strings.Lines(summary) {
		if _, after, found := strings.Cut(line, "  "); found && strings.Contains(line, " seeds in ") {
			number, _, _ := strings.Cut(after, " ")
			seeds, err := strconv.Atoi(number)
			require.NoError(t, err, "%s", line)
			return seeds
		}
	}
	require.Fail(t, "no count of seeds", "%s", summary)
	return 0
}

func TestSimulatedRunsPass(t *testing.T) {
	for _, one := range []struct {
		scenario string
		seeds    int
	}{{simulatedScenario, 200}, {dark, 100}, {rough, 10}, {operators, 20}, {people, 20}, {replicated, 30}, {skewed, 30}, {chosen, 10}, {failpoints, 30}, {rotten, 10}} {
		t.Run(filepath.Base(one.scenario), func(t *testing.T) {
			searched := codastress(t, exitPass, clean(t), "simulate", one.scenario, "--seeds", fmt.Sprint("1..", one.seeds), "--dir", ground(t))
			require.Equal(t, one.seeds, seedsOf(t, searched.stdout.String()))
			require.NotContains(t, searched.stdout.String(), "runtime overlay", "the overlay does not fit this version of Go")
		})
	}
}

// TestADiskThatHarmsNoCallDecidesNothing has the disk of a server full of which nobody wants anything written.
func TestADiskThatHarmsNoCallDecidesNothing(t *testing.T) {
	dir := filepath.Join(ground(t), "idle")
	said := codastress(t, exitUndecided, clean(t), "run", "testdata/idle.yaml", "--runtime", "simulation", "--seed", "1", "--dir", dir)
	require.Equal(t, history.Undecided.String(), verdicts(t, dir)["proven"])
	require.Contains(t, said.stdout.String(), "the full disk of server1 had no effect: of 0 calls of codasrv 0 were refused")
}

// TestFaultsWaitForOperations looks when faults came that had waited for something.
func TestFaultsWaitForOperations(t *testing.T) {
	dir := filepath.Join(ground(t), "triggered")
	codastress(t, exitPass, clean(t), "run", "testdata/triggered.yaml", "--runtime", "simulation", "--seed", "1", "--dir", dir)
	run, err := history.ReadRun(dir)
	require.NoError(t, err)
	require.Len(t, run.Faults, 2)
	for _, fault := range run.Faults {
		step := run.Plan[fault.Step-1]
		var done, before int
		var last history.Time
		for op := range run.Operations.All() {
			if op.Outcome == history.OK && op.Kind == step.When.Operation && (step.When.Node == "" || step.When.Node == op.Node) {
				if done++; op.Completed < fault.Injecting {
					before++
				}
				if done == step.When.Count {
					last = op.Completed
				}
			}
		}
		require.GreaterOrEqual(t, before, step.When.Count, "%s", fault.Name)
		require.Less(t, before, done, "%s came before all was over", fault.Name)
		require.Less(t, time.Duration(fault.Injecting-last), step.Start+300*time.Millisecond, "%s", fault.Name)
	}
	again := filepath.Join(ground(t), "again")
	said := codastress(t, exitPass, clean(t), "replay", dir, "--dir", again)
	require.Contains(t, said.stderr.String(), "It took the same course as ")
}

// TestFaultsFindDaemonsAtFailpoints looks how long faults took that found what they wait for by themselves otherwise.
func TestFaultsFindDaemonsAtFailpoints(t *testing.T) {
	dir := filepath.Join(ground(t), "failpoints")
	codastress(t, exitPass, clean(t), "run", failpoints, "--runtime", "simulation", "--seed", "1", "--dir", dir)
	run, err := history.ReadRun(dir)
	require.NoError(t, err)
	require.Len(t, run.Faults, 4)
	for _, fault := range run.Faults {
		require.Zero(t, fault.Injected-fault.Injecting, "%s waited for another moment", fault.Name)
		require.NotZero(t, fault.Proven, "%s: %s", fault.Name, fault.Problem)
		require.NotZero(t, fault.Recovered, "%s: %s", fault.Name, fault.Problem)
	}
	said := codastress(t, exitUsage, clean(t), "run", failpoints, "--runtime", "processes")
	require.Contains(t, said.stderr.String(), "kill-codasrv, waits for a failpoint, which there are in a simulation only")
}

// TestFaultsOfContainersAreRefusedElsewhere asks for one in the two other runtimes.
func TestFaultsOfContainersAreRefusedElsewhere(t *testing.T) {
	file := filepath.Join(ground(t), "squeeze.yaml")
	require.NoError(t, os.WriteFile(file, []byte("name: squeeze\nworkload: {name: mass-delete}\nfaults: {must: [squeeze-cpu-venus]}\n"), 0o600))
	for runtime, args := range map[string][]string{"processes": {"run", file, "--runtime", "processes"}, "simulation": {"simulate", file}} {
		said := codastress(t, exitUsage, clean(t), args...)
		require.Contains(t, said.stderr.String(), "squeeze-cpu-venus, cannot be done in "+runtime+": use --runtime containers")
	}
}

// TestAFaultThatWaitsInVainDecidesNothing waits for more than there is.
func TestAFaultThatWaitsInVainDecidesNothing(t *testing.T) {
	scenario := strings.Replace(read(t, "testdata", "triggered.yaml"), "count: 30", "count: 61", 1)
	ground := ground(t)
	file, dir := filepath.Join(ground, "vain.yaml"), filepath.Join(ground, "vain")
	require.NoError(t, os.WriteFile(file, []byte(scenario), 0o600))
	said := codastress(t, exitUndecided, clean(t), "run", file, "--runtime", "simulation", "--seed", "1", "--dir", dir)
	require.Contains(t, said.stdout.String(), "kill-venus: it waited for 61 remove, and the load was over after 60")
	require.Contains(t, said.stdout.String(), "never kill-venus client3")
}

// TestASimulatedRunRepeatsItself compares the whole records of two runs with one seed, and of a replay, and how their memory grew. The machine has more
// processes each time, and the names of the directories have other lengths.
func TestASimulatedRunRepeatsItself(t *testing.T) {
	runs := ground(t)
	first, second := filepath.Join(runs, "first"), filepath.Join(runs, strings.Repeat("second-", 20))
	replayed, other := filepath.Join(runs, "replayed"), filepath.Join(runs, "other")
	run := func(seed, dir string) {
		codastress(t, exitPass, clean(t), "run", simulatedScenario, "--runtime", "simulation", "--seed", seed, "--dir", dir)
	}
	run("11", first)
	for range 20 {
		begin(t, "sleep", "1000")
	}
	run("11", second)
	said := codastress(t, exitPass, clean(t), "replay", first, "--dir", replayed)
	run("12", other)
	for _, file := range []string{"history", courseFile} {
		record := read(t, first, file)
		require.Equal(t, record, read(t, second, file), "%s: the same seed had another course", file)
		require.Equal(t, record, read(t, replayed, file), "%s: a replay had another course", file)
		require.NotEqual(t, record, read(t, other, file), "%s: another seed had the same course", file)
	}
	require.Contains(t, said.stderr.String(), "It took the same course as ")
}

// TestBreakagesAreFoundBySimulation searches the seeds of a scenario for each deliberate defect: of one that is made for none of them, but for those that show only
// where a client dies with most of its log unsent.
func TestBreakagesAreFoundBySimulation(t *testing.T) {
	for _, breakage := range breakages {
		t.Run(breakage.patch, func(t *testing.T) {
			executable, err := build(filepath.Join(t.TempDir(), "codastress"), overlay(t, breakage.patch))
			require.NoError(t, err)
			runs := ground(t)
			searched := codastress(t, exitFail, executable, "simulate", breakage.searched, "--seeds", "1..1000", "--dir", runs)
			t.Logf("found with %d seeds:\n%s", seedsOf(t, searched.stdout.String()), searched.said())
			require.Contains(t, failedChecks(t, runs), breakage.check, "%s", searched.said())
			kept, err := os.ReadDir(runs)
			require.NoError(t, err)
			// What is printed for a failure shows it again, also where the run leaves goroutines behind that wait for ever.
			codastress(t, exitFail, executable, "replay", filepath.Join(runs, kept[0].Name()), "--dir", filepath.Join(runs, "again"))
		})
	}
}

// failedChecks are the checks that failed in any of the runs that a campaign has kept.
func failedChecks(t *testing.T, runs string) []string {
	t.Helper()
	kept, err := os.ReadDir(runs)
	require.NoError(t, err)
	var failed []string
	for _, run := range kept {
		for check, result := range verdicts(t, filepath.Join(runs, run.Name())) {
			if result == history.Fail.String() {
				failed = append(failed, check)
			}
		}
	}
	return failed
}

var failingSeeds = flag.Int("failing", 10, "how many failing seeds TestFailingSeedsFailAgain replays")

// TestFailingSeedsFailAgain replays seeds that failed because of a deliberate defect. Each must take the same course to the last byte of its record.
func TestFailingSeedsFailAgain(t *testing.T) {
	executable, err := build(filepath.Join(t.TempDir(), "codastress"), overlay(t, "acknowledged-before-commit"))
	require.NoError(t, err)
	runs := ground(t)
	failing := filepath.Join(runs, "failing")
	bound := time.Duration(*failingSeeds) * runBound / 10
	searched := codastressWithin(t, bound, exitFail, executable,
		"simulate", simulatedScenario, "--seeds", "1.."+strconv.Itoa(4**failingSeeds), "--keep-going", "--dir", failing)
	kept, err := os.ReadDir(failing)
	require.NoError(t, err)
	replayed, same, exactly := 0, 0, 0
	for _, run := range kept {
		if replayed == *failingSeeds {
			break
		}
		replayed++
		dir, again := filepath.Join(failing, run.Name()), filepath.Join(runs, run.Name())
		replay := begin(t, executable, "replay", dir, "--dir", again)
		if replay.wait(t, runBound) == exitFail && read(t, dir, "history") == read(t, again, "history") {
			same++
		}
		if read(t, dir, courseFile) == read(t, again, courseFile) {
			exactly++
		}
	}
	t.Logf("the memory of %d of %d grew as before", exactly, replayed)
	t.Logf("%d of %d failing seeds took the same course when they were replayed", same, replayed)
	require.Equal(t, *failingSeeds, replayed, "too few seeds failed:\n%s", searched.said())
	require.Equal(t, replayed, same)
}
