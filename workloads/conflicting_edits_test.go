package workloads

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
)

// hangingRepair has a conflict whose repair does not return.
type hangingRepair struct{}

func (hangingRepair) List(context.Context) ([]history.Conflict, []string, error) {
	return nil, []string{"x"}, nil
}

func (hangingRepair) Versions(context.Context, string) ([]history.Nonce, error) { return nil, nil }

func (hangingRepair) Repair(ctx context.Context, _ string, _ []byte) error {
	<-ctx.Done()
	return ctx.Err()
}

func (hangingRepair) Settle(context.Context) error { return nil }

// keptConflicts are conflicts in a directory, of which some cannot be read.
type keptConflicts struct {
	root    string
	paths   []string
	broken  map[string]bool
	settled bool
}

func (k *keptConflicts) List(context.Context) ([]history.Conflict, []string, error) {
	return []history.Conflict{{Path: "b", Operation: "store", Content: history.Nonce{1}}}, k.paths, nil
}

func (k *keptConflicts) Versions(_ context.Context, path string) ([]history.Nonce, error) {
	if k.broken[path] {
		return nil, errors.New("it cannot be read")
	}
	return []history.Nonce{{1}, {2}}, nil
}

func (k *keptConflicts) Repair(_ context.Context, path string, contents []byte) error {
	return os.WriteFile(filepath.Join(k.root, path), contents, 0o600)
}

func (k *keptConflicts) Settle(context.Context) error {
	k.settled = true
	return nil
}

func TestConflictingEdits(t *testing.T) {
	b := newBench(t)
	b.serve(t, nil)
	b.Files = sessions{LocalDirectory{Root: b.root}}
	conflicts := &keptConflicts{root: b.root, paths: []string{"b", "a", "broken"}, broken: map[string]bool{"broken": true}}
	b.Conflicts = conflicts
	loads := map[string]history.Load{}
	var repairs []history.Step
	for _, step := range tiny(t, ConflictingEdits{}, "editors", "1", "edited", "3", "made", "2", "think", "2ms", "conflicts", "4") {
		if step.Phase == load && step.Task == taskFetchPages {
			continue
		}
		if step.Phase == repair {
			repairs = append(repairs, step)
		}
		done, err := ConflictingEdits{}.Do(t.Context(), step, b.Environment)
		require.NoError(t, err)
		loads[step.Task+" "+step.Nodes[0]] = done
	}
	require.Len(t, repairs, 2, "each client repairs by itself")
	require.True(t, conflicts.settled)
	first, second := loads["repair client1"], loads["repair client2"]
	require.Equal(t, []uint64{2, 4}, []uint64{first.Done, first.Wanted}, "what cannot be read is not repaired, and more conflicts were wanted")
	require.Equal(t, []uint64{2, 3}, []uint64{second.Done, second.Wanted})
	require.Equal(t, "b", first.Conflicts[0].Path)
	require.Positive(t, loads["edit client1"].Done)
	merged, edits := 0, 0
	versions := map[history.Nonce]bool{}
	for _, op := range b.recorded(t) {
		if op.Kind.Writes() && op.Outcome == history.OK {
			versions[op.Content] = true
		}
		if op.Kind == history.Edit && op.Outcome == history.OK {
			require.Len(t, op.Parents, 1, "the version that an edit is based on is known")
			require.True(t, versions[op.Parents[0]], "somebody wrote it before")
			edits++
		}
		if op.Kind == history.Write && (op.Path == "a" || op.Path == "b") {
			require.Equal(t, []history.Nonce{{1}, {2}}, op.Parents)
			merged++
		}
		require.NotEqual(t, "broken", op.Path)
	}
	require.Equal(t, 4, merged)
	require.Positive(t, edits)
	made, err := filepath.Glob(filepath.Join(b.root, "site-*", "d*", "made*.html"))
	require.NoError(t, err)
	require.NotEmpty(t, made)
}

// slowPage is a directory whose first read of a page does not return before the others have done some work.
type slowPage struct {
	LocalDirectory
	held    *atomic.Bool // a read is held, or was
	release chan struct{}
	writes  *atomic.Int64
}

func (s slowPage) ReadFile(ctx context.Context, path string, to io.Writer) error {
	if s.held.CompareAndSwap(false, true) {
		<-s.release
	}
	return s.LocalDirectory.ReadFile(ctx, path, to)
}

func (s slowPage) WriteFile(ctx context.Context, path string, content []byte, how How) error {
	s.count()
	return s.LocalDirectory.WriteFile(ctx, path, content, how)
}

func (s slowPage) EditFile(ctx context.Context, path string, edit Edit, how How) error {
	s.count()
	return s.LocalDirectory.EditFile(ctx, path, edit, how)
}

func (s slowPage) count() {
	if s.held.Load() && s.writes.Add(1) == 5 {
		close(s.release)
	}
}

// TestAnEditorThatWaitsLeavesTheOthersAtWork holds the first read until five pages were written: a client with one editor would wait for ever.
func TestAnEditorThatWaitsLeavesTheOthersAtWork(t *testing.T) {
	b := newBench(t)
	b.serve(t, nil)
	steps := tiny(t, ConflictingEdits{}, "edited", "3", "made", "0", "think", "2ms")
	for _, step := range steps {
		if step.Task == taskWriteSite {
			_, err := ConflictingEdits{}.Do(t.Context(), step, b.Environment)
			require.NoError(t, err)
		}
	}
	files := slowPage{LocalDirectory{Root: b.root}, &atomic.Bool{}, make(chan struct{}), &atomic.Int64{}}
	b.Files = files
	for _, step := range steps {
		if step.Task == taskEdit && step.Nodes[0] == "client1" {
			done, err := ConflictingEdits{}.Do(t.Context(), step, b.Environment)
			require.NoError(t, err)
			require.Positive(t, done.Done)
		}
	}
	require.GreaterOrEqual(t, files.writes.Load(), int64(5))
	select {
	case <-files.release:
	default:
		require.Fail(t, "the read is still held")
	}
}
