package venusfs

import (
	"slices"
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/system/coda"
)

// openDirectory is an open directory. It gives the names that there were when it was read from its beginning, so that a
// reading ends however the directory changes meanwhile.
type openDirectory struct {
	node   *node
	status coda.Status // when it was opened

	mu      sync.Mutex
	parent  coda.Fid // itself at the root
	entries []coda.Entry
	read    bool
}

// OpenDir opens a directory.
func (f *rawFileSystem) OpenDir(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	n := f.nodes.use(in.NodeId)
	if n == nil {
		return fuse.EIO
	}
	r := f.begin(cancel, in.Uid)
	defer r.end()
	status, err := f.fs.GetAttributes(r, n.fid)
	if err != nil {
		f.nodes.leave(n)
		return r.status(err)
	}
	d := &openDirectory{node: n, status: status}
	n.mu.Lock()
	n.setOpened(opened{directories: append(n.directories(), d)})
	n.mu.Unlock()
	out.Fh = f.directories.add(d)
	return fuse.OK
}

// ReleaseDir ends an open directory.
func (f *rawFileSystem) ReleaseDir(in *fuse.ReleaseIn) {
	d := f.directories.take(in.Fh)
	if d == nil {
		return
	}
	n := d.node
	n.mu.Lock()
	n.setOpened(opened{directories: slices.DeleteFunc(n.directories(), func(other *openDirectory) bool { return other == d })})
	n.mu.Unlock()
	f.nodes.leave(n)
}

// ReadDir gives names from an offset on: that of an entry is its place, after "." and "..".
func (f *rawFileSystem) ReadDir(cancel <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	d := f.directories.get(in.Fh)
	if d == nil {
		return fuse.EBADF
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.read || in.Offset == 0 {
		r := f.begin(cancel, in.Uid)
		defer r.end()
		entries, err := f.fs.ReadDirectory(r, d.node.fid)
		if err != nil {
			return r.status(err)
		}
		for i, e := range entries {
			entries[i] = f.fs.Listed(e)
		}
		d.entries, d.read = entries, true
		d.parent = d.node.fid
		if s, err := f.fs.GetAttributes(r, d.node.fid); err == nil && !s.Parent.IsZero() {
			d.parent = s.Parent
		}
	}
	for i := in.Offset; i < uint64(len(d.entries))+2; i++ {
		if !out.AddDirEntry(d.entry(i)) {
			break
		}
	}
	return fuse.OK
}

func (d *openDirectory) entry(i uint64) fuse.DirEntry {
	switch i {
	case 0:
		return fuse.DirEntry{Name: ".", Mode: unix.S_IFDIR, Ino: inodeNumber(d.node.fid), Off: 1}
	case 1:
		return fuse.DirEntry{Name: "..", Mode: unix.S_IFDIR, Ino: inodeNumber(d.parent), Off: 2}
	default:
		e := d.entries[i-2]
		return fuse.DirEntry{Name: e.Name, Mode: typeBits(e.Kind), Ino: inodeNumber(e.Fid), Off: i + 1}
	}
}

// FsyncDir makes the changes of names survive a loss of power.
func (f *rawFileSystem) FsyncDir(<-chan struct{}, *fuse.FsyncIn) fuse.Status {
	r := f.beginFinal()
	defer r.end()
	return r.status(f.fs.Sync(r))
}
