package venus

import (
	"context"
	"sync"

	"github.com/codastress/codastress/system/coda"
)

// Invalidator is told what a front end must not go on believing. Its methods are called from one goroutine that holds no lock and that
// nothing waits for, so they may wait for requests that venus has yet to answer.
type Invalidator interface {
	// Entry says that a name in a directory may stand for something else than before, or for nothing.
	Entry(dir coda.Fid, name string)
	// Object says that the attributes or contents of an object may have changed.
	Object(f coda.Fid)
}

// notices are the invalidations that have not been passed on yet. Adding never waits.
type notices struct {
	mu          sync.Mutex
	invalidator Invalidator
	queue       []notice
	queued      map[notice]struct{}
	wake        chan struct{}
}

// notice is about an entry, or about an object where the name is empty.
type notice struct {
	fid  coda.Fid
	name string
}

func newNotices() *notices {
	return &notices{queued: map[notice]struct{}{}, wake: make(chan struct{}, 1)}
}

// SetInvalidator sets who is told when changes of others make a front end's caches stale; nil for nobody.
func (v *Venus) SetInvalidator(i Invalidator) {
	v.notices.mu.Lock()
	defer v.notices.mu.Unlock()
	v.notices.invalidator = i
}

func (n *notices) entry(dir coda.Fid, name string) { n.add(notice{dir, name}) }

func (n *notices) object(f coda.Fid) { n.add(notice{fid: f}) }

func (n *notices) add(x notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.invalidator == nil {
		return
	}
	if _, ok := n.queued[x]; ok {
		return
	}
	n.queued[x] = struct{}{}
	n.queue = append(n.queue, x)
	wake(n.wake)
}

// run passes invalidations on until the context ends.
func (n *notices) run(ctx context.Context) {
	for {
		select {
		case <-n.wake:
		case <-ctx.Done():
			return
		}
		for ctx.Err() == nil {
			n.mu.Lock()
			batch, to := n.queue, n.invalidator
			n.queue = nil
			clear(n.queued)
			n.mu.Unlock()
			if len(batch) == 0 || to == nil {
				break
			}
			for _, x := range batch {
				if x.name == "" {
					to.Object(x.fid)
				} else {
					to.Entry(x.fid, x.name)
				}
			}
		}
	}
}
