package venus

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// workers is the admission of Coda's venus. Every operation takes one of a few workers for its whole length, also where it needs nothing but
// the cache, and those that find none wait in one queue without a bound, in order. A worker is not interrupted; a request that is still in
// the queue is dropped when its process gives up.
type workers struct {
	limit int
	log   *slog.Logger
	life  context.Context // of venus

	mu    sync.Mutex
	busy  int
	made  int // the most that were busy at a time: one is made where none is idle
	queue []*queued
}

// queued is an operation that waits for a worker.
type queued struct {
	call *call
	turn chan struct{} // closed when it has been given one
}

func (w *workers) begin(ctx context.Context, c *call) (context.Context, error) {
	w.mu.Lock()
	if w.busy < w.limit {
		w.busy++
		w.made = max(w.made, w.busy)
		w.mu.Unlock()
		return context.WithoutCancel(ctx), nil
	}
	q := &queued{call: c, turn: make(chan struct{})}
	w.queue = append(w.queue, q)
	length := len(w.queue)
	w.mu.Unlock()
	w.log.Warn(fmt.Sprintf("out of workers (max %d)", w.limit), "operation", c, "queued", length)
	if err := waitUnbounded(ctx, w.life, c, q.turn, "a worker"); err != nil {
		w.drop(q)
		return nil, err
	}
	return context.WithoutCancel(ctx), nil
}

// drop takes a request out of the queue, or passes on the worker that it was given at the last moment.
func (w *workers) drop(q *queued) {
	w.mu.Lock()
	i := slices.Index(w.queue, q)
	if i >= 0 {
		w.queue = slices.Delete(w.queue, i, i+1)
	}
	w.mu.Unlock()
	if i < 0 {
		w.end(q.call)
	}
}

func (w *workers) end(*call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		w.busy--
		return
	}
	close(w.queue[0].turn)
	w.queue[0] = nil
	w.queue = w.queue[1:]
}

func (w *workers) closes() bool { return true }

func (w *workers) state() Queue {
	w.mu.Lock()
	defer w.mu.Unlock()
	q := Queue{Workers: w.limit, Made: w.made, Busy: w.busy, Length: len(w.queue)}
	if len(w.queue) > 0 {
		q.Oldest = time.Since(w.queue[0].call.start)
	}
	return q
}
