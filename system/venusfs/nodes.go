package venusfs

import (
	"iter"
	"sync"
	"time"

	"github.com/codastress/codastress/system/coda"
)

// rootID is the number of the root's node in the protocol.
const rootID = 1

// A node is what the kernel calls an inode. A directory or symlink is one node. A file is one node for each version of its contents that
// the kernel may know: the package documentation says why.
//
// The kernel remembers as many as its memory lets it, so that a node is small.
type node struct {
	id  uint64
	fid coda.Fid

	// Guarded by nodes.mu.
	lookups uint64 // references that the kernel holds
	next    *node  // another one of the same object
	users   int32  // open files and directories

	backing  int32        // guarded by mu: what the kernel calls the container that it reads and writes by itself, 0 for none
	mu       sync.Mutex   // held for computation only
	opened   *opened      // nil while nobody has the node open
	bound    version      // of a file: what it contains, apart from what is being written by way of it
	reserved *reservation // nil for none
	claims   int32        // opens for writing that are under way
	tainted  bool         // the kernel's page cache may hold something else
	kind     coda.ObjectKind
}

// opened are those who have a node open.
type opened struct {
	directories []*openDirectory
	files       []*openFile
}

// reservation keeps a node for a thread that is going to open it.
type reservation struct {
	thread uint32
	until  time.Time
}

// files lists those who have a file open. The caller holds n.mu.
func (n *node) files() []*openFile {
	if n.opened == nil {
		return nil
	}
	return n.opened.files
}

// directories lists those who have a directory open. The caller holds n.mu.
func (n *node) directories() []*openDirectory {
	if n.opened == nil {
		return nil
	}
	return n.opened.directories
}

// setOpened notes who has the node open. The caller holds n.mu.
func (n *node) setOpened(o opened) {
	n.opened = &o
	if len(o.directories) == 0 && len(o.files) == 0 {
		n.opened = nil
	}
}

// version identifies the contents of a file as far as is known.
type version struct {
	container uint64 // stands for the file that they were seen in, 0 where they have not been seen
	changed   int64  // when that file was changed last (st_ctim), since it may be used for other contents later
	length    uint64
	digest    coda.Digest // zero as long as nobody has worked it out
	modified  coda.Time
}

func versionOf(s coda.Status) version {
	return version{length: s.Length, digest: s.Digest, modified: s.Modified}
}

// agrees reports whether v and w are the same contents. Containers decide. Where one of them is not known, nothing must speak against it.
func (v version) agrees(w version) bool {
	if v.container != 0 && w.container != 0 {
		return v.container == w.container && v.changed == w.changed
	}
	return v.length == w.length && (v.digest == w.digest || v.digest.IsZero() || w.digest.IsZero())
}

// in is the status with these contents.
func (v version) in(s coda.Status) coda.Status {
	if !v.agrees(versionOf(s)) {
		s.Digest, s.Length, s.Modified = v.digest, v.length, v.modified
	}
	return s
}

// view is the status as it is seen by way of the node: what others store does not change what a session began with. It reports false when nobody has the
// node open and the file contains something else by now, so that its names should be looked up again.
func (n *node) view(s coda.Status) (coda.Status, bool) {
	if n.kind != coda.File {
		return s, true
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.writer() != nil:
		return s, true
	case n.bound.agrees(versionOf(s)):
		if n.bound.digest.IsZero() {
			n.bound.digest = s.Digest
		}
		n.bound.modified = s.Modified
		return s, true
	default:
		return n.bound.in(s), n.busy()
	}
}

// nodes knows the nodes by number and by object.
type nodes struct {
	mu    sync.Mutex
	last  uint64
	byID  map[uint64]*node
	byFid map[coda.Fid]*node // the one that was given out last, which leads to the others
}

func newNodes(root coda.Fid) *nodes {
	n := &node{id: rootID, fid: root, kind: coda.Directory, lookups: 1}
	return &nodes{last: rootID, byID: map[uint64]*node{rootID: n}, byFid: map[coda.Fid]*node{root: n}}
}

// get finds a node that the kernel named. It is nil if the kernel has forgotten it, which would be the kernel's mistake.
func (t *nodes) get(id uint64) *node {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byID[id]
}

// idsOf gives the numbers of an object's nodes.
func (t *nodes) idsOf(f coda.Fid) []uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	var ids []uint64
	for n := range t.of(f) {
		ids = append(ids, n.id)
	}
	return ids
}

// of gives the nodes of an object, the one that was given out last first. The caller holds t.mu.
func (t *nodes) of(f coda.Fid) iter.Seq[*node] {
	return func(yield func(*node) bool) {
		for n := t.byFid[f]; n != nil; n = n.next {
			if !yield(n) {
				return
			}
		}
	}
}

// unlink takes a node from those of its object. The caller holds t.mu.
func (t *nodes) unlink(n *node) {
	if first := t.byFid[n.fid]; first != n {
		for first.next != n {
			first = first.next
		}
		first.next = n.next
	} else if n.next != nil {
		t.byFid[n.fid] = n.next
	} else {
		delete(t.byFid, n.fid)
	}
	n.next = nil
}

// want says what a node is looked for.
type want struct {
	opens  bool // to open it; otherwise only its attributes are asked for
	writes bool
	thread uint32
}

// enter finds the node of an object for an answer that gives the kernel a reference to it, or makes one.
func (t *nodes) enter(s coda.Status, v version, w want) *node {
	t.mu.Lock()
	defer t.mu.Unlock()
	var n *node
	if w.opens && w.writes {
		n = t.find(s.Fid, (*node).isWritten) // all writers share a node
	}
	if n == nil || !n.suits(s.Kind, v, w) {
		n = t.find(s.Fid, func(n *node) bool { return n.suits(s.Kind, v, w) })
	}
	if n != nil {
		t.unlink(n)
	} else {
		t.last++
		n = &node{id: t.last, fid: s.Fid, kind: s.Kind, bound: v}
		t.byID[n.id] = n
		n.suits(s.Kind, v, w)
	}
	n.next = t.byFid[s.Fid]
	t.byFid[s.Fid] = n
	n.lookups++
	return n
}

// find gives the first node of an object for which is reports true, nil for none. The caller holds t.mu.
func (t *nodes) find(f coda.Fid, is func(*node) bool) *node {
	for n := range t.of(f) {
		if is(n) {
			return n
		}
	}
	return nil
}

// suits reports whether a node can be given out for a version of its object, and reserves it then for who wants to open it.
func (n *node) suits(kind coda.ObjectKind, v version, w want) bool {
	if n.kind != kind || kind != coda.File {
		return n.kind == kind
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	suits := n.isFor(v, w)
	if suits && w.opens {
		n.reserved = &reservation{w.thread, time.Now().Add(reserveTime)}
	}
	return suits
}

// reserveTime is how long a thread is expected to need at most from a lookup to the open that follows.
const reserveTime = time.Second

// isFor is suits. The caller holds n.mu.
func (n *node) isFor(v version, w want) bool {
	same := n.bound.agrees(v)
	writer := n.writer() != nil
	switch {
	case !w.opens:
		return same || writer && v.digest.IsZero() // contents that are being written have no digest
	case n.busy():
		return writer && w.writes || v.container != 0 && n.bound.container == v.container
	case n.claims > 0:
		return w.writes
	default:
		return same && n.isFree(w.thread)
	}
}

// forget takes references of the kernel away.
func (t *nodes) forget(id, lookups uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.byID[id]
	if n == nil || id == rootID {
		return
	}
	n.lookups -= min(n.lookups, lookups)
	t.drop(n)
}

// use is get, and notes that the node must stay known while it is open. Each call that gives a node must be matched by one of leave.
func (t *nodes) use(id uint64) *node {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.byID[id]
	if n != nil {
		n.users++
	}
	return n
}

func (t *nodes) leave(n *node) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n.users--
	t.drop(n)
}

// drop lets go of a node that neither the kernel nor an open file needs.
func (t *nodes) drop(n *node) {
	if n.lookups > 0 || n.users > 0 {
		return
	}
	delete(t.byID, n.id)
	t.unlink(n)
}
