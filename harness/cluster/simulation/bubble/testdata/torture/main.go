// Command torture does in one bubble what makes two runs of a program differ, and prints hashes of what happened in which order: one a
// part, and one of all together. The argument is how much of it is done, 1 for a few seconds at most.
package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/codastress/codastress/harness/cluster/simulation/bubble"
)

// trace is what happened, in order. Its lock is a part of what is tested.
type trace struct {
	mu    sync.Mutex
	lines []string
}

func (t *trace) add(part string, args ...any) {
	line := part + " " + strings.TrimSuffix(fmt.Sprintln(args...), "\n")
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, line)
}

func digest(lines []string) uint64 {
	h := fnv.New64a()
	for _, line := range lines {
		fmt.Fprintln(h, line)
	}
	return h.Sum64()
}

// report prints a line a part, and one for the whole trace.
func (t *trace) report() {
	parts := map[string][]string{}
	for _, line := range t.lines {
		part, _, _ := strings.Cut(line, " ")
		parts[part] = append(parts[part], line)
	}
	names := make([]string, 0, len(parts))
	for name := range parts {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Printf("%-12s %6d %016x\n", name, len(parts[name]), digest(parts[name]))
	}
	fmt.Printf("%-12s %6d %016x\n", "all", len(t.lines), digest(t.lines))
}

func main() {
	scale := 1
	if len(os.Args) > 1 {
		n, err := strconv.Atoi(os.Args[1])
		if err != nil || n < 1 {
			fmt.Fprintln(os.Stderr, "usage: torture [SCALE]")
			os.Exit(2)
		}
		scale = n
	}
	if os.Getenv("TORTURE_COLLECTOR") != "free" {
		debug.SetGCPercent(-1)
	}
	defer watchdog()()
	var t trace
	started := time.Now()
	err := bubble.Run(func(ctx context.Context) { torture(ctx, &t, scale) })
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	seed, seeded := bubble.Seed()
	status, _ := os.ReadFile("/proc/self/status")
	_, threads, _ := strings.Cut(string(status), "Threads:")
	fmt.Fprintln(os.Stderr, "threads", strings.Fields(threads)[0])
	fmt.Fprintf(os.Stderr, "seed %d %v, %d processors, took %v\n", seed, seeded, runtime.GOMAXPROCS(0), time.Since(started).Round(time.Millisecond))
	if path := os.Getenv("TORTURE_TRACE"); path != "" {
		if err := os.WriteFile(path, []byte(strings.Join(t.lines, "\n")), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	t.report()
}

// watchdog wakes up again and again outside the bubble, and computes; it allocates nothing.
func watchdog() (stop func()) {
	stopped, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		wake := time.NewTicker(time.Millisecond)
		defer wake.Stop()
		for {
			select {
			case <-wake.C:
				spin(100_000)
			case <-stopped:
				return
			}
		}
	}()
	return func() {
		close(stopped)
		<-ended
	}
}

func torture(ctx context.Context, t *trace, scale int) {
	var parts sync.WaitGroup
	for _, part := range []func(context.Context, *trace, int){
		channels, locks, conditions, timers, numbers, pools, pointers, calls, store, collect, yields,
	} {
		parts.Go(func() {
			for round := range scale {
				part(ctx, t, round)
			}
		})
	}
	parts.Wait()
}
