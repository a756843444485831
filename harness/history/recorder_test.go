package history_test

import (
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// emitted keeps the chunks that a recorder emitted.
type emitted struct {
	mu     sync.Mutex
	chunks [][]byte
}

func (e *emitted) emit(chunk []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.chunks = append(e.chunks, chunk)
}

func (e *emitted) operations(t *testing.T) []history.Operation {
	e.mu.Lock()
	defer e.mu.Unlock()
	packed, err := history.Chunks(e.chunks...)
	require.NoError(t, err)
	var all []history.Operation
	for op := range packed.All() {
		all = append(all, op)
	}
	return all
}

func TestRecorderKeepsEveryField(t *testing.T) {
	defer goleak.VerifyNone(t)
	var out emitted
	r := history.NewRecorder("client1", out.emit)
	one, two := r.Worker(), r.Worker()
	before := history.Now()
	written := header(5000)
	p := one.Begin(history.Write, written.Path, "")
	require.EqualValues(t, 1, p.Number())
	p.Writes(written)
	q := two.Begin(history.Rename, "a", "b")
	p.End(history.End{Outcome: history.OK, Synced: true})
	q.End(history.End{Outcome: history.Failed, Errno: syscall.ENOENT})
	one.Begin(history.Page, "a", "").End(history.End{Outcome: history.OK, HTTP: 200, Content: written.Nonce, Length: 5000, Problem: "it is torn"})
	two.Begin(history.Remove, "a", "").Abandon(syscall.ETIMEDOUT)
	r.Close()
	after := history.Now()

	got := out.operations(t)
	for i := range got {
		require.GreaterOrEqual(t, got[i].Invoked, before)
		require.LessOrEqual(t, got[i].Completed, after)
		if got[i].Outcome != history.Indeterminate {
			require.GreaterOrEqual(t, got[i].Completed, got[i].Invoked)
			require.NotZero(t, got[i].Completed)
		}
		if got[i].Kind == history.Remove {
			require.GreaterOrEqual(t, got[i].Abandoned, got[i].Invoked)
			require.NotZero(t, got[i].Abandoned)
		}
		got[i].Invoked, got[i].Abandoned = 0, 0
		if i < 3 {
			got[i].Completed = 0
		}
	}
	require.Equal(t, []history.Operation{
		{
			Node: "client1", Worker: 1, Number: 1, Kind: history.Write, Path: written.Path, Outcome: history.OK, Content: written.Nonce,
			Parents: written.Parents, Length: 5000, Synced: true,
		},
		{Node: "client1", Worker: 2, Number: 2, Kind: history.Rename, Path: "a", Target: "b", Outcome: history.Failed, Errno: syscall.ENOENT},
		{
			Node: "client1", Worker: 1, Number: 3, Kind: history.Page, Path: "a", Outcome: history.OK, HTTP: 200, Content: written.Nonce,
			Length: 5000, Problem: "it is torn",
		},
		{Node: "client1", Worker: 2, Number: 4, Kind: history.Remove, Path: "a", Outcome: history.Indeterminate, Errno: syscall.ETIMEDOUT},
	}, got)
}

func TestRecorderAnnouncesWhatIsPending(t *testing.T) {
	defer goleak.VerifyNone(t)
	var out emitted
	r := history.NewRecorder("client1", out.emit)
	w := r.Worker()
	p := w.Begin(history.Write, "a", "")
	p.Writes(header(300))
	pending := r.Pending()
	require.Len(t, pending, 1)
	require.Equal(t, "a", pending[0].Path)
	require.NotZero(t, pending[0].Invoked)

	// Without anybody's doing the operation is emitted, as one of which the end is not known.
	require.Eventually(t, func() bool { return len(out.operations(t)) == 1 }, 10*time.Second, 5*time.Millisecond)
	announced := out.operations(t)[0]
	require.Equal(t, history.Indeterminate, announced.Outcome)
	require.Zero(t, announced.Completed)
	require.Equal(t, header(300).Nonce, announced.Content)

	p.End(history.End{Outcome: history.OK})
	require.Empty(t, r.Pending())
	r.Close()
	all := out.operations(t)
	require.Len(t, all, 1, "the end completes what was announced")
	require.Equal(t, history.OK, all[0].Outcome)
}

func TestRecorderOfManyWorkersLosesNothing(t *testing.T) {
	defer goleak.VerifyNone(t)
	var out emitted
	r := history.NewRecorder("client1", out.emit)
	const workers, each = 8, 3000
	var all sync.WaitGroup
	for range workers {
		w := r.Worker()
		all.Go(func() {
			for i := range each {
				w.Begin(history.Stat, fmt.Sprintf("dir%d/file%d", w.Number(), i%100), "").End(history.End{Outcome: history.OK})
			}
		})
	}
	all.Wait()
	r.Close()
	r.Close()

	numbers := map[uint64]bool{}
	last := map[uint32]history.Operation{}
	for _, op := range out.operations(t) {
		numbers[op.Number] = true
		require.GreaterOrEqual(t, op.Invoked, last[op.Worker].Completed)
		require.Greater(t, op.Number, last[op.Worker].Number)
		last[op.Worker] = op
	}
	require.Len(t, numbers, workers*each)
	bytes, counted := 0, 0
	for _, chunk := range out.chunks {
		bytes += len(chunk)
		require.Less(t, len(chunk), 64<<10)
		node, n, err := history.CountOperations(chunk)
		require.NoError(t, err)
		require.Equal(t, "client1", node)
		counted += n
	}
	require.Equal(t, workers*each, counted)
	require.Less(t, bytes/(workers*each), 100, "bytes an operation")
}

func TestRecorderOutlivesASlowReader(t *testing.T) {
	defer goleak.VerifyNone(t)
	release := make(chan struct{})
	var out emitted
	r := history.NewRecorder("client1", func(chunk []byte) {
		<-release
		out.emit(chunk)
	})
	w := r.Worker()
	for i := range 10_000 {
		w.Begin(history.Stat, fmt.Sprint("file", i), "").End(history.End{Outcome: history.OK})
	}
	close(release)
	r.Close()
	require.Len(t, out.operations(t), 10_000)
}

func TestAbandonedWorkerMustNotGoOn(t *testing.T) {
	defer goleak.VerifyNone(t)
	var out emitted
	r := history.NewRecorder("client1", out.emit)
	defer r.Close()
	w := r.Worker()
	p := w.Begin(history.Read, "a", "")
	p.Abandon(syscall.ETIMEDOUT)
	p.End(history.End{Outcome: history.OK})
	require.Panics(t, func() { w.Begin(history.Read, "a", "") })
	r.Flush()
	require.Len(t, out.operations(t), 1)
}

func BenchmarkRecorder(b *testing.B) {
	var bytes, n int
	r := history.NewRecorder("client1", func(chunk []byte) { bytes += len(chunk) })
	w := r.Worker()
	paths := make([]string, 2700)
	nonces := make([]history.Nonce, len(paths))
	for i := range paths {
		paths[i], nonces[i] = fmt.Sprintf("www/site%d/page-%04d.html", i/900, i%900), header(int64(i)).Nonce
	}
	b.ReportAllocs()
	for b.Loop() {
		i := n * 7 % len(paths)
		w.Begin(history.Page, paths[i], "").End(history.End{Outcome: history.OK, HTTP: 200, Content: nonces[i], Length: 4096})
		n++
	}
	r.Close()
	b.ReportMetric(float64(bytes)/float64(n), "bytes/op")
}
