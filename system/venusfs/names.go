package venusfs

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/system/coda"
)

// Lookup finds what a name stands for.
func (f *rawFileSystem) Lookup(cancel <-chan struct{}, header *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	return f.make(cancel, header, out, func(r *request, dir coda.Fid) (coda.Status, error) {
		return f.fs.Lookup(r, dir, name)
	})
}

// make answers a request that gives the kernel a name's object.
func (f *rawFileSystem) make(
	cancel <-chan struct{}, header *fuse.InHeader, out *fuse.EntryOut, get func(r *request, dir coda.Fid) (coda.Status, error),
) fuse.Status {
	dir := f.nodes.get(header.NodeId)
	if dir == nil {
		return fuse.EIO
	}
	r := f.begin(cancel, header.Uid)
	defer r.end()
	s, err := get(r, dir.fid)
	if err != nil {
		return r.status(err)
	}
	w, v := want{thread: header.Pid}, versionOf(s)
	d, detour := f.detours.find(s.Fid, header.Pid)
	if detour {
		w.opens, w.writes = true, d.opened == nil
		if d.opened != nil {
			v = d.opened.version
		}
	}
	f.tellEntry(f.nodes.enter(s, v, w), s, out)
	if detour && !w.writes {
		// Others who ask for the name later need not mean the contents that were opened for this thread.
		out.SetEntryTimeout(0)
	}
	return fuse.OK
}

// change answers a request that gives nothing but success.
func (f *rawFileSystem) change(cancel <-chan struct{}, header *fuse.InHeader, do func(r *request, dir coda.Fid) error) fuse.Status {
	dir := f.nodes.get(header.NodeId)
	if dir == nil {
		return fuse.EIO
	}
	r := f.begin(cancel, header.Uid)
	defer r.end()
	return r.status(do(r, dir.fid))
}

// Forget takes references to a node away.
func (f *rawFileSystem) Forget(id, lookups uint64) { f.nodes.forget(id, lookups) }

// Mkdir makes a directory.
func (f *rawFileSystem) Mkdir(cancel <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	return f.make(cancel, &in.InHeader, out, func(r *request, dir coda.Fid) (coda.Status, error) {
		return f.fs.MakeDirectory(r, dir, name, in.Mode&coda.ModeMask, in.Uid)
	})
}

// Mknod makes a regular file. Coda has no other special files.
func (f *rawFileSystem) Mknod(cancel <-chan struct{}, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	if in.Mode&unix.S_IFMT != unix.S_IFREG {
		return fuse.EPERM
	}
	return f.make(cancel, &in.InHeader, out, func(r *request, dir coda.Fid) (coda.Status, error) {
		flags := openFlags(unix.O_WRONLY | unix.O_EXCL)
		s, handle, err := f.fs.Create(r, dir, name, in.Mode&coda.ModeMask, in.Uid, flags)
		if err != nil {
			return s, err
		}
		return s, handle.Close(r)
	})
}

// Symlink makes a symbolic link.
func (f *rawFileSystem) Symlink(
	cancel <-chan struct{}, header *fuse.InHeader, target, name string, out *fuse.EntryOut,
) fuse.Status {
	return f.make(cancel, header, out, func(r *request, dir coda.Fid) (coda.Status, error) {
		return f.fs.MakeSymlink(r, dir, name, target, header.Uid)
	})
}

// Readlink gives a symbolic link's target.
func (f *rawFileSystem) Readlink(cancel <-chan struct{}, header *fuse.InHeader) ([]byte, fuse.Status) {
	var target string
	status := f.change(cancel, header, func(r *request, link coda.Fid) (err error) {
		target, err = f.fs.ReadLink(r, link)
		return err
	})
	return []byte(target), status
}

// Link gives a file another name.
func (f *rawFileSystem) Link(cancel <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	old := f.nodes.get(in.Oldnodeid)
	if old == nil {
		return fuse.EIO
	}
	return f.make(cancel, &in.InHeader, out, func(r *request, dir coda.Fid) (coda.Status, error) {
		return f.fs.Link(r, dir, name, old.fid)
	})
}

// Unlink takes a name of a file or symlink away.
func (f *rawFileSystem) Unlink(cancel <-chan struct{}, header *fuse.InHeader, name string) fuse.Status {
	return f.change(cancel, header, func(r *request, dir coda.Fid) error { return f.fs.Remove(r, dir, name) })
}

// Rmdir removes an empty directory.
func (f *rawFileSystem) Rmdir(cancel <-chan struct{}, header *fuse.InHeader, name string) fuse.Status {
	return f.change(cancel, header, func(r *request, dir coda.Fid) error { return f.fs.RemoveDirectory(r, dir, name) })
}

// Rename moves an object. Of renameat2(2)'s flags only RENAME_NOREPLACE is known.
func (f *rawFileSystem) Rename(cancel <-chan struct{}, in *fuse.RenameIn, from, to string) fuse.Status {
	if in.Flags&^unix.RENAME_NOREPLACE != 0 {
		return fuse.EINVAL
	}
	target := f.nodes.get(in.Newdir)
	if target == nil {
		return fuse.EIO
	}
	return f.change(cancel, &in.InHeader, func(r *request, dir coda.Fid) error {
		return f.fs.Rename(r, dir, from, target.fid, to, in.Flags&unix.RENAME_NOREPLACE != 0)
	})
}
