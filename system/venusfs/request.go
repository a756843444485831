package venusfs

import (
	"context"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/codastress/codastress/system/venus"
)

// request is the context of one request of the kernel. It ends at its deadline, or when the kernel interrupts the request because its process
// got a signal. Most requests are answered without waiting for anything, so nothing is started before somebody asks for Done.
type request struct {
	deadline  time.Time
	interrupt <-chan struct{} // nil where interrupts are not honoured
	log       *slog.Logger
	uid       uint32 // of the process

	mu      sync.Mutex
	inner   context.Context // set by the first Done
	cancel  context.CancelFunc
	watcher sync.WaitGroup
}

// begin makes the context of a request that may be interrupted. Its end must be called.
func (f *rawFileSystem) begin(interrupt <-chan struct{}, uid uint32) *request {
	return &request{uid: uid, deadline: time.Now().Add(f.options.CallTimeout), interrupt: interrupt, log: f.log}
}

// beginFinal makes the context of a request that must not be interrupted: a process that is killed closes its files with a signal
// pending, and what it has written must not be lost for that.
func (f *rawFileSystem) beginFinal() *request { return f.begin(nil, 0) }

// end frees what the context holds.
func (r *request) end() {
	r.mu.Lock()
	cancel := r.cancel
	r.mu.Unlock()
	if cancel != nil {
		cancel()
		r.watcher.Wait()
	}
}

// Deadline is when the request has taken as long as any may.
func (r *request) Deadline() (time.Time, bool) { return r.deadline, true }

// Done is closed when the request is interrupted or late.
func (r *request) Done() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inner != nil {
		return r.inner.Done()
	}
	r.inner, r.cancel = context.WithDeadline(context.Background(), r.deadline)
	if r.interrupt != nil {
		r.watcher.Go(func() {
			select {
			case <-r.interrupt:
				r.cancel()
			case <-r.inner.Done():
			}
		})
	}
	return r.inner.Done()
}

// Err says why the context has ended.
func (r *request) Err() error {
	r.mu.Lock()
	inner := r.inner
	r.mu.Unlock()
	switch {
	case r.interrupted():
		return context.Canceled
	case inner != nil:
		return inner.Err()
	case time.Now().After(r.deadline):
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// Value gives the user of the process, under venus's key.
func (r *request) Value(key any) any {
	if key == venus.UIDKey() {
		return r.uid
	}
	return nil
}

func (r *request) interrupted() bool {
	select {
	case <-r.interrupt:
		return true
	default:
		return false
	}
}

// status gives the answer for an error.
func (r *request) status(err error) fuse.Status {
	if err == nil {
		return fuse.OK
	}
	if r.interrupted() && Errno(err) == syscall.ETIMEDOUT {
		return fuse.EINTR
	}
	errno := Errno(err)
	if errno == syscall.EIO || errno == syscall.ETIMEDOUT {
		r.log.Warn("a request failed", "error", err)
	}
	return fuse.Status(errno)
}
