package workloads

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// together lets some processes share jobs 0 to count-1 in order, and returns how many were done. It ends early with ctx, or when no more calls
// can be made.
func together(ctx context.Context, files *Files, processes, count int, do func(p *Process, i int) Result) uint64 {
	var next atomic.Int64
	var done atomic.Uint64
	var all sync.WaitGroup
	for range min(processes, count) {
		all.Go(func() {
			process := files.Process()
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= count {
					return
				}
				result := do(process, i)
				if errors.Is(result.Err, ErrStuck) {
					return
				}
				if result.OK() {
					done.Add(1)
				}
			}
		})
	}
	all.Wait()
	return done.Load()
}

// pauseFor waits, and says whether it could wait so long before ctx ended.
func pauseFor(ctx context.Context, length time.Duration) bool {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

const (
	// firstPause is how soon what failed is tried again; each further try waits twice as long, up to lastPause.
	firstPause = 100 * time.Millisecond
	lastPause  = 2 * time.Second
	// patienceWithFailures is after how many failures in a row a person stops a command and waits.
	patienceWithFailures = 20
)

// untilAllDone runs a job for each of some numbers, one after the other, as a person would run a command again and again until
// nothing of it fails: what failed is tried again after what was not tried yet. It ends when all is done, no more calls can be made, or the
// time is up, and returns how many were done.
func untilAllDone(ctx context.Context, until time.Time, left []int, try func(i int) Result) (done uint64) {
	left = slices.Clone(left)
	pause := firstPause
	for {
		before, failures := done, 0
		for range len(left) {
			if failures == patienceWithFailures {
				break
			}
			if ctx.Err() != nil || time.Now().After(until) {
				return done
			}
			i := left[0]
			left = left[1:]
			switch result := try(i); {
			case errors.Is(result.Err, ErrStuck):
				return done
			case result.OK():
				done++
				failures = 0
			default:
				left = append(left, i)
				failures++
			}
		}
		if done > before {
			pause = firstPause
		}
		if len(left) == 0 || !pauseFor(ctx, pause) {
			return done
		}
		pause = min(2*pause, lastPause)
	}
}
