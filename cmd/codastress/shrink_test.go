package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness/scenario"
)

// TestShrinkLeavesWhatIsNeeded shrinks a run that failed because removals are not sent, which needs no fault and no second reader.
func TestShrinkLeavesWhatIsNeeded(t *testing.T) {
	executable, err := build(filepath.Join(t.TempDir(), "codastress"), overlay(t, "remove-not-sent"))
	require.NoError(t, err)
	runs := ground(t)
	codastress(t, exitFail, executable, "simulate", simulatedScenario, "--seeds", "1..20", "--dir", filepath.Join(runs, "found"))
	shrunk := codastress(t, exitFail, executable, "shrink", first(t, filepath.Join(runs, "found")), "--tries", "3", "--dir", filepath.Join(runs, "shrunk"))

	smallest := first(t, filepath.Join(runs, "shrunk"))
	require.Contains(t, shrunk.stdout.String(), "codastress replay "+smallest)
	require.Contains(t, slices.Collect(maps.Values(verdicts(t, smallest))), "fail", "%s", shrunk.said())
	file := filepath.Join(smallest, "scenario.yaml")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, shrunk.stdout.String(), string(text), "what is printed is the scenario")
	sc, err := scenario.Parse(file, text)
	require.NoError(t, err)
	require.Empty(t, sc.Faults.Steps)
	require.Less(t, sc.Clients, 3)

	codastress(t, exitFail, executable, "replay", smallest, "--dir", filepath.Join(runs, "again"))
	codastress(t, exitFail, executable, "simulate", file, "--seeds", "1..20", "--dir", filepath.Join(runs, "searched"))
}

// first is the first directory in a folder: a search that runs two seeds at a time may find two that fail.
func first(t *testing.T, folder string) string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.NotEmpty(t, entries)
	return filepath.Join(folder, entries[0].Name())
}
