package workloads

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// One process alone does everything there is, and a plain file system does what it is asked: nothing that is seen is damaged, and each read sees
// what was written last.
func TestMixed(t *testing.T) {
	b := newBench(t)
	b.Files = sessions{LocalDirectory{Root: b.root}}
	steps := tiny(t, Mixed(), "workers", "1", "operations", "4000", "think", "0s")
	steps[1].Nodes, steps[2].Nodes = []string{"client1"}, []string{"client1"}
	steps[2].Length = time.Hour // it ends with its operations
	for i, step := range steps {
		step.Number = i + 1
		load, err := Mixed().Do(t.Context(), step, b.Environment)
		require.NoError(t, err)
		require.GreaterOrEqual(t, load.Done, load.Wanted, step.Task)
	}
	operations := b.recorded(t)
	done := map[history.Kind]int{}
	for _, op := range operations {
		require.NotEqual(t, history.Indeterminate, op.Outcome, "%+v", op)
		require.True(t, op.Problem == "" || history.IsMisplaced(op.Problem), "%+v", op)
		if op.Outcome == history.OK {
			done[op.Kind]++
		}
	}
	for kind := history.Read; kind <= history.ReadLink; kind++ {
		if kind != history.Page {
			require.Greater(t, done[kind], 5, kind)
		}
	}
	require.Greater(t, len(operations), 4000)
}

func TestMixedDoesWhatItsWeightsSay(t *testing.T) {
	b := newBench(t)
	var args []string
	for _, action := range actions() {
		if action.name != "create" && action.name != "remove" {
			args = append(args, action.name, "0")
		}
	}
	steps := tiny(t, Mixed(), append(args, "operations", "50", "workers", "1", "shared", "0")...)
	for _, step := range []history.Step{steps[0], steps[2]} {
		step.Length = time.Hour
		_, err := Mixed().Do(t.Context(), step, b.Environment)
		require.NoError(t, err)
	}
	kinds := map[history.Kind]int{}
	for _, op := range b.recorded(t) {
		kinds[op.Kind]++
	}
	require.Equal(t, []history.Kind{history.Write, history.Remove, history.MakeDirectory}, slices.Sorted(maps.Keys(kinds)))
	require.Equal(t, 50, kinds[history.Write]+kinds[history.Remove])

	_, err := Mixed().Plan(with(append(args, "create", "0", "remove", "0")...))
	require.ErrorContains(t, err, "the weights of all operations are 0")
}

// The changes of an edit turn the old content into one that describes itself, whatever they are and in whatever order they are made.
func TestEditsMakeContentsThatDescribeThemselves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		first := history.Header{Nonce: history.NewNonce(random), Node: "client1", Path: "a/b", Area: EditableArea, Length: 900}
		content, err := history.MakeContent(first)
		require.NoError(t, err)
		for range rapid.IntRange(1, 20).Draw(t, "edits") {
			switch rapid.IntRange(0, 9).Draw(t, "damage") {
			case 0:
				content = nil
			case 1:
				content[len(content)/2] ^= 1
			}
			by := history.Header{Nonce: history.NewNonce(random), Node: "client2", Path: "a/c", Area: EditableArea}
			splice := Splice{At: rapid.Float64Range(0, 1).Draw(t, "at"), Length: rapid.IntRange(0, 300).Draw(t, "length"), Cut: rapid.Bool().Draw(t, "cut")}
			end, changes, err := splice.apply(by, content)
			require.NoError(t, err)
			for _, change := range changes {
				if change.Truncate {
					content = append(content, make([]byte, max(0, change.Offset-int64(len(content))))...)[:change.Offset]
					continue
				}
				last := change.Offset + int64(len(change.Data))
				content = append(bytes.Clone(content), make([]byte, max(0, last-int64(len(content))))...)
				copy(content[change.Offset:], change.Data)
			}
			header, problem := history.CheckContent(content, "a/c")
			require.Empty(t, problem)
			require.Equal(t, by.Nonce, header.Nonce)
			require.Equal(t, end.Parents, header.Parents)
			require.Equal(t, end.Length, int64(len(content)))
		}
	})
}

func TestAViewFollowsWhatIsDone(t *testing.T) {
	ok, none := Result{Outcome: history.OK}, Result{Outcome: history.Failed, Errno: syscall.ENOENT}
	v := &view{roots: []string{"r"}}
	v.made("r/d1", ok)
	v.made("r/d1/f1", ok)
	v.made("r/d10", Result{Outcome: history.Failed, Errno: syscall.EEXIST})
	v.made("r/l1", Result{Outcome: history.Failed, Errno: syscall.EIO})
	require.Equal(t, []string{"r/d1", "r/d1/f1", "r/d10"}, v.paths)
	v.renamed("r/d1", "r/d2", ok)
	require.Equal(t, []string{"r/d10", "r/d2", "r/d2/f1"}, v.paths)
	v.listed("r", []string{"d2", "f7"})
	require.Equal(t, []string{"r/d2", "r/d2/f1", "r/f7"}, v.paths)
	require.Equal(t, []string{"r/d2/f1", "r/f7"}, v.of(aFile))
	v.looked("r/d2", none)
	v.removed("r/f7", none)
	require.Empty(t, v.paths)
}
