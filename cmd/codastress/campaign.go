package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// An outcome is what came of one seed.
type outcome struct {
	seed      uint64
	result    history.Result
	why       []string
	failed    []string // the checks that failed, or errBroken
	dir       string   // where the run is kept; "" where it passed
	cost      cost
	simulated time.Duration
	exact     bool
}

// A campaign runs seeds one after the other, some at a time, until all are run, the time is up, or one fails.
type campaign struct {
	first, last uint64
	jobs        int
	budget      time.Duration // 0 is without bound
	keepGoing   bool
	run         func(ctx context.Context, seed uint64) (outcome, error)
	out         io.Writer // where it says how it goes
	terminal    bool

	mu    sync.Mutex
	next  uint64
	ended bool // no run begins any more
	total totals
	err   error
}

// totals are what came of all seeds so far.
type totals struct {
	seeds, passed  int
	failed         []outcome // and undecided ones, by their seeds
	wall           time.Duration
	simulated      time.Duration
	processor      time.Duration // that the processes of all runs took
	memory         int64         // the most that one run took, in bytes
	inexact        int           // runs that may not repeat themselves
	planned        uint64
	ranOutOfBudget bool
}

// reportPause is the time between two lines on how it goes.
const reportPause = 10 * time.Second

// carryOut runs the campaign. An error means that it could not go on; what had come by then is in the totals.
func (c *campaign) carryOut(ctx context.Context) (totals, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	began := time.Now()
	c.next, c.total.planned = c.first, c.last-c.first+1
	if c.budget > 0 {
		timer := time.AfterFunc(c.budget, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.ended, c.total.ranOutOfBudget = true, true
		})
		defer timer.Stop()
	}
	var workers, reporting sync.WaitGroup
	for range c.jobs {
		workers.Go(func() { c.work(ctx, stop) })
	}
	reported := make(chan struct{})
	reporting.Go(func() { c.report(began, reported) })
	workers.Wait()
	close(reported)
	reporting.Wait()
	c.total.wall = time.Since(began)
	slices.SortFunc(c.total.failed, func(a, b outcome) int { return int(a.seed) - int(b.seed) })
	return c.total, c.err
}

// work runs seed after seed.
func (c *campaign) work(ctx context.Context, stop context.CancelFunc) {
	for {
		c.mu.Lock()
		seed := c.next
		if c.ended || ctx.Err() != nil || seed > c.last || seed < c.first {
			c.mu.Unlock()
			return
		}
		c.next++
		c.mu.Unlock()
		o, err := c.run(ctx, seed)
		c.mu.Lock()
		switch {
		case err != nil && c.err == nil:
			c.err, c.ended = fmt.Errorf("seed %d: %w", seed, err), true
			stop()
		case err == nil:
			c.count(o)
		}
		c.mu.Unlock()
	}
}

// count adds an outcome. c.mu is held.
func (c *campaign) count(o outcome) {
	t := &c.total
	t.seeds++
	t.simulated += o.simulated
	t.processor += o.cost.processor
	t.memory = max(t.memory, o.cost.memory)
	if !o.exact {
		t.inexact++
	}
	if o.result == history.Pass {
		t.passed++
		return
	}
	t.failed = append(t.failed, o)
	c.clear()
	o.print(c.out)
	c.ended = c.ended || !c.keepGoing && o.result == history.Fail
}

// print says why a seed did not pass and how to see it again.
func (o outcome) print(w io.Writer) {
	fmt.Fprintf(w, "seed %d: %s after %v simulated\n", o.seed, o.result, o.simulated.Round(time.Millisecond))
	for _, reason := range o.why {
		fmt.Fprintf(w, "    %s\n", reason)
	}
	fmt.Fprintf(w, "    %s\n", o.replay())
}

// report says now and then how it goes: on a terminal on one line, again and again.
func (c *campaign) report(began time.Time, over <-chan struct{}) {
	pause := reportPause
	if c.terminal {
		pause = time.Second
	}
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-over:
			c.mu.Lock()
			c.clear()
			c.mu.Unlock()
			return
		case <-ticker.C:
		}
		c.mu.Lock()
		c.clear()
		t := c.total
		t.wall = time.Since(began)
		fmt.Fprintf(c.out, "%d of %d seeds, %s", t.seeds, t.planned, t.rates())
		if len(t.failed) > 0 {
			fmt.Fprintf(c.out, ", %d did not pass", len(t.failed))
		}
		if !c.terminal {
			fmt.Fprintln(c.out)
		}
		c.mu.Unlock()
	}
}

// clear begins the line of a terminal anew.
func (c *campaign) clear() {
	if c.terminal {
		fmt.Fprint(c.out, "\r\x1b[K")
	}
}

// rates are how fast it goes.
func (t totals) rates() string {
	seconds := t.wall.Seconds()
	if seconds == 0 {
		return "no time yet"
	}
	return fmt.Sprintf("%.1f a second, %v simulated, %.0f times as fast as the clock",
		float64(t.seeds)/seconds, t.simulated.Round(time.Second), t.simulated.Seconds()/seconds)
}

// result is the worst of all.
func (t totals) result() history.Result {
	if t.seeds == 0 {
		return history.Undecided
	}
	worst := history.Pass
	for _, o := range t.failed {
		worst = max(worst, o.result)
	}
	return worst
}

// print says what came of it all.
func (t totals) print(w io.Writer) {
	counted := map[history.Result]int{}
	for _, o := range t.failed {
		counted[o.result]++
	}
	fmt.Fprintf(w, "%s  %d of %d seeds in %v: %d passed, %d failed, %d undecided\n",
		strings.ToUpper(t.result().String()), t.seeds, t.planned, t.wall.Round(100*time.Millisecond), t.passed, counted[history.Fail], counted[history.Undecided])
	fmt.Fprintf(w, "      %s; %.2f s of a processor a seed, at most %d MB a job\n", t.rates(), t.processor.Seconds()/float64(max(t.seeds, 1)), t.memory>>20)
	if t.ranOutOfBudget {
		fmt.Fprintln(w, "      The time was up before all seeds were run.")
	}
	if t.inexact > 0 {
		fmt.Fprintln(w, "      This executable was built without the runtime overlay (see `make build`): a replay may take another turn.")
	}
	for _, o := range t.failed {
		fmt.Fprintf(w, "      seed %d, %s: %s\n", o.seed, o.result, o.replay())
	}
}

// removeAll removes a folder and what is in it.
func removeAll(folder string) error {
	if err := os.RemoveAll(folder); err != nil {
		return fmt.Errorf("removing a folder of a simulation: %w", err)
	}
	return nil
}
