package venusfs

import (
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/codastress/codastress/system/coda"
)

// noticeLimit bounds the notices that wait for the kernel. Those beyond it are dropped: what the kernel believes runs out by itself.
const noticeLimit = 8192

// notifier tells the kernel whose attributes it must not go on believing. It does so from a goroutine that nobody waits for, since the kernel
// may wait for requests first that are still to be answered. Everybody else only leaves a note.
//
// Names are never taken back: the kernel would take the lock of their directory for that. A lookup that waits for the network holds that
// lock, too, and whoever comes after one that waits for it in vain waits as well, so that one slow lookup and one notice would close a
// directory to everybody. Names are believed for a short time instead.
type notifier struct {
	nodes *nodes

	mu      sync.Mutex
	queue   []coda.Fid
	queued  map[coda.Fid]struct{}
	dropped uint64

	wake chan struct{}
}

func newNotifier(nodes *nodes) *notifier {
	return &notifier{nodes: nodes, queued: map[coda.Fid]struct{}{}, wake: make(chan struct{}, 1)}
}

// Entry has the kernel ask for the attributes of a directory in which a name has changed.
func (t *notifier) Entry(dir coda.Fid, _ string) { t.Object(dir) }

// Object has the kernel ask for an object's attributes again.
func (t *notifier) Object(f coda.Fid) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.queued[f]; ok {
		return
	}
	if len(t.queue) >= noticeLimit {
		t.dropped++
		return
	}
	t.queued[f] = struct{}{}
	t.queue = append(t.queue, f)
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// run passes notices on until stop is closed.
func (t *notifier) run(server *fuse.Server, stop <-chan struct{}) {
	for {
		select {
		case <-t.wake:
		case <-stop:
			return
		}
		t.mu.Lock()
		batch := t.queue
		t.queue = nil
		clear(t.queued)
		t.mu.Unlock()
		for _, f := range batch {
			for _, id := range t.nodes.idsOf(f) {
				select {
				case <-stop:
					return
				default:
				}
				// A negative offset leaves pages alone: those of a node are always of its own contents, and to drop them could mean waiting for a
				// read. The kernel says ENOENT of what it does not have, and any other failure means that it has gone.
				server.InodeNotify(id, -1, 0)
			}
		}
	}
}
