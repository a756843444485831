package main

import (
	"context"
	"runtime"
	"runtime/metrics"
	"time"
)

// A simulated run starts the garbage collector itself, at moments of its own time: when the runtime starts it is another moment in every run, and what
// it frees has other addresses then, which the order of maps with pointers for keys depends on.
const (
	collectSoonest = 20 * time.Millisecond  // between two looks at the heap while it grows
	collectLatest  = 100 * time.Millisecond // between two while it does not
	collectGrowth  = 32 << 20               // bytes that the heap may grow by until it is collected
)

// collect collects the garbage of the process until ctx ends.
func collect(ctx context.Context) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	size := func() uint64 {
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	live, last := size(), size()
	for pause := collectSoonest; ; {
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		now := size()
		if now > live+collectGrowth {
			runtime.GC()
			live = size()
			now = live
		}
		pause = min(2*pause, collectLatest)
		if now > last+collectGrowth/16 {
			pause = collectSoonest
		}
		last = now
	}
}
