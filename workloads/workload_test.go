package workloads

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tiny is a plan that takes less than a second.
func tiny(t *testing.T, workload Workload, args ...string) []history.Step {
	t.Helper()
	small := []string{"pages", "30", "directories", "3", "size", "600", "large", "1", "rate", "200"}
	if has(workload, "workers") {
		small = []string{"think", "100us"}
	}
	r := with(append(small, args...)...)
	r.Clients, r.Load, r.Seed = []string{"client1", "client2"}, 400*time.Millisecond, 5
	steps, err := workload.Plan(r)
	require.NoError(t, err)
	return steps
}

// has says whether a workload has a parameter.
func has(workload Workload, parameter string) bool {
	return slices.ContainsFunc(workload.Parameters(), func(p Parameter) bool { return p.Name == parameter })
}

// carryOut does all steps on one bench, the preparation first and the load side by side, as a harness does.
func carryOut(t *testing.T, workload Workload, steps []history.Step, b *bench) map[string]history.Load {
	t.Helper()
	loads := map[string]history.Load{}
	type done struct {
		task string
		load history.Load
		err  error
	}
	results := make(chan done)
	running := 0
	do := func(step history.Step) {
		time.Sleep(step.Start)
		load, err := workload.Do(t.Context(), step, b.Environment)
		results <- done{step.Task, load, err}
	}
	wait := func() {
		result := <-results
		require.NoError(t, result.err)
		loads[result.task] = result.load
	}
	for i, step := range steps {
		step.Number = i + 1
		if step.Task == taskDelete || step.Task == taskOverwrite || step.Task == taskDeploy {
			step.Length = time.Minute // they end when they are done, however slow the machine is
		}
		go do(step)
		if step.Phase == prepare {
			wait()
		} else {
			running++
		}
	}
	for range running {
		wait()
	}
	for i, step := range steps {
		load := loads[step.Task]
		require.Equal(t, i+1, load.Step)
		require.Equal(t, "client1", load.Node)
		require.Positive(t, load.Wanted, step.Task)
		require.Positive(t, load.Done, step.Task)
		if step.Task != taskFetchPages && step.Task != taskReadFiles && step.Task != taskLook { // how much those do in so short a time is the machine's matter
			require.Equal(t, load.Wanted, load.Done, step.Task)
		}
	}
	return loads
}

// count counts operations of a kind and outcome.
func count(operations []history.Operation, kind history.Kind, outcome history.Outcome) (n uint64) {
	for _, op := range operations {
		if op.Kind == kind && op.Outcome == outcome {
			n++
		}
	}
	return n
}

// requireSound checks what holds for every history of a sound file system.
func requireSound(t *testing.T, operations []history.Operation) {
	t.Helper()
	last := map[uint32]history.Operation{}
	numbers := map[uint64]bool{}
	for _, op := range operations {
		require.False(t, numbers[op.Number], "operation %d is there twice", op.Number)
		numbers[op.Number] = true
		require.Equal(t, "client1", op.Node)
		require.Empty(t, op.Problem, "%+v", op)
		require.NotEqual(t, history.Indeterminate, op.Outcome)
		require.LessOrEqual(t, op.Invoked, op.Completed)
		require.LessOrEqual(t, last[op.Worker].Completed, op.Invoked, "the operations of a worker do not overlap")
		last[op.Worker] = op
		if op.Outcome == history.OK && (op.Kind == history.Read || op.Kind == history.Write || op.Kind == history.Page) {
			require.NotZero(t, op.Content)
			require.Positive(t, op.Length)
		}
	}
}

func TestMassDelete(t *testing.T) {
	b := newBench(t)
	b.serve(t, nil)
	steps := tiny(t, MassDelete{}, "delete", "10")
	loads := carryOut(t, MassDelete{}, steps, b)
	operations := b.recorded(t)
	requireSound(t, operations)
	require.Equal(t, uint64(4), count(operations, history.MakeDirectory, history.OK))
	require.Equal(t, uint64(30), count(operations, history.Write, history.OK))
	require.Equal(t, uint64(30), count(operations, history.Read, history.OK))
	require.Equal(t, uint64(10), count(operations, history.Remove, history.OK))
	pages, gone := count(operations, history.Page, history.OK), count(operations, history.Page, history.Failed)
	require.Equal(t, 80-loads[taskFetchPages].Missed, pages+gone)
	require.Equal(t, loads[taskFetchPages].Done, pages+gone)
	require.Positive(t, pages)
	_, err := MassDelete{}.Do(t.Context(), steps[2], b.Environment)
	require.NoError(t, err)
	operations = b.recorded(t)
	require.Greater(t, count(operations, history.Page, history.Failed), gone, "pages are asked for after they were deleted, too")
	for _, op := range operations {
		if op.Kind == history.Page && op.Outcome == history.Failed {
			require.Equal(t, uint16(http.StatusNotFound), op.HTTP)
			require.Equal(t, syscall.ENOENT, op.Errno)
		}
	}
	left, err := filepath.Glob(filepath.Join(b.root, "site-*", "d*", "p*.html"))
	require.NoError(t, err)
	require.Len(t, left, 20)
}

// sessions is a local directory whose writes appear at once and whole, as those of the file system under test do.
type sessions struct{ LocalDirectory }

func (s sessions) WriteFile(ctx context.Context, path string, content []byte, how How) error {
	if err := s.LocalDirectory.WriteFile(ctx, path+".new", content, how); err != nil {
		return err
	}
	return s.Rename(ctx, path+".new", path)
}

func TestBulkOverwrite(t *testing.T) {
	b := newBench(t)
	b.serve(t, nil)
	b.Files = sessions{LocalDirectory{Root: b.root}}
	carryOut(t, BulkOverwrite{}, tiny(t, BulkOverwrite{}, "overwrite", "10"), b)
	operations := b.recorded(t)
	requireSound(t, operations)
	versions := map[string][]history.Nonce{}
	for _, op := range operations {
		if op.Kind != history.Write {
			continue
		}
		if before := versions[op.Path]; len(before) == 0 {
			require.Empty(t, op.Parents)
		} else {
			require.Equal(t, before, op.Parents, "the version that was read before is the parent")
		}
		versions[op.Path] = append(versions[op.Path], op.Content)
	}
	replaced := 0
	for _, written := range versions {
		replaced += len(written) - 1
	}
	require.Equal(t, 10, replaced)
	require.Zero(t, count(operations, history.Page, history.Failed), "a page that is replaced in place is always there")
}

func TestLooks(t *testing.T) {
	for workload, args := range map[Workload][]string{MassDelete{}: {"delete", "10"}, BulkOverwrite{}: {"overwrite", "10"}, ConcurrentReaders{}: nil} {
		b := newBench(t)
		b.serve(t, nil)
		loads := carryOut(t, workload, tiny(t, workload, append(args, "looks", "50")...), b)
		operations := b.recorded(t)
		requireSound(t, operations)
		require.Equal(t, loads[taskLook].Done, count(operations, history.List, history.OK))
		require.Greater(t, count(operations, history.Stat, history.OK), loads[taskLook].Done)
	}
	without, err := MassDelete{}.Plan(with())
	require.NoError(t, err)
	for _, step := range without {
		require.NotEqual(t, taskLook, step.Task, "nobody asked for it")
	}
}

func TestConcurrentReaders(t *testing.T) {
	b := newBench(t)
	b.serve(t, nil)
	loads := carryOut(t, ConcurrentReaders{}, tiny(t, ConcurrentReaders{}, "readers", "5", "think", "5ms"), b)
	operations := b.recorded(t)
	requireSound(t, operations)
	require.Equal(t, loads[taskReadFiles].Done+30, count(operations, history.Read, history.OK))
	require.Equal(t, 80-loads[taskFetchPages].Missed, count(operations, history.Page, history.OK))
}

func TestWrongBodiesAreFound(t *testing.T) {
	b := newBench(t)
	b.serve(t, nil)
	steps := tiny(t, MassDelete{}, "delete", "10")
	for _, step := range steps[:2] {
		_, err := MassDelete{}.Do(t.Context(), step, b.Environment)
		require.NoError(t, err)
	}
	pages, err := filepath.Glob(filepath.Join(b.root, "site-*", "d*", "p*.html"))
	require.NoError(t, err)
	content, err := os.ReadFile(pages[1])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(pages[0], content, 0o644), "of another page")
	require.NoError(t, os.Truncate(pages[2], 100))
	content[len(content)-1]++
	require.NoError(t, os.WriteFile(pages[1], content, 0o644), "changed")
	wrong := map[string]bool{}
	for i := range 3 {
		path, err := filepath.Rel(b.root, pages[i])
		require.NoError(t, err)
		wrong[path] = true
	}
	_, err = MassDelete{}.Do(t.Context(), steps[1], b.Environment)
	require.NoError(t, err)
	found := func(kind history.Kind) map[string]bool {
		paths := map[string]bool{}
		for _, op := range b.recorded(t) {
			if op.Kind == kind && op.Problem != "" {
				paths[op.Path] = true
			}
		}
		return paths
	}
	require.Equal(t, wrong, found(history.Read))
	for range 20 { // pages are fetched at random
		_, err := MassDelete{}.Do(t.Context(), steps[2], b.Environment)
		require.NoError(t, err)
		if len(found(history.Page)) == len(wrong) {
			break
		}
	}
	require.Equal(t, wrong, found(history.Page))
}

func TestAStepEndsWithItsContext(t *testing.T) {
	b := newBench(t)
	b.serve(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, workload := range All() {
		for _, step := range tiny(t, workload, map[string][]string{
			"mass-delete": {"delete", "1"}, "bulk-overwrite": {"overwrite", "1"},
		}[workload.Name()]...) {
			step.Length = time.Hour
			_, err := workload.Do(ctx, step, b.Environment)
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorContains(t, err, step.Name+" "+step.Task+" on client1")
		}
	}
	require.Empty(t, b.recorded(t))
}

func TestFetchPagesNeedsAnAddress(t *testing.T) {
	b := newBench(t)
	for _, address := range []string{"", "no url", "http://", "%"} {
		b.WebURL = address
		_, err := MassDelete{}.Do(t.Context(), tiny(t, MassDelete{}, "delete", "1")[2], b.Environment)
		require.ErrorContains(t, err, "the web server's address")
	}
}

// A server that answers only after everybody has left lets every visitor wait.
func TestPagesThatDoNotComeAreAbandonedAndTheOthersMissed(t *testing.T) {
	release := make(chan struct{})
	b := newBench(t)
	b.serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer close(release)
	b.Patience = time.Second
	step := tiny(t, MassDelete{}, "delete", "1")[2]
	step.Args["rate"], step.Length = "1000", 400*time.Millisecond
	load, err := MassDelete{}.Do(t.Context(), step, b.Environment)
	require.NoError(t, err)
	require.Zero(t, load.Done)
	require.Equal(t, uint64(200), load.Wanted)
	operations := b.recorded(t)
	require.Equal(t, load.Missed, 400-uint64(len(operations)))
	require.NotEmpty(t, operations)
	require.LessOrEqual(t, len(operations), maxFetchers+1, "but for one that waited to be the next")
	workers := map[uint32]bool{}
	for _, op := range operations {
		require.Equal(t, history.Indeterminate, op.Outcome)
		require.Zero(t, op.Completed)
		require.Equal(t, syscall.ETIMEDOUT, op.Errno)
		workers[op.Worker] = true
	}
	require.Len(t, workers, len(operations), "each visitor who waits is a worker of its own")
}

func TestAnswersOfAWebServerThatCannot(t *testing.T) {
	tests := map[string]struct {
		handler http.HandlerFunc
		want    history.Operation
	}{
		"unavailable": {
			func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
			history.Operation{HTTP: http.StatusServiceUnavailable},
		},
		"cut off": {
			func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "100")
				w.WriteHeader(http.StatusOK)
			},
			history.Operation{HTTP: http.StatusOK, Errno: syscall.EIO},
		},
		"no answer": {
			func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) },
			history.Operation{Errno: syscall.EIO},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.serve(t, test.handler)
			step := tiny(t, MassDelete{}, "delete", "1")[2]
			step.Length = 20 * time.Millisecond
			load, err := MassDelete{}.Do(t.Context(), step, b.Environment)
			require.NoError(t, err)
			require.Zero(t, load.Done)
			require.NotEmpty(t, b.recorded(t))
			for _, op := range b.recorded(t) {
				require.Equal(t, history.Failed, op.Outcome)
				require.Equal(t, test.want.HTTP, op.HTTP)
				require.Equal(t, test.want.Errno, op.Errno)
				require.Zero(t, op.Content)
				require.True(t, strings.HasPrefix(op.Path, "site-"), op.Path)
			}
		})
	}
}
