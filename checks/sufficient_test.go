package checks_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/checks"
	"github.com/codastress/codastress/harness/history"
)

// byOperations are the checks that judge what was done; the others judge what nodes were or said, of which operations are no proof.
func byOperations() []string {
	return []string{"session-reads", "own-names", "visibility", "no-lost-data", "no-false-conflict"}
}

// exceptions are bad histories of which the operations that are shown prove nothing alone, or of which what was observed proves it without any.
func exceptions() (alone, without map[string]string) {
	damage := "what was observed is damaged, whoever wrote it"
	alone = map[string]string{
		"no-lost-data/removal-before-an-fsync-and-a-loss-of-power": "it takes the fsync of another file, which has nothing to do with the name",
	}
	without = map[string]string{
		"no-lost-data/misplaced-in-the-end":                       damage,
		"no-lost-data/mixture-that-one-client-left-on-the-mounts": damage,
	}
	return alone, without
}

// TestEvidenceAloneFails judges each bad history again with nothing but the operations of one evidence, and what was observed: the check says the same. With
// all other operations it does not.
func TestEvidenceAloneFails(t *testing.T) {
	alone, others := exceptions()
	seen := map[string]bool{}
	for _, check := range checks.All() {
		if !slices.Contains(byOperations(), check.Name) {
			continue
		}
		for name, run := range stored(t, check.Name, "bad") {
			for _, evidence := range check.Run(run).Evidence {
				if len(evidence.Operations) == 0 {
					continue // of something that nobody did
				}
				about := check.Name + "/" + name
				if !says(check, with(run, evidence.Operations), evidence.Text) {
					require.Contains(t, alone, about, "%s: %s", evidence.Text, kinds(evidence))
					seen[about] = true
				}
				// A conflict was observed, and is a false one as well where nobody did anything.
				if check.Name != "no-false-conflict" && says(check, without(run, evidence.Operations), evidence.Text) {
					require.Contains(t, others, about, "%s: %s", evidence.Text, kinds(evidence))
					seen[about] = true
				}
			}
		}
	}
	require.Len(t, seen, len(alone)+len(others), "an exception is none")
}

// says looks whether a check says something of a run.
func says(check checks.Check, run *history.Run, text string) bool {
	return slices.ContainsFunc(check.Run(run).Evidence, func(e history.Evidence) bool { return e.Text == text })
}

// with is a run with some operations and no others.
func with(run *history.Run, some []history.Operation) *history.Run {
	return filtered(run, func(op history.Operation) bool { return contains(some, op) })
}

// without is a run with all others.
func without(run *history.Run, some []history.Operation) *history.Run {
	return filtered(run, func(op history.Operation) bool { return !contains(some, op) })
}

func contains(some []history.Operation, op history.Operation) bool {
	return slices.ContainsFunc(some, func(one history.Operation) bool {
		return one.Node == op.Node && one.Worker == op.Worker && one.Number == op.Number && one.Invoked == op.Invoked
	})
}

func filtered(run *history.Run, keep func(history.Operation) bool) *history.Run {
	left := *run
	var operations []history.Operation
	for op := range run.Operations.All() {
		if keep(op) {
			operations = append(operations, op)
		}
	}
	left.Operations = history.Pack(operations)
	return &left
}
