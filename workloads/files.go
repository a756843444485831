package workloads

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// Files records every operation on a Directory. Each runs under its own deadline: one that does not return is abandoned, recorded as
// indeterminate, and blocks nothing but a goroutine.
type Files struct {
	node      string
	directory Directory
	recorder  *history.Recorder
	patience  time.Duration
	nonces    func() rand.Source // makes one a process

	stuck atomic.Int64   // abandoned calls that have not returned
	calls sync.WaitGroup // every call, abandoned or not
}

// NewFiles returns a recording layer over the directory of an environment. A call that takes longer than its patience is abandoned.
func NewFiles(env Environment) *Files {
	return &Files{node: env.Node, directory: env.Files, recorder: env.Recorder, patience: env.Patience, nonces: env.nonces}
}

// maxStuck bounds the abandoned calls of one Files: each may hold a thread in the kernel.
const maxStuck = 64

// ErrStuck says that so many abandoned calls have not returned that no more are made.
var ErrStuck = errors.New("too many calls have not returned")

// Stuck returns how many abandoned calls have not returned.
func (f *Files) Stuck() int { return int(f.stuck.Load()) }

// Wait returns when every call has returned, abandoned ones too. A file system that hangs keeps it waiting for ever.
func (f *Files) Wait() { f.calls.Wait() }

// logStuck reports at the end of a step what it leaves behind.
func (f *Files) logStuck(log *slog.Logger, step history.Step) {
	if stuck := f.Stuck(); stuck > 0 {
		log.Warn("calls have not returned when their step ended", "step", step.Number, "task", step.Task, "calls", stuck)
	}
}

// answer is what a call brought back.
type answer struct {
	end   history.End // but for the outcome and the errno
	names []string
	info  Info
	err   error
}

// begin records that a call begins as an operation of a worker. The error says why none may be made.
func (f *Files) begin(ctx context.Context, worker *history.Worker, kind history.Kind, path, target string) (*history.Pending, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if f.stuck.Load() >= maxStuck {
		return nil, ErrStuck
	}
	return worker.Begin(kind, path, target), nil
}

// finish makes a call and records how the operation ended. It returns when the call does, its time is up or ctx ends. returned is false
// when the operation was abandoned: its worker may still be at it, and can do nothing else.
func (f *Files) finish(
	ctx context.Context, kind history.Kind, pending *history.Pending, call func(context.Context) answer,
) (got answer, result Result, returned bool) {
	ctx, cancel := context.WithTimeout(ctx, f.patience)
	defer cancel()
	answers := make(chan answer, 1)
	f.calls.Go(func() { answers <- call(ctx) })
	select {
	case got = <-answers:
		result.Outcome, result.Errno = outcomeOf(kind, got.err)
		result.Err = got.err
		got.end.Outcome, got.end.Errno = result.Outcome, result.Errno
		pending.End(got.end)
		return got, result, true
	case <-ctx.Done():
		pending.Abandon(syscall.ETIMEDOUT)
		f.stuck.Add(1)
		f.calls.Go(func() {
			<-answers
			f.stuck.Add(-1)
		})
		return answer{}, Result{Outcome: history.Indeterminate, Errno: syscall.ETIMEDOUT, Err: ctx.Err()}, false
	}
}
