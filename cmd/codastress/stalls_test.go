package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness/history"
)

// TestEvidenceOfAHangIsTakenAtOnce looks when the evidence of calls that take too long was saved: within a second after their time was up, once for each time
// that a client hung, a few times at most, and not for a daemon that a fault has stopped.
func TestEvidenceOfAHangIsTakenAtOnce(t *testing.T) {
	dir := filepath.Join(ground(t), "stalls")
	codastress(t, exitFail, clean(t), "run", "testdata/stalls.yaml", "--runtime", "simulation", "--seed", "1", "--dir", dir)
	require.Equal(t, history.Fail.String(), verdicts(t, dir)["no-hang"])
	run, err := history.ReadRun(dir)
	require.NoError(t, err)
	var saved []string
	excused := 0
	for _, stall := range run.Stalls {
		if stall.Node == "client2" {
			excused++
			require.Empty(t, stall.Files, "its daemon was stopped")
		}
		if stall.Saved == 0 {
			continue
		}
		late := time.Duration(stall.Saved-stall.Invoked) - run.Meta.Limits.Hang
		require.LessOrEqual(t, late, time.Second)
		saved = append(saved, filepath.Dir(stall.Files[0]))
		for _, file := range stall.Files {
			_, err := os.Stat(filepath.Join(dir, file))
			require.NoError(t, err)
		}
	}
	require.Positive(t, excused)
	require.Equal(t, []string{
		"nodes/client1/hang-client1", "nodes/client1/hang-client1-2", "nodes/client1/hang-client1-3", "nodes/client1/hang-client1-4",
	}, saved)
}
