package checks_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/codastress/codastress/checks"
	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// bigLoad is what three clients with 50 workers do: all read everything, one of them writes.
type bigLoad struct {
	operations int
	clients    []string
	paths      []string
	content    []history.Nonce // of each path, in the end
	now        history.Time    // in the end
}

func newBigLoad(operations int) *bigLoad {
	l := &bigLoad{operations: operations, clients: []string{"client1", "client2", "client3"}, paths: make([]string, operations/50+10), now: epoch}
	for i := range l.paths {
		l.paths[i] = fmt.Sprintf("site/d%03d/p%05d.html", i/100, i)
	}
	l.content = make([]history.Nonce, len(l.paths))
	return l
}

// all are the operations, one after the other.
func (l *bigLoad) all(yield func(history.Operation) bool) {
	random := rand.New(rand.NewPCG(1, 1))
	for i := range l.operations {
		l.now += history.Time(10 * time.Microsecond)
		file := random.IntN(len(l.paths))
		op := history.Operation{
			Node: l.clients[i%3], Worker: uint32(i % 150), Number: uint64(i), Kind: history.Read, Path: l.paths[file], Invoked: l.now,
			Completed: l.now + history.Time(random.IntN(int(time.Millisecond))), Outcome: history.OK, Content: l.content[file], Length: 4096,
		}
		switch {
		case i%3 == 0 && (random.IntN(3) == 0 || l.content[file].IsZero()):
			op.Kind = history.Write
			if !l.content[file].IsZero() {
				op.Parents = []history.Nonce{l.content[file]}
			}
			binary.LittleEndian.PutUint64(l.content[file][:], uint64(i+1))
			op.Content = l.content[file]
			l.now = op.Completed
		case l.content[file].IsZero():
			op.Kind, op.Path = history.Stat, "site"
		}
		if !yield(op) {
			return
		}
	}
}

// bigRun is a sound run of many operations, with a fault.
func bigRun(operations int) *history.Run {
	load := newBigLoad(operations)
	run := &history.Run{Meta: history.Meta{
		Clients: load.clients, Servers: []string{"server1"}, Limits: history.Limits{Hang: 10 * time.Second, Converge: 30 * time.Second},
	}}
	run.Operations = history.PackAll(load.all)
	now := load.now
	run.Faults = []history.Fault{{
		Step: 1, Name: "kill-venus", Injecting: epoch + 1, Proven: epoch + 2, Recovered: (epoch + now) / 2, Cuts: []history.Cut{{Node: "client2"}},
	}}
	for _, node := range []string{"server1", "client1", "client2", "client3"} {
		o := history.Observation{Node: node, Source: history.SourceMount, Time: now + 10}
		event := history.Event{Node: node, Daemon: "venus", What: "ready", Expected: true}
		if node == "server1" {
			o.Source, event.Daemon = history.SourceServer, "codasrv"
		}
		for i, path := range load.paths {
			if content := load.content[i]; !content.IsZero() {
				o.Objects = append(o.Objects, history.Object{Path: path, Kind: "file", Length: 4096, Digest: content.String(), Content: content})
			}
		}
		run.Observations = append(run.Observations, o)
		run.Events = append(run.Events, event)
	}
	for at := epoch; at < now; at += history.Time(time.Second) {
		for _, client := range load.clients {
			run.Statuses = append(run.Statuses, history.Status{Node: client, Time: at, State: "reachable"})
		}
	}
	return run
}

// fit is the run as a check is made for: visibility is for mounts of file systems that are not ours.
func fit(check checks.Check, run *history.Run) *history.Run {
	if check.Name != "visibility" {
		return run
	}
	foreign := *run
	foreign.Meta.Servers, foreign.Meta.Mounts = nil, []string{"/a", "/b", "/c"}
	foreign.Meta.Consistency = history.Consistency{Level: history.CloseToOpen}
	return &foreign
}

// A benchmark of a check that decides nothing would measure nothing.
func TestBigRunIsSound(t *testing.T) {
	run := bigRun(20_000)
	for _, check := range checks.All() {
		require.Equal(t, history.Pass, check.Run(fit(check, run)).Result, check.Name)
	}
}

// processorTime is what the process has had of the processors: on a machine that does other work as well it says more than the clock.
func processorTime(tb testing.TB) time.Duration {
	var usage unix.Rusage
	require.NoError(tb, unix.Getrusage(unix.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkChecks measures each check over a million operations and over ten, and what all memory of the process is then.
func BenchmarkChecks(b *testing.B) {
	for _, operations := range []int{1_000_000, 10_000_000} {
		b.Run(strconv.Itoa(operations), func(b *testing.B) {
			run := bigRun(operations)
			for _, check := range checks.All() {
				b.Run(check.Name, func(b *testing.B) {
					run := fit(check, run)
					b.ReportAllocs()
					began := processorTime(b)
					for b.Loop() {
						if verdict := check.Run(run); verdict.Result != history.Pass {
							b.Fatalf("%+v", verdict)
						}
					}
					b.ReportMetric(float64(operations)*float64(b.N)/b.Elapsed().Seconds()/1e6, "million-operations/s")
					b.ReportMetric((processorTime(b)-began).Seconds()/float64(b.N), "processor-s/op")
					var memory runtime.MemStats
					runtime.ReadMemStats(&memory)
					b.ReportMetric(float64((memory.Sys-memory.HeapReleased)>>20), "MB-process")
				})
			}
		})
	}
}
