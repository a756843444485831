package scenario_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness/scenario"
)

func TestFieldsSayWhatTheyAreFor(t *testing.T) {
	docs := map[string]string{}
	for _, field := range scenario.Fields() {
		require.NotContains(t, docs, field.Name, "it is there twice")
		require.NotEmpty(t, field.Doc, field.Name)
		docs[field.Name] = field.Doc
	}
	for _, name := range []string{
		"load", "workload", "workload.name", "workloads.start", "workloads.clients", "faults.gap", "faults.steps.when.count", "limits.hang", "expect.figure", "constants",
	} {
		require.Contains(t, docs, name)
	}
	require.Contains(t, docs["load"], "Without it: 15s.")
	require.Contains(t, docs["servers"], "the number of replicas")
	require.Contains(t, docs["servers"], "From 1 to 8.")
}
