package venusfs

import (
	"errors"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
)

// inodeNumber is what applications see as an object's inode number: the same on every client and after every restart. It is unique while
// vnode numbers stay below 2^40.
func inodeNumber(f coda.Fid) uint64 { return uint64(f.Volume)<<40 ^ f.Vnode }

// typeBits gives a kind in the way of stat(2).
func typeBits(k coda.ObjectKind) uint32 {
	switch k {
	case coda.Directory:
		return unix.S_IFDIR
	case coda.Symlink:
		return unix.S_IFLNK
	case coda.File:
		return unix.S_IFREG
	default:
		return 0 // of an entry of which a listing does not tell
	}
}

// setAttr gives a status in the way of stat(2). Coda keeps one time, and an owner but no group.
func setAttr(out *fuse.Attr, s coda.Status) {
	at := s.Modified.Standard()
	seconds, nanoseconds := uint64(at.Unix()), uint32(at.Nanosecond())
	*out = fuse.Attr{
		Ino: inodeNumber(s.Fid), Size: s.Length, Blocks: (s.Length + 511) / 512, Blksize: 4096,
		Atime: seconds, Mtime: seconds, Ctime: seconds, Atimensec: nanoseconds, Mtimensec: nanoseconds, Ctimensec: nanoseconds,
		Mode: typeBits(s.Kind) | s.Mode&coda.ModeMask, Nlink: s.Links, Owner: fuse.Owner{Uid: s.Owner, Gid: s.Owner},
	}
}

// tellEntry answers a request that gives the kernel a name's object.
func (f *rawFileSystem) tellEntry(n *node, s coda.Status, out *fuse.EntryOut) {
	out.NodeId = n.id
	if !severalNames(s) {
		out.SetEntryTimeout(f.options.EntryTimeout)
		out.SetAttrTimeout(f.options.AttributeTimeout)
	}
	s, _ = n.view(s)
	setAttr(&out.Attr, s)
}

// severalNames reports whether the kernel must not believe anything of a file for a while. Its names can lead to nodes of several versions: who has
// written to it by one name would find the old length by another.
func severalNames(s coda.Status) bool { return s.Kind == coda.File && s.Links > 1 }

// GetAttr answers stat(2).
func (f *rawFileSystem) GetAttr(cancel <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	n := f.nodes.get(in.NodeId)
	if n == nil {
		return fuse.EIO
	}
	r := f.begin(cancel, in.Uid)
	defer r.end()
	s, err := f.attributes(r, n)
	if err != nil {
		return r.status(err)
	}
	if s.Kind != n.kind {
		return errAgain // a conflict has taken the object's place, or given it up
	}
	f.tellAttributes(n, s, out)
	return fuse.OK
}

// tellAttributes answers a request for attributes. Where the file contains something else by now than the kernel knows of the node, nobody can be
// given the new attributes by way of it: its length must not change under those who are opening it. Its names lead to another node when they are
// looked up again.
func (f *rawFileSystem) tellAttributes(n *node, s coda.Status, out *fuse.AttrOut) {
	s, current := n.view(s)
	setAttr(&out.Attr, s)
	if current && !severalNames(s) {
		out.SetTimeout(f.options.AttributeTimeout)
	}
}

// attributes asks for an object's attributes. What was removed while it is open keeps those that it had, without a name.
func (f *rawFileSystem) attributes(r *request, n *node) (coda.Status, error) {
	s, err := f.fs.GetAttributes(r, n.fid)
	if err == nil {
		return s, nil
	}
	last, ok := n.lastStatus()
	if !ok {
		return coda.Status{}, err
	}
	if coda.KindOf(err) == coda.NotFound {
		last.Links = 0
	}
	return last, nil
}

// lastStatus is what is known here of an object that is open. It reports false of others.
func (n *node) lastStatus() (coda.Status, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.directories()) > 0 {
		return n.directories()[0].status, true
	}
	if len(n.files()) == 0 {
		return coda.Status{}, false
	}
	o := n.files()[0]
	s := o.version.in(o.status)
	if o.writes {
		if v, err := o.written(); err == nil {
			s.Length, s.Digest = v.length, v.digest
		}
	}
	return s, true
}

// SetAttr answers chmod(2), chown(2), truncate(2), utimensat(2) and the like.
func (f *rawFileSystem) SetAttr(cancel <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	n := f.nodes.get(in.NodeId)
	if n == nil {
		return fuse.EIO
	}
	r := f.begin(cancel, in.Uid)
	defer r.end()
	changes := changesOf(in)
	var s coda.Status
	var err error
	if changes.Length != nil {
		if s, err = f.setLength(r, n, in, *changes.Length); errors.Is(err, errDetour) {
			return errAgain
		}
		changes.Length = nil
	}
	if err == nil && changes != (venus.Changes{}) {
		if s, err = f.fs.SetAttributes(r, n.fid, changes); coda.KindOf(err) == coda.NotFound && n.keep(changes) {
			s, err = f.attributes(r, n)
		}
	} else if err == nil && s.Fid.IsZero() {
		s, err = f.attributes(r, n)
	}
	if err != nil {
		return r.status(err)
	}
	f.tellAttributes(n, s, out)
	return fuse.OK
}

var errDetour = errors.New("the thread must find another node")

// setLength truncates a file, or extends it with zeros. Where that is done by the name of the file it is acknowledged as a close is.
func (f *rawFileSystem) setLength(r *request, n *node, in *fuse.SetAttrIn, length uint64) (coda.Status, error) {
	opened, back := f.endDetour(n.fid, in.Pid)
	if opened != nil {
		f.discard(opened.handle)
	}
	if number, byFile := in.GetFh(); byFile {
		o := f.files.get(number)
		if o == nil {
			return coda.Status{}, coda.Errorf("truncate "+n.fid.String(), coda.Invalid, "no open file has the number %d", number)
		}
		if err := o.handle.Truncate(r, length); err != nil {
			return coda.Status{}, err
		}
		return f.attributes(r, n)
	}
	if f.claim(r, n, false, in.Pid) {
		defer n.unclaim()
	} else if !back && f.detours.begin(n.fid, in.Pid, nil) {
		return coda.Status{}, errDetour // it is open with other contents, whose length must not change
	}
	s, err := f.fs.SetAttributes(r, n.fid, venus.Changes{Length: &length})
	if err == nil {
		n.mu.Lock()
		defer n.mu.Unlock()
		if !n.busy() {
			n.bound = versionOf(s)
			n.tainted = true
		}
	}
	return s, err
}

// changesOf gives what a request changes of what Coda keeps. Groups, the time of access and the set-id bits are not kept.
func changesOf(in *fuse.SetAttrIn) venus.Changes {
	var c venus.Changes
	if mode, ok := in.GetMode(); ok {
		mode &= coda.ModeMask
		c.Mode = &mode
	}
	if owner, ok := in.GetUID(); ok {
		c.Owner = &owner
	}
	if length, ok := in.GetSize(); ok {
		c.Length = &length
	}
	if at, ok := in.GetMTime(); ok {
		at = at.Round(0)
		c.Modified = &at
	}
	return c
}

// keep changes the attributes of a file that was removed while it is open. It reports false if it is not open.
func (n *node) keep(c venus.Changes) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, o := range n.files() {
		if c.Mode != nil {
			o.status.Mode = *c.Mode
		}
		if c.Owner != nil {
			o.status.Owner = *c.Owner
		}
		if c.Modified != nil {
			o.status.Modified = coda.TimeOf(*c.Modified)
		}
	}
	return len(n.files()) > 0 && c.Length == nil
}
