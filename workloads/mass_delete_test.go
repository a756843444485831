package workloads

import (
	"testing"
	"time"

	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
)

// Where a scenario says when the pages are deleted, and that the other clients go on writing, the plan has it so.
func TestTheDeletionCanHaveAPlaceAndCompany(t *testing.T) {
	r := request(1, "client1", "client2", "client3")
	r.Args = map[string]string{"at": "4s", "edits": "1s", "edits_at": "9s"}
	steps, err := MassDelete{}.Plan(r)
	require.NoError(t, err)
	deletion, updates := steps[len(steps)-2], steps[len(steps)-1]
	require.Equal(t, taskDelete, deletion.Task)
	require.Equal(t, 4*time.Second, deletion.Start)
	require.Equal(t, 10*time.Second, deletion.Length)
	require.Equal(t, taskUpdate, updates.Task)
	require.Equal(t, []string{"client1", "client2"}, updates.Nodes)
	require.Equal(t, 9*time.Second, updates.Start)
	require.Equal(t, 5*time.Second, updates.Length)
	r.Args["edits_at"] = "1m"
	steps, err = MassDelete{}.Plan(r)
	require.NoError(t, err)
	require.Equal(t, taskDelete, steps[len(steps)-1].Task)
}

// An updater replaces pages of its own alone, and none that is deleted.
func TestUpdatesReplaceOnesOwnPages(t *testing.T) {
	b := newBench(t)
	b.serve(t, nil)
	steps := tiny(t, MassDelete{}, "delete", "10", "edits", "1ms")
	updates := steps[len(steps)-1]
	require.Equal(t, taskUpdate, updates.Task)
	a := &arguments{step: updates.Args}
	first, count, s := a.number("first"), a.number("count"), siteOf(a)
	require.NoError(t, a.err)
	updates.Nodes, updates.Args["editors"] = []string{"other", b.Node}, "2"
	written := map[string]bool{}
	for _, step := range []history.Step{steps[0], updates} {
		clear(written)
		before := len(b.recorded(t))
		load, err := MassDelete{}.Do(t.Context(), step, b.Environment)
		require.NoError(t, err)
		require.GreaterOrEqual(t, load.Done, load.Wanted)
		for _, op := range b.recorded(t)[before:] {
			if op.Kind.Writes() {
				written[op.Path] = true
			}
		}
	}
	require.NotEmpty(t, written)
	for i := range s.pages {
		if written[s.page(i)] {
			require.Equal(t, 1, i%2)
			require.False(t, i >= first && i < first+count, "page %d is deleted", i)
			delete(written, s.page(i))
		}
	}
	require.Empty(t, written)
}
