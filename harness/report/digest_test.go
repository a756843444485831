package report

import (
	"testing"
	"time"

	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
)

func call(node string, invoked, completed history.Time, outcome history.Outcome) history.Operation {
	return history.Operation{Node: node, Kind: history.Read, Invoked: invoked, Completed: completed, Outcome: outcome}
}

func TestDigest(t *testing.T) {
	const ms = history.Time(time.Millisecond)
	d := newDigest(history.Pack([]history.Operation{
		call("client2", 1000*ms, 1500*ms, history.OK), // before the load
		call("client1", 2000*ms, 2010*ms, history.OK),
		call("client1", 2020*ms, 2050*ms, history.Failed),
		call("client1", 2060*ms, 2061*ms, history.Indeterminate),
		call("client2", 2500*ms, 0, history.Indeterminate),
		call("client3", 2100*ms, 3000*ms, history.OK),
	}), []string{"client1", "client2"}, 2000*ms)

	require.Equal(t, 1000*ms, d.begin)
	require.Equal(t, 3000*ms, d.end)
	var names []string
	for _, c := range d.clients {
		names = append(names, c.name)
	}
	require.Equal(t, []string{"client1", "client2", "client3"}, names)

	require.EqualValues(t, 5, d.all.total())
	require.EqualValues(t, 2, d.all.ok)
	require.EqualValues(t, 1, d.all.failed)
	require.EqualValues(t, 2, d.all.unknown)
	require.EqualValues(t, 1, d.all.hung)
	require.Equal(t, 900*time.Millisecond, d.all.longest)
	require.Equal(t, 900*time.Millisecond, d.all.quantile(1))
	require.InEpsilon(t, 10*time.Millisecond, d.all.quantile(0.5), 0.02)

	require.Len(t, d.hung, 1)
	require.Equal(t, 900*time.Millisecond, took(d.slowest[0]))
	require.Equal(t, silence{"client3", 2100 * ms, 3000 * ms}, d.silence)

	var returned uint64
	for _, c := range d.clients {
		for _, s := range c.slices {
			returned += s.ok + s.failed + s.unknown
		}
	}
	require.EqualValues(t, 5, returned, "every operation that returned is in one slice")
}

func TestDigestOfNothing(t *testing.T) {
	d := newDigest(nil, nil, 0)
	require.Zero(t, d.all.total())
	require.Zero(t, d.all.quantile(0.99))
}

func TestOnlyTheSlowestAreKept(t *testing.T) {
	var operations []history.Operation
	for i := range 100 {
		operations = append(operations, call("client1", 1000, 1000+history.Time((i*37)%100), history.OK))
	}
	d := newDigest(history.Pack(operations), nil, 0)
	require.Len(t, d.slowest, mostSlowest)
	for i, op := range d.slowest {
		require.EqualValues(t, 99-i, took(op))
	}
}

func TestTicks(t *testing.T) {
	for _, span := range []time.Duration{time.Millisecond, 20 * time.Second, time.Hour} {
		a := axis{from: 0, till: history.Time(span)}
		ticks := a.ticks(history.Time(span / 10))
		require.LessOrEqual(t, len(ticks), 13)
		require.Contains(t, ticks, time.Duration(0), "the start of the load is marked")
	}
}

func BenchmarkDigest(b *testing.B) {
	const number = 1_000_000
	operations := make([]history.Operation, number)
	for i := range operations {
		start := history.Time(i+1) * 20_000
		operations[i] = call([]string{"client1", "client2", "client3"}[i%3], start, start+history.Time(100_000+i%1000*1000), history.OK)
	}
	packed := history.Pack(operations)
	b.ReportAllocs()
	for b.Loop() {
		newDigest(packed, []string{"client1", "client2", "client3"}, 0)
	}
	b.ReportMetric(number*float64(b.N)/b.Elapsed().Seconds(), "operations/s")
}
