package venusfs

import (
	"context"
	"math"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
)

// errAgain makes the kernel walk the path once more and ask again what every name on it stands for.
const errAgain = fuse.Status(syscall.ESTALE)

// Open opens a file for the kernel.
func (f *rawFileSystem) Open(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	n := f.nodes.use(in.NodeId)
	if n == nil {
		return fuse.EIO
	}
	r := f.begin(cancel, in.Uid)
	defer r.end()
	flags := openFlags(in.Flags)
	status := fuse.OK
	if flags.Write {
		status = f.openWriter(r, n, flags, in.Pid, out)
	} else {
		status = f.openReader(r, n, flags, in.Pid, out)
	}
	if !status.Ok() {
		f.nodes.leave(n)
	}
	return status
}

// openReader opens a file for reading, unless its thread must find a better node first. What has been opened waits for it then.
func (f *rawFileSystem) openReader(r *request, n *node, flags venus.OpenFlags, thread uint32, out *fuse.OpenOut) fuse.Status {
	o, back := f.endDetour(n.fid, thread)
	if o == nil {
		var err error
		if o, err = f.openFile(r, n, flags); err != nil {
			return f.refused(r, n, thread, back, err)
		}
	}
	if f.join(n, o, thread, false, back || thread == 0, out) {
		return fuse.OK
	}
	f.detours.begin(n.fid, thread, o)
	return errAgain
}

// openWriter opens a file for writing, unless its thread must find a better node first. That is decided before anything is opened: to close such
// a handle again would publish what others are writing to the same container.
func (f *rawFileSystem) openWriter(r *request, n *node, flags venus.OpenFlags, thread uint32, out *fuse.OpenOut) fuse.Status {
	opened, back := f.endDetour(n.fid, thread)
	if opened != nil {
		f.discard(opened.handle) // it was opened for reading
	}
	claimed := f.claim(r, n, flags.Truncate, thread)
	if claimed {
		defer n.unclaim()
	} else if !back && f.detours.begin(n.fid, thread, nil) {
		return errAgain
	}
	o, err := f.openFile(r, n, flags)
	if err != nil {
		return f.refused(r, n, thread, back, err)
	}
	f.join(n, o, thread, flags.Truncate, true, out)
	return fuse.OK
}

// refused answers an open that failed. Where the file is gone its thread walks the path again, once: the name can stand for another one by now, which took
// its place, and then no moment was without.
func (f *rawFileSystem) refused(r *request, n *node, thread uint32, back bool, err error) fuse.Status {
	if coda.KindOf(err) == coda.NotFound && !back && f.detours.begin(n.fid, thread, nil) {
		return errAgain
	}
	return r.status(err)
}

// claim claims a node for writing if it has the contents that the writer will find.
func (f *rawFileSystem) claim(r *request, n *node, truncate bool, thread uint32) bool {
	var now coda.Status
	known := false
	if !truncate {
		var err error
		now, err = f.fs.GetAttributes(r, n.fid)
		known = err == nil // otherwise the open will say what is wrong
	}
	return f.nodes.claim(n, thread, func() bool { return !known || n.busy() || n.bound.agrees(versionOf(now)) })
}

// openFile opens a file.
func (f *rawFileSystem) openFile(r *request, n *node, flags venus.OpenFlags) (*openFile, error) {
	handle, err := f.fs.OpenFile(r, n.fid, flags)
	if err != nil {
		return nil, err
	}
	o, err := newOpenFile(r, handle, flags)
	if err != nil {
		f.discard(handle)
		return nil, err
	}
	return o, nil
}

// discard closes a handle that the kernel was not given.
func (f *rawFileSystem) discard(handle Handle) {
	r := f.beginFinal()
	defer r.end()
	if err := handle.Close(r); err != nil {
		f.log.Warn("close a file that was not needed", "error", err)
	}
}

// Create makes a file and opens it. Without O_EXCL it may exist already: the kernel's knowledge that it does not may be old.
func (f *rawFileSystem) Create(cancel <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	dir := f.nodes.get(in.NodeId)
	if dir == nil {
		return fuse.EIO
	}
	r := f.begin(cancel, in.Uid)
	defer r.end()
	flags := openFlags(in.Flags)
	status, handle, err := f.fs.Create(r, dir.fid, name, in.Mode&coda.ModeMask, in.Uid, flags)
	if err != nil {
		return r.status(err)
	}
	o, err := newOpenFile(r, handle, flags)
	if err != nil {
		f.discard(handle)
		return r.status(err)
	}
	n := f.nodes.enter(status, o.version, want{opens: true, writes: flags.Write, thread: in.Pid})
	f.nodes.use(n.id)
	f.tellEntry(n, status, &out.EntryOut)
	claimed := flags.Write && f.nodes.claim(n, in.Pid, func() bool { return true })
	f.join(n, o, in.Pid, flags.Truncate, true, &out.OpenOut)
	if claimed {
		n.unclaim()
	}
	return fuse.OK
}

// Flush is called at each close(2) of a descriptor that can write.
func (f *rawFileSystem) Flush(_ <-chan struct{}, in *fuse.FlushIn) fuse.Status {
	o := f.files.get(in.Fh)
	if o == nil {
		return fuse.EBADF
	}
	if !o.writes {
		return fuse.OK
	}
	f.locks.release(lockSpace{fid: o.node.fid}, lock{end: math.MaxUint64, owner: in.LockOwner})
	r := f.beginFinal()
	defer r.end()
	if err := o.handle.Flush(r); err != nil {
		return r.status(err)
	}
	f.rebind(r, o)
	return fuse.OK
}

// rebind gives a node the contents that were written by way of it and have been flushed. The kernel wrote them itself, so its length and its pages
// are theirs.
func (f *rawFileSystem) rebind(r *request, o *openFile) {
	v, err := o.written()
	if s, statusErr := o.handle.Status(r); err == nil && statusErr == nil && s.Length == v.length {
		v.digest, v.modified = s.Digest, s.Modified
	}
	n := o.node
	n.mu.Lock()
	defer n.mu.Unlock()
	if err == nil && !o.apart {
		n.bound = v
	}
}

// Release is called when the last descriptor of an open file has gone, and its last mapping where the kernel does not map the container by
// itself. Nobody waits for it.
func (f *rawFileSystem) Release(_ <-chan struct{}, in *fuse.ReleaseIn) {
	if o := f.files.take(in.Fh); o != nil {
		f.close(o, o.handle.Close)
	}
}

// close ends an open file in a way of its handle.
func (f *rawFileSystem) close(o *openFile, end func(context.Context) error) {
	f.end(o)
	r := f.beginFinal()
	defer r.end()
	if err := end(r); err != nil {
		f.log.Error("close a file", "fid", o.node.fid, "error", err)
	}
	f.locks.releaseFile(o.node.fid, o)
	o.node.leave(o)
	f.nodes.leave(o.node)
}
