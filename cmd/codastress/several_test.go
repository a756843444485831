package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness/history"
)

// TestSeveralWorkloads looks when and where each of several workloads did something, in a run that is judged as one.
func TestSeveralWorkloads(t *testing.T) {
	dir := filepath.Join(ground(t), "several")
	codastress(t, exitPass, clean(t), "run", "testdata/several.yaml", "--runtime", "simulation", "--seed", "2", "--dir", dir)
	run, err := history.ReadRun(dir)
	require.NoError(t, err)
	began := map[string]history.Time{}      // of the first operation of the load
	clients := map[string]map[string]bool{} // that did something in the load
	loads := map[string]history.Step{}
	for _, step := range run.Plan {
		if step.Kind == "workload" && step.Phase == "load" {
			loads[step.Args["root"]] = step
		}
	}
	require.Len(t, loads, 3, "each has a directory of its own")
	for op := range run.Operations.All() {
		root, _, _ := strings.Cut(op.Path, "/")
		step := loads[root]
		require.NotEmpty(t, step.Name, op.Path)
		if op.Kind != history.Append && op.Kind != history.Page && step.Name != "create-storm" {
			continue // it may be of the preparation
		}
		if began[step.Name] == 0 || op.Invoked < began[step.Name] {
			began[step.Name] = op.Invoked
		}
		if clients[step.Name] == nil {
			clients[step.Name] = map[string]bool{}
		}
		clients[step.Name][op.Node] = true
	}
	require.Equal(t, map[string]bool{"client2": true}, clients["create-storm"])
	require.Equal(t, map[string]bool{"client1": true, "client3": true}, clients["append-log"])
	require.Len(t, clients["mass-delete"], 3)
	require.InDelta(t, 3*time.Second, time.Duration(began["append-log"]-began["mass-delete"]), float64(500*time.Millisecond))
}

// What a workload calls a parameter must not be what the list of workloads calls a field.
func TestParametersAreNoFieldsOfAWorkload(t *testing.T) {
	for _, workload := range catalog().Workloads {
		for _, parameter := range workload.Parameters {
			require.NotContains(t, []string{"name", "start", "length", "clients"}, parameter.Name, workload.Name)
		}
	}
}
