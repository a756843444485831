package venusfs

import (
	"slices"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// How open files share a node. The kernel has one length, one page cache and, where it reads and writes by itself, one container for a node.
// So those who have a node open must all mean the same container; whoever comes with another one is sent on a detour to another
// node, and is served apart where that is not possible.

// busy reports whether the node is bound to a container. The caller holds n.mu.
func (n *node) busy() bool {
	return slices.ContainsFunc(n.files(), func(o *openFile) bool { return !o.ending && (!o.apart || o.backed) })
}

// writer gives an open file that writes to the node's container, or nil. The caller holds n.mu.
func (n *node) writer() *openFile {
	for _, o := range n.files() {
		if o.writes && !o.apart && !o.ending {
			return o
		}
	}
	return nil
}

// isFree reports whether no other thread is about to open the node. The caller holds n.mu.
func (n *node) isFree(thread uint32) bool {
	return n.reserved == nil || n.reserved.thread == thread || time.Now().After(n.reserved.until)
}

// claim begins an open for writing: until the matching unclaim nobody starts to read by way of the node. It fails where the node is bound to
// another container than the writer will have, where others write by way of another node, and where suits, which is called with n.mu held,
// reports false. All writers of a file share a container, so they must share a node, whose pages are then the same for all.
func (t *nodes) claim(n *node, thread uint32, suits func() bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for other := range t.of(n.fid) {
		if other != n && other.isWritten() {
			return false
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if !suits() || n.busy() && n.writer() == nil || !n.busy() && n.claims == 0 && !n.isFree(thread) {
		return false
	}
	n.claims++
	return true
}

// isWritten reports whether somebody has the node open for writing, or is about to.
func (n *node) isWritten() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.claims > 0 || n.writer() != nil
}

func (n *node) unclaim() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.claims--
}

// fits reports whether what the kernel knows of the node is true of o. The caller holds n.mu.
func (n *node) fits(o *openFile, thread uint32, truncated bool) bool {
	switch {
	case n.busy():
		return n.bound.container == o.version.container // it is open, so that it cannot be used for anything else
	case o.writes:
		// Its container is new, so only the length counts; of a truncation the kernel knows itself.
		return n.claims > 0 && (truncated || n.bound.length == o.version.length)
	default:
		return n.claims == 0 && n.isFree(thread) && n.bound.agrees(o.version)
	}
}

// join makes o one of those who have the node open and says how the kernel is to read and write it. It reports false if the node does not suit;
// where that must not matter, o is served apart.
func (f *rawFileSystem) join(n *node, o *openFile, thread uint32, truncated, must bool, out *fuse.OpenOut) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	fits := n.fits(o, thread, truncated)
	if !fits && !must {
		return false
	}
	keep := !n.tainted && !o.writes
	if !n.busy() {
		// Where the kernel reads and writes by itself, it does so whatever it believes of the length. And it insists on doing it for all or for none
		// of those who have a node open.
		n.backing = f.register(o)
		if fits = fits || n.backing != 0; fits {
			n.bound.container, n.bound.changed, n.bound.length = o.version.container, o.version.changed, o.version.length
			n.tainted = false
		}
	}
	if o.apart = !fits; o.apart {
		f.log.Debug("a file is served apart from others who have it open", "fid", n.fid)
		out.OpenFlags |= fuse.FOPEN_DIRECT_IO
		n.tainted = true
	}
	if o.backed = n.backing != 0; o.backed {
		out.OpenFlags |= fuse.FOPEN_PASSTHROUGH
		out.BackingID = n.backing
	} else if keep && !o.apart {
		out.OpenFlags |= fuse.FOPEN_KEEP_CACHE
	}
	if !o.writes {
		out.OpenFlags |= fuse.FOPEN_NOFLUSH
	}
	if n.reserved != nil && n.reserved.thread == thread {
		n.reserved = nil
	}
	n.setOpened(opened{files: append(n.files(), o)})
	o.node = n
	out.Fh = f.files.add(o)
	return true
}

// end begins to undo join: the kernel has no use for the file any more.
func (f *rawFileSystem) end(o *openFile) {
	n := o.node
	n.mu.Lock()
	defer n.mu.Unlock()
	o.ending = true
	if !n.busy() {
		f.unregister(n.backing)
		n.backing = 0
	}
}

// leave undoes join, after end.
func (n *node) leave(o *openFile) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.setOpened(opened{files: slices.DeleteFunc(n.files(), func(other *openFile) bool { return other == o })})
}

// register has the kernel read and write a container by itself. It gives 0 where it may not, and where the kernel refuses, which is not asked again then.
func (f *rawFileSystem) register(o *openFile) int32 {
	if !f.passthrough.Load() || !o.handle.Direct() {
		return 0
	}
	id, errno := f.server.RegisterBackingFd(&fuse.BackingMap{Fd: int32(o.file.Fd())})
	if errno == 0 && id > 0 {
		return id
	}
	f.passthrough.Store(false)
	f.log.Warn("the kernel does not read and write cached files by itself", "file", o.file.Name(), "errno", errno)
	return 0
}

func (f *rawFileSystem) unregister(id int32) {
	if id == 0 {
		return
	}
	if errno := f.server.UnregisterBackingFd(id); errno != 0 {
		f.log.Debug("give up a container that the kernel read and wrote", "errno", errno)
	}
}
