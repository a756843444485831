package bubble_test

import (
	"context"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness/cluster/simulation/bubble"
)

func TestTimePassesAtOnce(t *testing.T) {
	arguments := append([]string{}, os.Args...)
	began := time.Now()
	var passed time.Duration
	ended := false
	require.NoError(t, bubble.Run(func(ctx context.Context) {
		start := time.Now()
		go func() {
			<-ctx.Done()
			ended = true
		}()
		time.Sleep(1000 * time.Hour)
		passed = time.Since(start)
	}))
	require.Equal(t, 1000*time.Hour, passed)
	require.Less(t, time.Since(began), passed)
	require.True(t, ended, "the context ends with the function, and Run waits for who waits for it")
	require.Equal(t, arguments, os.Args)
}

func TestFailures(t *testing.T) {
	for name, test := range map[string]struct {
		f      func(context.Context)
		reason string
		where  string
	}{
		"all wait": {waitForever, "all goroutines in bubble are blocked", "waitForever"},
		"one is left": {
			func(ctx context.Context) { go waitForever(ctx) }, "blocked goroutines remain", "waitForever",
		},
		"panic":  {panics, "panic: out of ideas", "panics"},
		"goexit": {func(context.Context) { runtime.Goexit() }, "Goexit", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var failure *bubble.Error
			require.ErrorAs(t, bubble.Run(test.f), &failure)
			require.Contains(t, failure.Reason, test.reason)
			require.Contains(t, failure.Goroutines, test.where)
			require.Contains(t, failure.Error(), test.reason)
		})
	}
}

func waitForever(context.Context) { <-make(chan int) }

func panics(context.Context) { panic("out of ideas") }

// The collector may run in a bubble at any moment, asked for or not.
func TestCollection(t *testing.T) {
	require.NoError(t, bubble.Run(func(context.Context) {
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				for range 20 {
					_ = make([]byte, 1<<16)
					time.Sleep(time.Millisecond)
				}
				runtime.GC()
			})
		}
		all.Wait()
	}))
}
