package workloads

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAnOpenLoopKeepsItsRate(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name    string
		elapsed time.Duration
		started uint64
		skipped uint64 // before and after
		after   uint64
		wait    time.Duration
		stop    bool
	}{
		{name: "the first starts at once"},
		{name: "the next waits for its time", elapsed: 30 * ms, started: 1, wait: 70 * ms},
		{name: "one that is a little late starts at once", elapsed: 450 * ms, started: 2},
		{name: "those that are too late are skipped", elapsed: 5000 * ms, started: 2, after: 45},
		{name: "and stay skipped", elapsed: 5000 * ms, started: 4, skipped: 45, after: 45},
		{name: "until it is in time again", elapsed: 5050 * ms, started: 6, skipped: 45, after: 45, wait: 50 * ms},
		{name: "all were started", elapsed: 9950 * ms, started: 55, skipped: 45, after: 45, stop: true},
		{name: "the last may be late", elapsed: 10040 * ms, started: 54, skipped: 45, after: 45},
		{name: "but not too late", elapsed: 20000 * ms, started: 54, skipped: 45, after: 143, stop: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			loop := &openLoop{interval: 100 * ms, length: 10 * time.Second, skipped: test.skipped}
			wait, stop := loop.Pace(test.elapsed, test.started)
			require.Equal(t, test.stop, stop)
			require.Equal(t, test.wait, wait)
			require.Equal(t, test.after, loop.skipped)
		})
	}
	require.Equal(t, uint64(100), (&openLoop{interval: 100 * ms, length: 10 * time.Second}).total())
	require.InDelta(t, 10, (&openLoop{interval: 100 * ms}).Rate(0), 1e-9)
}
