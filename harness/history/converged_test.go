package history_test

import (
	"fmt"
	"testing"

	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
)

// agreeing is a server and two clients with the same tree.
func agreeing() []history.Observation {
	tree := func() []history.Object {
		return []history.Object{
			{Path: "d", Kind: "directory", Mode: 0o755},
			{Path: "d/a", Kind: "file", Mode: 0o644, Length: 5, Links: 1, Digest: "abc", Content: history.Nonce{1}},
			{Path: "d/l", Kind: "symlink", Mode: 0o777, Links: 1, Digest: "a"},
		}
	}
	return []history.Observation{
		{Node: "client1", Source: history.SourceMount, Objects: tree(), State: "reachable"},
		{Node: "client2", Source: history.SourceMount, Objects: tree()},
		{Node: "server1", Source: history.SourceServer, Objects: tree()},
	}
}

func TestConvergedIsTheSameEverywhereAndNothingLeft(t *testing.T) {
	require.True(t, history.Converged(agreeing()))
	require.False(t, history.Converged(nil))
	for name, c := range map[string]struct {
		change func(all []history.Observation)
		want   string
	}{
		"error":    {func(all []history.Observation) { all[1].Error = "no" }, "client2 could not be observed: no"},
		"pending":  {func(all []history.Observation) { all[0].Pending = 3 }, "client1 has 3 records in its modify log"},
		"state":    {func(all []history.Observation) { all[0].State = "unreachable" }, "client1 says that its volume is unreachable"},
		"fsck":     {func(all []history.Observation) { all[2].Problems = []string{"a hole"} }, "server1: a hole"},
		"object":   {func(all []history.Observation) { all[2].Objects[1].Problem = "it is torn" }, "d/a on server1: it is torn"},
		"kind":     {func(all []history.Observation) { all[0].Objects[2].Kind = "file" }, "d/l differs in its kind: symlink on server1, file on client1"},
		"mode":     {func(all []history.Observation) { all[0].Objects[1].Mode = 0o600 }, "d/a differs in its mode: 0644 on server1, 0600 on client1"},
		"length":   {func(all []history.Observation) { all[1].Objects[1].Length = 6 }, "d/a differs in its length: 5 on server1, 6 on client2"},
		"links":    {func(all []history.Observation) { all[1].Objects[1].Links = 2 }, "d/a differs in its number of links: 1 on server1, 2 on client2"},
		"digest":   {func(all []history.Observation) { all[1].Objects[2].Digest = "b" }, "d/l differs in its content: a on server1, b on client2"},
		"one less": {func(all []history.Observation) { all[1].Objects = all[1].Objects[:2] }, "d/l is on server1 and not on client2"},
		"one more": {
			func(all []history.Observation) {
				all[0].Objects = append([]history.Object{{Path: "b"}}, all[0].Objects...)
			},
			"b is on client1 and not on server1",
		},
		"conflict that cannot be read": {func(all []history.Observation) {
			all[0].Objects[1] = history.Object{Path: "d/a", Kind: history.KindConflict, Problem: "local: no"}
		}, "d/a on client1: local: no"},
		"beside a conflict": {
			func(all []history.Observation) {
				all[0].Objects[1] = history.Object{Path: "d/a", Kind: history.KindConflict}
				all[0].Objects[2].Digest = "b"
			},
			"d/l differs in its content: a on server1, b on client1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			all := agreeing()
			c.change(all)
			require.False(t, history.Converged(all))
			require.Equal(t, []string{c.want}, history.Differences(all, 20))
		})
	}
}

// What one client shows as a conflict may be anything elsewhere, and nothing.
func TestConvergedBesideConflicts(t *testing.T) {
	all := agreeing()
	all[0].Objects = []history.Object{{Path: "c", Kind: history.KindConflict}, {Path: "d", Kind: history.KindConflict, Digest: "@1@"}}
	require.Empty(t, history.Differences(all, 20))
	all[1].Objects[0] = history.Object{Path: "d", Kind: history.KindConflict, Digest: "@2@"}
	all[1].Objects = all[1].Objects[:1]
	require.True(t, history.Converged(all))
}

// Replicas have to agree on more than what clients see: on versions, and on what is in conflict.
func TestReplicasConverge(t *testing.T) {
	replicas := func() []history.Observation {
		two := []history.Observation{{Node: "server1", Source: history.SourceServer}, {Node: "server2", Source: history.SourceServer}}
		for i := range two {
			two[i].Objects = []history.Object{
				{Path: "a", Kind: "file", Digest: "x", Version: "[1 1]c.1"},
				{Path: "b", Kind: history.KindConflict, Version: fmt.Sprintf("[%d]", i)},
			}
		}
		return two
	}
	require.True(t, history.Converged(replicas()))
	skewed := replicas()
	skewed[1].Objects[0].Version = "[1 2]c.1"
	require.Equal(t, []string{"a differs in its version: [1 1]c.1 on server1, [1 2]c.1 on server2"}, history.Differences(skewed, 20))
	unmarked := replicas()
	unmarked[0].Objects[1].Kind = "file"
	require.Equal(t, []string{"b differs in its kind: file on server1, conflict on server2"}, history.Differences(unmarked, 20))
	require.True(t, history.Converged(append(replicas(), history.Observation{
		Node: "client1", Source: history.SourceMount, Objects: []history.Object{{Path: "a", Kind: "file", Digest: "x"}},
	})), "a client shows no versions, and need not show a conflict")
}
