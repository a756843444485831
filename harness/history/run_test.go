package history_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func plan() []history.Step {
	return []history.Step{
		{
			Number: 1, Phase: "prepare", Kind: "workload", Name: "mass-delete", Task: "write-site", Nodes: []string{"client1"},
			Seed: 1<<64 - 1, Args: map[string]string{"pages": "2700"},
		},
		{
			Number: 2, Phase: "fault", Kind: "fault", Name: "partition", Nodes: []string{"client1", "server1"},
			Start: 1500 * time.Millisecond, Length: time.Minute + 7, Seed: 3,
		},
	}
}

func meta() history.Meta {
	return history.Meta{
		Scenario: "mass-delete", Seed: 1<<64 - 1, Clients: []string{"client1"}, Servers: []string{"server1"},
		Limits: history.Limits{Hang: 10 * time.Second, Converge: 1500 * time.Millisecond, Stall: time.Second}, Runtime: "processes", Mount: "fuse", Version: "v1",
	}
}

// runDirectory writes a small run as a harness would.
func runDirectory(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, history.WriteMeta(dir, meta()))
	require.NoError(t, history.WritePlan(dir, plan()))
	w, err := history.NewWriter(dir)
	require.NoError(t, err)
	r := history.NewRecorder("client1", func(chunk []byte) { require.NoError(t, w.Append(chunk)) })
	worker := r.Worker()
	worker.Begin(history.Write, "a", "").End(history.End{Outcome: history.OK, Content: history.Nonce{1}})
	r.Flush()
	require.NoError(t, w.Fault(history.Fault{Step: 2, Name: "partition", Cuts: []history.Cut{{Node: "client1", Peer: "server1"}}}))
	require.NoError(t, w.Event(history.Event{Node: "client1", What: "exited", Time: 2}))
	require.NoError(t, w.Event(history.Event{Node: "client1", What: "started", Time: 1}))
	require.NoError(t, w.Load(history.Load{Step: 1, Node: "client1", Done: 1, Wanted: 1}))
	require.NoError(t, w.Stall(history.Stall{Node: "client1", Kind: history.Page, Files: []string{"x"}}))
	worker.Begin(history.Remove, "a", "").End(history.End{Outcome: history.Failed, Errno: syscall.EIO})
	r.Close()
	for pending := range uint64(2) {
		require.NoError(t, w.Observation(history.Observation{
			Node: "client1", Source: history.SourceMount, Pending: 1 - pending,
			Objects: []history.Object{{Path: "a", Kind: "file", Content: history.Nonce{1}}},
		}))
	}
	require.NoError(t, w.Close())
	return dir
}

func TestRunIsReadAsItWasWritten(t *testing.T) {
	run, err := history.ReadRun(runDirectory(t))
	require.NoError(t, err)
	require.Empty(t, run.Truncated)
	require.Empty(t, run.Missing)
	require.Equal(t, meta(), run.Meta)
	require.Equal(t, plan(), run.Plan)
	require.Equal(t, 2, run.Operations.Len())
	require.Equal(t, "a", run.Operations.At(0).Path)
	require.Equal(t, syscall.EIO, run.Operations.At(1).Errno)
	require.Equal(t, []history.Fault{{Step: 2, Name: "partition", Cuts: []history.Cut{{Node: "client1", Peer: "server1"}}}}, run.Faults)
	require.Equal(t, []string{"started", "exited"}, []string{run.Events[0].What, run.Events[1].What})
	require.Equal(t, []history.Load{{Step: 1, Node: "client1", Done: 1, Wanted: 1}}, run.Loads)
	require.Equal(t, history.Page, run.Stalls[0].Kind)
	require.Len(t, run.Observations, 1, "the last observation counts")
	require.Zero(t, run.Observations[0].Pending)
	require.Equal(t, history.Nonce{1}, run.Observations[0].Objects[0].Content)
}

func TestHistoryIsGoodUpToWhereItBreaksOff(t *testing.T) {
	dir := runDirectory(t)
	file := filepath.Join(dir, "history")
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	complete := 0
	for length := range len(whole) {
		require.NoError(t, os.WriteFile(file, whole[:length], 0o644))
		run, err := history.ReadRun(dir)
		require.NoError(t, err, "%d bytes", length)
		if run.Truncated == "" {
			complete++
		}
		if run.Operations.Len() < 2 && run.Operations.Len() > 0 {
			require.NotEmpty(t, run.Missing)
		}
	}
	require.Less(t, complete, 35, "only the ends of frames, and a begin of the magic line, are not seen")

	for at := range whole {
		broken := bytes.Clone(whole)
		broken[at] ^= 1
		require.NoError(t, os.WriteFile(file, broken, 0o644))
		run, err := history.ReadRun(dir)
		if err == nil {
			require.NotEmpty(t, run.Truncated, "byte %d", at)
		} else {
			require.Less(t, at, len(history.FileMagic), "only the magic line is needed")
		}
	}
}

func TestRunWithoutHistoryIsTruncated(t *testing.T) {
	dir := runDirectory(t)
	require.NoError(t, os.Remove(filepath.Join(dir, "history")))
	run, err := history.ReadRun(dir)
	require.NoError(t, err)
	require.Equal(t, "there is no history", run.Truncated)
	require.Zero(t, run.Operations.Len())
}

func TestDirectoryThatIsNoRunIsAnError(t *testing.T) {
	_, err := history.ReadRun(t.TempDir())
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestHistoryIsNeverOverwritten(t *testing.T) {
	_, err := history.NewWriter(runDirectory(t))
	require.ErrorIs(t, err, os.ErrExist)
}

func TestFullDiskLosesOnlyWhatDoesNotFit(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, history.WriteMeta(dir, meta()))
	require.NoError(t, history.WritePlan(dir, nil))
	w, err := history.NewWriter(dir)
	require.NoError(t, err)
	require.NoError(t, w.Event(history.Event{What: "first"}))

	// A limit on the size of files is as a full disk: a part of the frame is written.
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 4096, Max: before.Max}))
	err = w.Event(history.Event{What: strings.Repeat("x", 10_000)})
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before))
	require.ErrorIs(t, err, syscall.EFBIG)

	require.NoError(t, w.Event(history.Event{What: "second"}))
	require.NoError(t, w.Close())
	run, err := history.ReadRun(dir)
	require.NoError(t, err)
	require.Empty(t, run.Truncated)
	require.Equal(t, []string{"first", "second"}, []string{run.Events[0].What, run.Events[1].What})
}

func TestPlanIsTextThatAPersonCanEdit(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, history.WritePlan(dir, plan()))
	text, err := os.ReadFile(filepath.Join(dir, "plan.yaml"))
	require.NoError(t, err)
	require.Contains(t, string(text), "start: 1.5s\n")
	require.Contains(t, string(text), "length: 1m0.000000007s\n")

	require.NoError(t, os.WriteFile(filepath.Join(dir, "plan.yaml"), []byte("steps:\n- number: 1\n  nmae: partition\n"), 0o644))
	_, err = history.ReadPlan(dir)
	require.ErrorContains(t, err, `unknown field "nmae"`)
	require.ErrorContains(t, err, "[3:3]")
}

// steps draws plans whose texts are drawn by another generator.
func steps(text *rapid.Generator[string]) *rapid.Generator[[]history.Step] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) history.Step {
		return history.Step{
			Number: rapid.Int().Draw(t, "number"), Phase: text.Draw(t, "phase"), Kind: text.Draw(t, "kind"), Name: text.Draw(t, "name"),
			Task: text.Draw(t, "task"), Nodes: rapid.SliceOfN(text, 1, 3).Draw(t, "nodes"),
			Start:  time.Duration(rapid.Int64().Draw(t, "start")),
			Length: time.Duration(rapid.Int64().Draw(t, "length")), Seed: rapid.Uint64().Draw(t, "seed"),
			Args: rapid.MapOfN(text, text, 1, 3).Draw(t, "args"),
		}
	}), 1, 3)
}

func TestPlanRoundTrips(t *testing.T) {
	dir := t.TempDir()
	ordinary := rapid.OneOf(
		rapid.StringMatching(`[a-z0-9/._=,-]*`), rapid.SampledFrom([]string{"true", "null", "~", "1e3", "0x1", "1.5s", "no", "a b", "a: b", "#", "{a}"}),
	)
	rapid.Check(t, func(t *rapid.T) {
		want := steps(ordinary).Draw(t, "steps")
		require.NoError(t, history.WritePlan(dir, want))
		got, err := history.ReadPlan(dir)
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func TestPlanOfAnyTextRoundTripsOrIsRefused(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		want := steps(rapid.String()).Draw(t, "steps")
		if history.WritePlan(dir, want) != nil {
			return
		}
		got, err := history.ReadPlan(dir)
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func TestPlanThatWouldBeReadOtherwiseIsRefused(t *testing.T) {
	err := history.WritePlan(t.TempDir(), []history.Step{{Nodes: []string{"a"}, Args: map[string]string{"text": "\n"}}})
	require.ErrorContains(t, err, "it would not be read as it was written")
}

func TestEmptyPlanRoundTrips(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, history.WritePlan(dir, nil))
	steps, err := history.ReadPlan(dir)
	require.NoError(t, err)
	require.Empty(t, steps)
}

func TestJSONLinesHasEverything(t *testing.T) {
	run, err := history.ReadRun(runDirectory(t))
	require.NoError(t, err)
	run.Truncated, run.Missing = "there", []string{"something"}
	var out bytes.Buffer
	require.NoError(t, history.JSONLines(&out, run))
	var kinds []string
	for _, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		kinds = append(kinds, strings.SplitN(line, `"`, 3)[1])
	}
	require.Equal(t, []string{
		"meta", "step", "step", "fault", "stall", "event", "event", "operation", "operation", "load", "observation", "missing", "truncated",
	}, kinds)
	require.Contains(t, out.String(), `"kind":"write","path":"a",`)
	require.Contains(t, out.String(), `"content":"01000000000000000000000000000000"`)
	require.Contains(t, out.String(), `"limits":{"hang":"10s","converge":"1.5s","stall":"1s"}`)
}

// bigRun writes the history of many operations and returns its directory.
func bigRun(tb testing.TB, operations int) string {
	tb.Helper()
	dir := tb.TempDir()
	require.NoError(tb, history.WriteMeta(dir, meta()))
	require.NoError(tb, history.WritePlan(dir, nil))
	w, err := history.NewWriter(dir)
	require.NoError(tb, err)
	random := rand.New(rand.NewPCG(1, 1))
	r := history.NewRecorder("client1", func(chunk []byte) { require.NoError(tb, w.Append(chunk)) })
	workers := make([]*history.Worker, 50)
	for i := range workers {
		workers[i] = r.Worker()
	}
	paths := make([]string, 100_000)
	seen := make([]history.Nonce, len(paths))
	for i := range paths {
		paths[i] = fmt.Sprintf("www/site%d/page-%04d.html", i/900, i%900)
	}
	for i := range operations {
		file := random.IntN(len(paths))
		p := workers[i%len(workers)].Begin(history.Kind(1+random.IntN(2)), paths[file], "")
		end := history.End{Outcome: history.OK, Content: seen[file], Length: 4096}
		if i%3 == 0 {
			end.Parents = []history.Nonce{seen[file]}
			seen[file] = history.NewNonce(random)
			end.Content = seen[file]
		}
		p.End(end)
	}
	r.Close()
	require.NoError(tb, w.Close())
	return dir
}

func BenchmarkReadRun(b *testing.B) {
	const operations = 1_000_000
	dir := bigRun(b, operations)
	info, err := os.Stat(filepath.Join(dir, "history"))
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		run, err := history.ReadRun(dir)
		require.NoError(b, err)
		require.Equal(b, operations, run.Operations.Len())
	}
	b.ReportMetric(operations*float64(b.N)/b.Elapsed().Seconds(), "operations/s")
	b.ReportMetric(float64(info.Size())/operations, "bytes/operation")
}
