package simdisk

import (
	"container/list"
	"io/fs"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/system/disk"
	"github.com/codastress/codastress/system/disk/ailing"
)

// Disk is a disk in memory. It is safe for concurrent use.
type Disk struct {
	mu         sync.Mutex // never held while waiting
	root       *inode
	generation *generation
	dirty      *list.List       // of waiting, the oldest first
	changes    uint64           // number of the last change of a name
	last       time.Time        // of a modification
	clock      func() time.Time // for times of modification
	used       int64            // bytes
	locks      map[string]bool

	frozen   chan struct{} // closed by Thaw; nil while the disk is not frozen
	course   ailing.Course // how well it works
	loss     Loss          // of which this disk is left
	latency  Latency
	capacity int64
	faults   []*Injection
	watch    func(op ailing.Operation, path string)
}

var _ disk.FS = (*Disk)(nil)

// waiting is an inode that was changed and not synced.
type waiting struct {
	inode *inode
	since time.Time
}

// How long changes wait until they are written back without a sync, and how many inodes may have such.
const (
	writebackAge   = 30 * time.Second
	writebackCount = 4096
)

// New gives an empty disk without a limit.
func New() *Disk {
	return &Disk{root: newDirectory(time.Now()), generation: new(generation), dirty: list.New(), locks: map[string]bool{}, clock: time.Now}
}

func newDirectory(made time.Time) *inode {
	return &inode{names: map[string]*inode{}, links: 1, modified: made}
}

// SetClock sets the clock that times of modification are taken from, which may be wrong and be set at any time. The copy that a crash makes has it,
// too. It is asked with a mutex held, and must not wait.
func (d *Disk) SetClock(clock func() time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clock = clock
}

// begin waits as long as the disk makes a call wait, and gives the error that the call is to have. It returns with d.mu held.
func (d *Disk) begin(op ailing.Operation, path string) error {
	d.mu.Lock()
	if watch := d.watch; watch != nil {
		d.mu.Unlock()
		watch(op, path)
		d.mu.Lock()
	}
	d.course.Come()
	stalled := d.working(op, path, false)
	slowness := d.course.Slowness(op)
	if delay := d.latency.of(op) + slowness; delay > 0 {
		d.mu.Unlock()
		time.Sleep(delay)
		d.mu.Lock()
		d.working(op, path, stalled)
	}
	d.course.WasSlow(op, path, slowness)
	d.writeBack()
	err := d.injected(op, path)
	if err == nil {
		if refusal := d.course.Refusal(op, path); refusal != 0 {
			err = refusal
		}
	}
	if err != nil {
		return &fs.PathError{Op: string(op), Path: path, Err: err}
	}
	return nil
}

// working waits while the disk is frozen or stalled, and counts a call that is not counted yet as a stalled one where it is. d.mu is held, but not while
// waiting.
func (d *Disk) working(op ailing.Operation, path string, counted bool) bool {
	for {
		var wait <-chan struct{} = d.frozen
		if stall := d.course.Stall(); wait == nil && stall != nil {
			wait = stall
			if !counted {
				d.course.WasStalled(op, path)
				counted = true
			}
		}
		if wait == nil {
			return counted
		}
		d.mu.Unlock()
		<-wait
		d.mu.Lock()
	}
}

// crowd is how far the times of changes in one moment can be ahead of the clock.
const crowd = time.Millisecond

// touch notes that an inode has changed and is not safe. Times of modification do not repeat, so that each change shows, as long as the clock is not set
// back.
func (d *Disk) touch(n *inode) {
	now := d.clock()
	if ahead := d.last.Sub(now); 0 <= ahead && ahead < crowd {
		now = d.last.Add(1)
	}
	d.last, n.modified = now, now
	if n.dirty == nil {
		n.dirty = d.dirty.PushBack(waiting{inode: n, since: time.Now()})
	}
}

// writeBack makes safe what has not been for long.
func (d *Disk) writeBack() {
	for oldest := d.dirty.Front(); oldest != nil; oldest = d.dirty.Front() {
		w := oldest.Value.(waiting)
		if d.dirty.Len() <= writebackCount && time.Since(w.since) < writebackAge {
			return
		}
		d.settle(w.inode)
	}
}

// settle makes an inode safe.
func (d *Disk) settle(n *inode) {
	n.settle()
	if n.dirty != nil {
		d.dirty.Remove(n.dirty)
		n.dirty = nil
	}
}

// charge counts the space that a file takes.
func (d *Disk) charge(n *inode) {
	now := int64(0)
	if n.links > 0 || n.handles > 0 {
		now = max(n.reserved, n.now.space())
	}
	d.used += now - n.charged
	n.charged = now
}

// full reports whether a file may not take so many bytes.
func (d *Disk) full(n *inode, bytes int64) bool {
	return d.capacity > 0 && bytes > n.charged && d.used+bytes-n.charged > d.capacity
}

func failed(op ailing.Operation, path string, err unix.Errno) error {
	return &fs.PathError{Op: string(op), Path: path, Err: err}
}
