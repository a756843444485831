package vice

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/codastress/codastress/system/coda"
)

// objectLocks are locks of single objects, for one writer or many readers. Who waits is served in order.
type objectLocks struct {
	mu   sync.Mutex
	held map[coda.Fid]*objectLock // those that somebody has
}

type objectLock struct {
	readers int
	writer  bool
	queue   []*lockWaiter
}

type lockWaiter struct {
	write bool
	got   chan struct{}
}

func (l *objectLocks) lock(ctx context.Context, f coda.Fid, write bool) error {
	w := &lockWaiter{write: write, got: make(chan struct{})}
	l.mu.Lock()
	o := l.held[f]
	if o == nil {
		o = &objectLock{}
		l.held[f] = o
	}
	o.queue = append(o.queue, w)
	o.serve()
	l.mu.Unlock()
	select {
	case <-w.got:
		return nil
	default:
	}
	waiting(ctx, "the lock of "+f.String())
	defer waiting(ctx, "")
	select {
	case <-w.got:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	i := slices.Index(o.queue, w)
	if i >= 0 {
		o.queue = slices.Delete(o.queue, i, i+1)
		o.serve() // those behind may have waited for this one only
	}
	l.mu.Unlock()
	if i < 0 {
		l.unlock(f, write) // it came at the last moment
	}
	return &coda.Error{Op: "lock " + f.String(), Kind: coda.TimedOut, Err: context.Cause(ctx)}
}

func (l *objectLocks) unlock(f coda.Fid, write bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	o := l.held[f]
	if write {
		o.writer = false
	} else {
		o.readers--
	}
	o.serve()
	if !o.writer && o.readers == 0 {
		delete(l.held, f)
	}
}

// serve gives the lock to those whose turn it is.
func (o *objectLock) serve() {
	for len(o.queue) > 0 && !o.writer {
		w := o.queue[0]
		if w.write && o.readers > 0 {
			return
		}
		if w.write {
			o.writer = true
		} else {
			o.readers++
		}
		o.queue = o.queue[1:]
		close(w.got)
	}
}

func (l *objectLocks) describe(b *strings.Builder) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fids := make([]coda.Fid, 0, len(l.held))
	for f := range l.held {
		fids = append(fids, f)
	}
	slices.SortFunc(fids, coda.Fid.Compare)
	for _, f := range fids {
		o := l.held[f]
		how := fmt.Sprintf("by %d for reading", o.readers)
		if o.writer {
			how = "for writing"
		}
		fmt.Fprintf(b, "  %v is locked %s, %d wait\n", f, how, len(o.queue))
	}
}
