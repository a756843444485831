package venusfs

import (
	"math"
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/system/coda"
)

// locks are the flock(2) and fcntl(2) locks of the mount. The kernel could keep them itself, but node by node, and a file that is read and written at once
// has several nodes. They are not known to other clients, as in Coda. A circle of waiting processes is not detected.
type locks struct {
	mu      sync.Mutex
	held    map[lockSpace][]lock
	changed chan struct{} // closed and replaced when locks have been released
}

// lockSpace is what locks exclude each other in: flock and fcntl locks do not see each other.
type lockSpace struct {
	fid   coda.Fid
	flock bool
}

// lock is a lock of the bytes from start to end, both included.
type lock struct {
	start, end uint64
	exclusive  bool
	owner      uint64 // the kernel's number for a process or an open file
	pid        uint32
	file       *openFile // by which it was taken
}

func newLocks() *locks { return &locks{held: map[lockSpace][]lock{}, changed: make(chan struct{})} }

// overlaps reports whether two locks have bytes in common.
func (l lock) overlaps(m lock) bool { return l.start <= m.end && m.start <= l.end }

// conflict finds a lock that keeps l from being taken.
func (t *locks) conflict(space lockSpace, l lock) (lock, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.find(space, l)
}

func (t *locks) find(space lockSpace, l lock) (lock, bool) {
	for _, other := range t.held[space] {
		if other.owner != l.owner && other.overlaps(l) && (other.exclusive || l.exclusive) {
			return other, true
		}
	}
	return lock{}, false
}

// take takes a lock in place of what its owner has of these bytes. If another owner is in the way it gives a channel that is closed when it is worth
// trying again.
func (t *locks) take(space lockSpace, l lock) (wait <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, taken := t.find(space, l); taken {
		return t.changed
	}
	t.cut(space, l)
	t.held[space] = append(t.held[space], l)
	return nil
}

// release gives an owner's bytes free.
func (t *locks) release(space lockSpace, l lock) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cut(space, l)
}

// cut takes the bytes of l out of the locks of its owner.
func (t *locks) cut(space lockSpace, l lock) {
	t.filter(space, func(held lock) []lock {
		if held.owner != l.owner || !held.overlaps(l) {
			return []lock{held}
		}
		var rest []lock
		if held.start < l.start {
			before := held
			before.end = l.start - 1
			rest = append(rest, before)
		}
		if held.end > l.end {
			after := held
			after.start = l.end + 1
			rest = append(rest, after)
		}
		return rest
	})
}

// releaseFile gives free what was locked by way of an open file that has gone.
func (t *locks) releaseFile(f coda.Fid, o *openFile) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, flock := range []bool{false, true} {
		t.filter(lockSpace{f, flock}, func(held lock) []lock {
			if held.file == o {
				return nil
			}
			return []lock{held}
		})
	}
}

// filter replaces each lock by what keep gives, and wakes those who wait.
func (t *locks) filter(space lockSpace, keep func(lock) []lock) {
	before := t.held[space]
	if len(before) == 0 {
		return
	}
	var after []lock
	for _, held := range before {
		after = append(after, keep(held)...)
	}
	t.held[space] = after
	if len(after) == 0 {
		delete(t.held, space)
	}
	close(t.changed)
	t.changed = make(chan struct{})
}

// wanted translates a request.
func (f *rawFileSystem) wanted(in *fuse.LkIn) (lockSpace, lock, bool) {
	o := f.files.get(in.Fh)
	if o == nil {
		return lockSpace{}, lock{}, false
	}
	space := lockSpace{o.node.fid, in.LkFlags&fuse.LK_FLOCK != 0}
	l := lock{start: in.Lk.Start, end: in.Lk.End, exclusive: in.Lk.Typ == unix.F_WRLCK, owner: in.Owner, pid: in.Lk.Pid, file: o}
	if space.flock {
		l.start, l.end = 0, math.MaxUint64
	}
	return space, l, true
}

// GetLk finds a lock that is in the way.
func (f *rawFileSystem) GetLk(_ <-chan struct{}, in *fuse.LkIn, out *fuse.LkOut) fuse.Status {
	space, l, ok := f.wanted(in)
	if !ok {
		return fuse.EBADF
	}
	out.Lk = fuse.FileLock{Typ: unix.F_UNLCK}
	if other, found := f.locks.conflict(space, l); found {
		out.Lk = fuse.FileLock{Start: other.start, End: other.end, Typ: unix.F_RDLCK, Pid: other.pid}
		if other.exclusive {
			out.Lk.Typ = unix.F_WRLCK
		}
	}
	return fuse.OK
}

// SetLk takes or releases a lock, or says that it is taken.
func (f *rawFileSystem) SetLk(_ <-chan struct{}, in *fuse.LkIn) fuse.Status {
	space, l, ok := f.wanted(in)
	switch {
	case !ok:
		return fuse.EBADF
	case in.Lk.Typ == unix.F_UNLCK:
		f.locks.release(space, l)
	case f.locks.take(space, l) != nil:
		return fuse.EAGAIN
	}
	return fuse.OK
}

// SetLkw waits for a lock, however long others hold it: only an interrupt ends that.
func (f *rawFileSystem) SetLkw(cancel <-chan struct{}, in *fuse.LkIn) fuse.Status {
	space, l, ok := f.wanted(in)
	switch {
	case !ok:
		return fuse.EBADF
	case in.Lk.Typ == unix.F_UNLCK:
		f.locks.release(space, l)
		return fuse.OK
	}
	for {
		wait := f.locks.take(space, l)
		if wait == nil {
			return fuse.OK
		}
		select {
		case <-wait:
		case <-cancel:
			return fuse.EINTR
		}
	}
}
