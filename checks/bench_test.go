package checks_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/codastress/codastress/checks"
	"github.com/codastress/codastress/harness/history"
)

// bigRun is a sound run of many operations: three clients with 50 workers read everything, one of them writes and removes, some faults.
func bigRun(operations int) *history.Run {
	random := rand.New(rand.NewPCG(1, 1))
	run := &history.Run{Meta: history.Meta{
		Clients: []string{"client1", "client2", "client3"}, Servers: []string{"server1"},
		Limits: history.Limits{Hang: 10 * time.Second, Converge: 30 * time.Second},
	}}
	paths := make([]string, operations/50+10)
	content := make([]history.Nonce, len(paths))
	for i := range paths {
		paths[i] = fmt.Sprintf("site/d%03d/p%05d.html", i/100, i)
	}
	all := make([]history.Operation, 0, operations)
	now := epoch
	for i := range operations {
		now += history.Time(10 * time.Microsecond)
		file := random.IntN(len(paths))
		op := history.Operation{
			Node: run.Meta.Clients[i%3], Worker: uint32(i % 150), Number: uint64(i), Kind: history.Read, Path: paths[file], Invoked: now,
			Completed: now + history.Time(random.IntN(int(time.Millisecond))), Outcome: history.OK, Content: content[file], Length: 4096,
		}
		switch {
		case i%3 == 0 && (random.IntN(3) == 0 || content[file].IsZero()):
			op.Kind = history.Write
			if !content[file].IsZero() {
				op.Parents = []history.Nonce{content[file]}
			}
			binary.LittleEndian.PutUint64(content[file][:], uint64(i+1))
			op.Content = content[file]
			now = op.Completed
		case content[file].IsZero():
			op.Kind, op.Path = history.Stat, "site"
		}
		all = append(all, op)
	}
	run.Operations = history.Pack(all)
	run.Faults = []history.Fault{{
		Step: 1, Name: "kill-venus", Injecting: epoch + 1, Proven: epoch + 2, Recovered: (epoch + now) / 2, Cuts: []history.Cut{{Node: "client2"}},
	}}
	for _, node := range []string{"server1", "client1", "client2", "client3"} {
		o := history.Observation{Node: node, Source: history.SourceMount, Time: now + 10}
		event := history.Event{Node: node, Daemon: "venus", What: "ready", Expected: true}
		if node == "server1" {
			o.Source, event.Daemon = history.SourceServer, "codasrv"
		}
		for i, path := range paths {
			if !content[i].IsZero() {
				o.Objects = append(o.Objects, history.Object{Path: path, Kind: "file", Length: 4096, Digest: content[i].String(), Content: content[i]})
			}
		}
		run.Observations = append(run.Observations, o)
		run.Events = append(run.Events, event)
	}
	return run
}

func BenchmarkChecks(b *testing.B) {
	const operations = 1_000_000
	run := bigRun(operations)
	for _, check := range checks.All() {
		b.Run(check.Name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if verdict := check.Run(run); verdict.Result != history.Pass {
					b.Fatalf("%+v", verdict)
				}
			}
			b.ReportMetric(operations*float64(b.N)/b.Elapsed().Seconds()/1e6, "million-operations/s")
		})
	}
}
