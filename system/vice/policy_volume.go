package vice

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
)

// volumeLock is the locking of Coda's server. A log is reintegrated with the whole volume for itself; what a connected client changes shares it
// with others of its kind. Nobody waits for somebody who has the volume for himself: the request is refused as busy at once. Objects are locked
// for writing while they are changed, and whoever reads them waits.
type volumeLock struct {
	turn    *turn // the order of commits
	objects objectLocks

	mu        sync.Mutex
	exclusive string // who has the volume for himself, or waits for those who share it to end; "" for nobody
	since     time.Time
	shared    int
	alone     chan struct{} // closed when nobody shares the volume any more
}

func newVolumeLock(t *turn) *volumeLock {
	return &volumeLock{turn: t, objects: objectLocks{held: map[coda.Fid]*objectLock{}}}
}

func (l *volumeLock) write(ctx context.Context, batch wire.Batch, records []coda.Record) (func(), error) {
	holder := holderOf(batch, records)
	leave, err := l.enter(ctx, batch.Connected, holder)
	if err != nil {
		return nil, err
	}
	fids := concernedBy(records)
	for i, f := range fids {
		if err := l.objects.lock(ctx, f, true); err != nil {
			l.unlock(fids[:i])
			leave()
			return nil, err
		}
	}
	if err := l.turn.take(ctx, holder); err != nil {
		l.unlock(fids)
		leave()
		return nil, err
	}
	return func() {
		l.turn.give()
		l.unlock(fids)
		leave()
	}, nil
}

func (l *volumeLock) unlock(fids []coda.Fid) {
	for _, f := range fids {
		l.objects.unlock(f, true)
	}
}

// enter takes the volume, shared or not.
func (l *volumeLock) enter(ctx context.Context, share bool, holder string) (leave func(), err error) {
	l.mu.Lock()
	if l.exclusive != "" {
		defer l.mu.Unlock()
		return nil, coda.Errorf("lock the volume", coda.Busy, "%s has had it for %v", l.exclusive, time.Since(l.since).Round(time.Millisecond))
	}
	if share {
		l.shared++
		l.mu.Unlock()
		return l.leaveShared, nil
	}
	l.exclusive, l.since, l.alone = holder, time.Now(), make(chan struct{})
	if l.shared == 0 {
		close(l.alone)
	}
	alone := l.alone
	l.mu.Unlock()
	waiting(ctx, "those who share the volume")
	defer waiting(ctx, "")
	select {
	case <-alone:
		return l.leave, nil
	case <-ctx.Done():
		l.leave()
		return nil, &coda.Error{Op: "lock the volume", Kind: coda.TimedOut, Err: context.Cause(ctx)}
	}
}

func (l *volumeLock) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.exclusive, l.alone = "", nil
}

func (l *volumeLock) leaveShared() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shared--; l.shared == 0 && l.alone != nil {
		close(l.alone)
	}
}

func (l *volumeLock) read(ctx context.Context, f coda.Fid) (func(), error) {
	if err := l.objects.lock(ctx, f, false); err != nil {
		return nil, err
	}
	return func() { l.objects.unlock(f, false) }, nil
}

func (l *volumeLock) describe(b *strings.Builder) {
	l.mu.Lock()
	switch {
	case l.exclusive != "":
		fmt.Fprintf(b, "volume: locked by %s for %v, shared by %d others\n", l.exclusive, time.Since(l.since).Round(time.Millisecond), l.shared)
	default:
		fmt.Fprintf(b, "volume: shared by %d\n", l.shared)
	}
	l.mu.Unlock()
	l.objects.describe(b)
}

// concernedBy lists, in order, the objects that records make, change or remove, and the directories whose names they change.
func concernedBy(records []coda.Record) []coda.Fid {
	var fids []coda.Fid
	for _, r := range records {
		fids = append(fids, r.Operation.Target())
		switch o := r.Operation.(type) {
		case coda.Create:
			fids = append(fids, o.Parent)
		case coda.MakeDirectory:
			fids = append(fids, o.Parent)
		case coda.MakeSymlink:
			fids = append(fids, o.Parent)
		case coda.Link:
			fids = append(fids, o.Parent)
		case coda.Remove:
			fids = append(fids, o.Parent)
		case coda.RemoveDirectory:
			fids = append(fids, o.Parent)
		case coda.Rename:
			fids = append(fids, o.FromParent, o.ToParent)
			if !o.Replaced.IsZero() {
				fids = append(fids, o.Replaced)
			}
		}
	}
	slices.SortFunc(fids, coda.Fid.Compare)
	return slices.Compact(fids)
}
