package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDaemonsHaveTheConstantsOfTheScenario asks the daemons themselves, of the first run and of its replay.
func TestDaemonsHaveTheConstantsOfTheScenario(t *testing.T) {
	for _, runtime := range append(runtimes(t), "simulation") {
		t.Run(runtime, func(t *testing.T) {
			runs := ground(t)
			first, again := filepath.Join(runs, "first"), filepath.Join(runs, "again")
			codastress(t, exitPass, clean(t), "run", "testdata/constants.yaml", "--runtime", runtime, "--seed", "1", "--set", "constants.venus.log_records=5000", "--dir", first)
			codastress(t, exitPass, clean(t), "replay", first, "--dir", again)
			for _, dir := range []string{first, again} {
				venus, codasrv := stateOf(t, dir, "venus"), stateOf(t, dir, "codasrv")
				require.Contains(t, venus, " ping=1.7s dead=2s ", "the time scale divides what is not set")
				require.Contains(t, venus, " log_records=5000 hoard_entries=50000 batch_records=77 ")
				require.Contains(t, codasrv, "\nconstants: lease=7s silence=14s ")
				require.Contains(t, codasrv, " password_memory=9000 ")
			}
		})
	}
}

// stateOf is what a daemon said of itself when something hung.
func stateOf(t *testing.T, dir, daemon string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "nodes", "*", "hang-*", daemon+".state.txt"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return read(t, "", files[0])
}
