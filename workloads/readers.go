package workloads

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// readingTime is what a read of a cached page is reckoned with for the question whether a reader read enough.
const readingTime = 10 * time.Millisecond

// readFiles has processes that read pages through the mount, each with a pause after each page, until the time is up.
func readFiles(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	a := &arguments{step: step.Args}
	s, readers, think := siteOf(a), a.number("readers"), a.duration("think")
	if a.err != nil {
		return history.Load{}, a.err
	}
	files := NewFiles(env)
	until := time.Now().Add(step.Length)
	var done atomic.Uint64
	together(ctx, files, readers, readers, func(p *Process, i int) (result Result) {
		random := rand.New(rand.NewPCG(derive(step.Seed, fmt.Sprint(env.Node, " ", i)), 0))
		for ctx.Err() == nil && time.Now().Before(until) && !errors.Is(result.Err, ErrStuck) {
			if result = p.Read(ctx, s.page(random.IntN(s.pages))); result.OK() {
				done.Add(1)
			}
			pauseFor(ctx, min(time.Duration(random.Int64N(int64(2*think)+1)), time.Until(until)))
		}
		return result
	})
	files.logStuck(env.Log, step)
	// A quarter of what unhindered readers do: a client that is down for a while reads less, one that never worked reads nothing.
	wanted := uint64(readers) * uint64(step.Length/(think+readingTime)) / 4
	return history.Load{Done: done.Load(), Wanted: wanted}, nil
}
