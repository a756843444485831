package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestKilledSimulationsLeaveNothing kills searches and simulated runs at random moments. Ten seconds later there is neither a process nor a folder of theirs.
func TestKilledSimulationsLeaveNothing(t *testing.T) {
	codastressed := clean(t)
	for _, args := range [][]string{
		{"simulate", dark, "--seeds", "1..1000", "--dir", ""},
		{"run", dark, "--set", "load=2h", "--runtime", "simulation", "--seed", "1", "--dir", "run"}, // longer than it is let live
	} {
		for _, most := range []time.Duration{20 * time.Millisecond, 200 * time.Millisecond, time.Second} {
			moment := rand.N(most)
			t.Run(fmt.Sprint(args[0], " after ", moment), func(t *testing.T) {
				runs := ground(t)
				last := len(args) - 1
				i := begin(t, codastressed, append(args[:last:last], filepath.Join(runs, args[last]))...)
				time.Sleep(moment) // the moment is what is tested: any will do
				require.NoError(t, i.cmd.Process.Kill())
				<-i.ended
				require.EventuallyWithT(t, func(c *assert.CollectT) {
					assert.Empty(c, processesBelow(t, runs))
					places, err := filepath.Glob(filepath.Join(runs, workplacePrefix+"*"))
					require.NoError(t, err)
					assert.Empty(c, places)
				}, sweepTime, 100*time.Millisecond)
			})
		}
	}
}

// processesBelow are the processes that work in a folder, or were told of it.
func processesBelow(t *testing.T, folder string) (found []string) {
	t.Helper()
	processes, err := filepath.Glob("/proc/[0-9]*")
	require.NoError(t, err)
	for _, process := range processes {
		command, err := os.ReadFile(process + "/cmdline")
		if err != nil {
			continue // it has ended meanwhile
		}
		cwd, err := os.Readlink(process + "/cwd")
		if bytes.Contains(command, []byte(folder)) || err == nil && strings.HasPrefix(cwd, folder) {
			found = append(found, fmt.Sprintf("%s in %s: %q", process, cwd, command))
		}
	}
	return found
}

// An owner that is alive keeps its workplace, and one that may not have locked it yet. What belongs to nobody any more is removed, and nothing else.
func TestWorkplacesOfTheDeadAreCleaned(t *testing.T) {
	dir := t.TempDir()
	mine, err := openWorkplaceOf(clean(t), dir)
	require.NoError(t, err)
	room, err := mine.room()
	require.NoError(t, err)
	long := time.Now().Add(-time.Hour)
	for name, file := range map[string]string{
		workplacePrefix + "fresh": "", workplacePrefix + "unlocked": workplaceLock, workplacePrefix + "old": "", "run": "history",
	} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o755))
		if file != "" {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name, file), nil, 0o600))
		}
		if name != workplacePrefix+"fresh" {
			require.NoError(t, os.Chtimes(filepath.Join(dir, name), long, long))
		}
	}
	cleaned := codastress(t, exitPass, clean(t), "clean", "--dir", dir)
	require.Equal(t, 2, strings.Count(cleaned.stdout.String(), "of a simulation"), "%s", cleaned.said())
	require.DirExists(t, room)
	require.DirExists(t, filepath.Join(dir, workplacePrefix+"fresh"))
	require.FileExists(t, filepath.Join(dir, "run", "history"))
	require.NoError(t, mine.close())
	require.NoDirExists(t, mine.folder)
}

// The caretaker is not ended by what ends its owner, and is gone when that has closed its workplace.
func TestTheCaretakerStaysUntilItsOwnerGoes(t *testing.T) {
	mine, err := openWorkplaceOf(clean(t), t.TempDir())
	require.NoError(t, err)
	require.Eventually(t, func() bool { // or the signal comes before it is ready for it
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", mine.caretaker.Process.Pid))
		_, after, found := strings.Cut(string(status), "SigIgn:\t")
		mask, _, _ := strings.Cut(after, "\n")
		ignored, parsing := strconv.ParseUint(mask, 16, 64)
		return err == nil && found && parsing == nil && ignored&(1<<(syscall.SIGPIPE-1)) != 0 // the last that it ignores
	}, runBound, time.Millisecond)
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		require.NoError(t, mine.caretaker.Process.Signal(signal))
	}
	require.NoError(t, mine.close())
	require.NoDirExists(t, mine.folder)
}
