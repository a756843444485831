package venusfs

import (
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/codastress/codastress/system/coda"
)

// noticeLimit bounds the notices that wait for the kernel. Those beyond it are dropped: what the kernel believes runs out by itself.
const noticeLimit = 8192

// notice says that a name, or an object where the name is empty, is not what the kernel believes.
type notice struct {
	fid  coda.Fid
	name string
}

// notifier tells the kernel what it must not go on believing. The kernel takes the lock of a directory for that, which a process may hold that waits
// for an answer from venusfs. So it is told from a goroutine that nobody waits for, and everybody else only leaves a note.
type notifier struct {
	nodes *nodes

	mu      sync.Mutex
	queue   []notice
	queued  map[notice]struct{}
	dropped uint64

	wake chan struct{}
}

func newNotifier(nodes *nodes) *notifier {
	return &notifier{nodes: nodes, queued: map[notice]struct{}{}, wake: make(chan struct{}, 1)}
}

// Entry has the kernel look a name up again.
func (t *notifier) Entry(dir coda.Fid, name string) { t.add(notice{dir, name}) }

// Object has the kernel ask for an object's attributes again.
func (t *notifier) Object(f coda.Fid) { t.add(notice{fid: f}) }

func (t *notifier) add(n notice) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.queued[n]; ok {
		return
	}
	if len(t.queue) >= noticeLimit {
		t.dropped++
		return
	}
	t.queued[n] = struct{}{}
	t.queue = append(t.queue, n)
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
		for _, n := range batch {
			select {
			case <-stop:
				return
			default:
				t.tell(server, n)
			}
		}
	}
}

// tell passes one notice on. The kernel says ENOENT of what it does not have, and any other failure means that it has gone.
func (t *notifier) tell(server *fuse.Server, n notice) {
	ids := t.nodes.idsOf(n.fid)
	if n.name != "" {
		for _, id := range ids {
			server.EntryNotify(id, n.name)
		}
		return
	}
	for _, id := range ids {
		// A negative offset leaves pages alone: those of a node are always of its own contents, and to drop them could mean waiting for a read.
		server.InodeNotify(id, -1, 0)
	}
	if n.fid.IsDirectory() {
		return
	}
	// New contents need a new node, which the names lead to when they are looked up again.
	for _, p := range t.nodes.placesOf(n.fid) {
		for _, id := range t.nodes.idsOf(p.dir) {
			server.EntryNotify(id, p.name)
		}
	}
}
