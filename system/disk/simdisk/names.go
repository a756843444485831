package simdisk

import (
	"errors"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/system/disk"
	"github.com/codastress/codastress/system/disk/ailing"
)

// split gives the directory of a path and the last name, which is "" for the root.
func (d *Disk) split(name string) (dir *inode, last string, err error) {
	dir = d.root
	rest := strings.TrimPrefix(path.Clean("/"+name), "/")
	for {
		first, more, deeper := strings.Cut(rest, "/")
		if !deeper {
			return dir, first, nil
		}
		dir = dir.names[first]
		switch {
		case dir == nil:
			return nil, "", unix.ENOENT
		case !dir.isDir():
			return nil, "", unix.ENOTDIR
		}
		rest = more
	}
}

// find gives what is at a path.
func (d *Disk) find(name string) (*inode, error) {
	dir, last, err := d.split(name)
	if err != nil || last == "" {
		return dir, err
	}
	n := dir.names[last]
	if n == nil {
		return nil, unix.ENOENT
	}
	return n, nil
}

// bind makes a name stand for an inode, or nothing.
func (d *Disk) bind(dir *inode, name string, n, partner *inode) {
	was := dir.names[name]
	dir.changes = append(dir.changes, change{number: d.changes, name: name, before: was, partner: partner})
	if n == nil {
		delete(dir.names, name)
	} else {
		dir.names[name] = n
		n.links++
	}
	if was != nil {
		d.unlink(was)
	}
	d.touch(dir)
}

// unlink takes one name away from an inode.
func (d *Disk) unlink(n *inode) {
	n.links--
	if n.links == 0 {
		for _, child := range n.names {
			d.unlink(child)
		}
	}
	d.charge(n)
}

// change runs a call that changes names. The error of f is wrapped.
func (d *Disk) change(op ailing.Operation, name string, f func(dir *inode, last string) error) error {
	err := d.begin(op, name)
	defer d.mu.Unlock()
	if err != nil {
		return err
	}
	dir, last, err := d.split(name)
	if err == nil && last == "" {
		err = unix.EINVAL
	}
	if err == nil {
		d.changes++
		err = f(dir, last)
	}
	if err != nil {
		return &os.PathError{Op: string(op), Path: name, Err: err}
	}
	return nil
}

// Create makes a new file, in place of one that has the name.
func (d *Disk) Create(name string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	var f *file
	err := d.change(ailing.Create, name, func(dir *inode, last string) error {
		if n := dir.names[last]; n != nil && len(n.names) > 0 {
			return unix.ENOTEMPTY // an empty directory is replaced, as by vfs.Default
		}
		n := &inode{}
		d.bind(dir, last, n, nil)
		d.touch(n)
		f = d.handle(n, name, os.O_RDWR)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// OpenFile opens a file of contents.
func (d *Disk) OpenFile(name string, flag int) (disk.File, error) {
	op := ailing.Open
	if flag&os.O_CREATE != 0 {
		op = ailing.Create
	}
	var f *file
	err := d.change(op, name, func(dir *inode, last string) error {
		n := dir.names[last]
		switch {
		case n == nil && flag&os.O_CREATE == 0:
			return unix.ENOENT
		case n == nil:
			n = &inode{}
			d.bind(dir, last, n, nil)
			d.touch(n)
		case flag&(os.O_CREATE|os.O_EXCL) == os.O_CREATE|os.O_EXCL:
			return unix.EEXIST
		case n.isDir() && flag&(os.O_WRONLY|os.O_RDWR|os.O_CREATE|os.O_TRUNC) != 0:
			return unix.EISDIR
		case flag&os.O_TRUNC != 0:
			n.truncate(0, d.generation)
			d.charge(n)
			d.touch(n)
		}
		f = d.handle(n, name, flag)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return contentsFile{f}, nil
}

// Open opens a file or directory for reading.
func (d *Disk) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	return d.open(ailing.Open, name, opts)
}

// OpenDir opens a directory for syncing.
func (d *Disk) OpenDir(name string) (vfs.File, error) { return d.open(ailing.OpenDirectory, name, nil) }

func (d *Disk) open(op ailing.Operation, name string, opts []vfs.OpenOption) (vfs.File, error) {
	err := d.begin(op, name)
	defer d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	n, err := d.find(name)
	if err != nil {
		return nil, &os.PathError{Op: string(op), Path: name, Err: err}
	}
	f := d.handle(n, name, os.O_RDONLY)
	for _, o := range opts {
		o.Apply(f)
	}
	return f, nil
}

// OpenReadWrite opens a file, or makes it.
func (d *Disk) OpenReadWrite(name string, _ vfs.DiskWriteCategory, _ ...vfs.OpenOption) (vfs.File, error) {
	f, err := d.OpenFile(name, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, err
	}
	return f.(contentsFile).file, nil
}

// ReuseForWrite renames a file and opens it.
func (d *Disk) ReuseForWrite(oldname, newname string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	var f *file
	err := d.change(ailing.Reuse, newname, func(dir *inode, last string) error {
		n, err := d.move(oldname, dir, last)
		if err == nil {
			f = d.handle(n, newname, os.O_RDWR)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Rename renames a file or directory, in place of one that has the name.
func (d *Disk) Rename(oldname, newname string) error {
	return d.change(ailing.Rename, newname, func(dir *inode, last string) error {
		_, err := d.move(oldname, dir, last)
		return err
	})
}

// move gives what has a name another one.
func (d *Disk) move(oldname string, to *inode, last string) (*inode, error) {
	from, name, err := d.split(oldname)
	if err != nil {
		return nil, err
	}
	n, was := from.names[name], to.names[last]
	switch {
	case n == nil:
		return nil, unix.ENOENT
	case was != nil && was.isDir():
		return nil, unix.EEXIST // as os.Rename has it, even for an empty one
	case n == was:
		return n, nil
	case n.isDir() && n.holds(to):
		return nil, unix.EINVAL
	case was != nil && n.isDir():
		return nil, unix.ENOTDIR
	}
	var partnerOfFrom, partnerOfTo *inode
	if from != to {
		partnerOfFrom, partnerOfTo = to, from
	}
	d.bind(to, last, n, partnerOfTo)
	d.bind(from, name, nil, partnerOfFrom)
	return n, nil
}

// holds reports whether an inode is a directory itself or somewhere below it.
func (n *inode) holds(other *inode) bool {
	if n == other {
		return true
	}
	for _, child := range n.names {
		if child.isDir() && child.holds(other) {
			return true
		}
	}
	return false
}

// Link gives a file another name.
func (d *Disk) Link(oldname, newname string) error {
	return d.change(ailing.Link, newname, func(dir *inode, last string) error {
		n, err := d.find(oldname)
		switch {
		case err != nil:
			return err
		case dir.names[last] != nil:
			return unix.EEXIST
		case n.isDir():
			return unix.EPERM
		}
		d.bind(dir, last, n, nil)
		return nil
	})
}

// Remove removes a file or an empty directory.
func (d *Disk) Remove(name string) error {
	return d.change(ailing.Remove, name, func(dir *inode, last string) error {
		n := dir.names[last]
		switch {
		case n == nil:
			return unix.ENOENT
		case len(n.names) > 0:
			return unix.ENOTEMPTY
		}
		d.bind(dir, last, nil, nil)
		return nil
	})
}

// RemoveAll removes whatever has a name.
func (d *Disk) RemoveAll(name string) error {
	err := d.begin(ailing.RemoveAll, name)
	defer d.mu.Unlock()
	if err != nil {
		return err
	}
	dir, last, err := d.split(name)
	switch {
	case errors.Is(err, unix.ENOENT):
	case err != nil:
		return &os.PathError{Op: string(ailing.RemoveAll), Path: name, Err: err}
	case dir.names[last] != nil:
		d.changes++
		d.bind(dir, last, nil, nil)
	}
	return nil
}

// MkdirAll makes a directory and those above it.
func (d *Disk) MkdirAll(name string, _ os.FileMode) error {
	err := d.begin(ailing.MakeDirectory, name)
	defer d.mu.Unlock()
	if err != nil {
		return err
	}
	dir := d.root
	for part := range strings.SplitSeq(strings.TrimPrefix(path.Clean("/"+name), "/"), "/") {
		if part == "" {
			return nil
		}
		n := dir.names[part]
		switch {
		case n == nil:
			n = newDirectory(d.clock())
			n.links = 0
			d.changes++
			d.bind(dir, part, n, nil)
		case !n.isDir():
			return failed(ailing.MakeDirectory, name, unix.ENOTDIR)
		}
		dir = n
	}
	return nil
}

// Lock takes a lock that this disk gives once. A copy of the disk has no locks.
func (d *Disk) Lock(name string) (io.Closer, error) {
	err := d.begin(ailing.Lock, name)
	held := d.locks[name]
	if err == nil && !held {
		d.locks[name] = true
	}
	d.mu.Unlock()
	switch {
	case err != nil:
		return nil, err
	case held:
		return nil, failed(ailing.Lock, name, unix.EAGAIN)
	}
	l := lock{d: d, name: name}
	f, err := d.Create(name, vfs.WriteCategoryUnspecified)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		_ = l.Close() // it cannot fail
		return nil, err
	}
	return l, nil
}

type lock struct {
	d    *Disk
	name string
}

// Close lets the lock go.
func (l lock) Close() error {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	delete(l.d.locks, l.name)
	return nil
}

// list gives the names in a directory in order.
func (d *Disk) list(name string) (*inode, []string, error) {
	n, err := d.find(name)
	if err == nil && !n.isDir() {
		err = unix.ENOTDIR
	}
	if err != nil {
		return nil, nil, &os.PathError{Op: string(ailing.List), Path: name, Err: err}
	}
	return n, slices.Sorted(maps.Keys(n.names)), nil
}

// List lists a directory in the order of names.
func (d *Disk) List(name string) ([]string, error) {
	err := d.begin(ailing.List, name)
	defer d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	_, names, err := d.list(name)
	return names, err
}

// Entries lists a directory in the order of names.
func (d *Disk) Entries(name string) ([]disk.Entry, error) {
	err := d.begin(ailing.List, name)
	defer d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	dir, names, err := d.list(name)
	entries := make([]disk.Entry, len(names))
	for i, name := range names {
		entries[i] = disk.Entry{Name: name, Size: dir.names[name].now.size}
	}
	return entries, err
}

// Stat describes what is at a path.
func (d *Disk) Stat(name string) (vfs.FileInfo, error) {
	err := d.begin(ailing.Stat, name)
	defer d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	n, err := d.find(name)
	if err != nil {
		return nil, &os.PathError{Op: string(ailing.Stat), Path: name, Err: err}
	}
	return n.info(name), nil
}

// PathBase gives the last element of a path.
func (*Disk) PathBase(p string) string { return path.Base(p) }

// PathJoin joins the elements of a path.
func (*Disk) PathJoin(elem ...string) string { return path.Join(elem...) }

// PathDir gives all but the last element of a path.
func (*Disk) PathDir(p string) string { return path.Dir(p) }

// unlimited is what a disk without a limit says that it has.
const unlimited = 1 << 40

// GetDiskUsage gives the space of the disk.
func (d *Disk) GetDiskUsage(name string) (vfs.DiskUsage, error) {
	err := d.begin(ailing.Usage, name)
	defer d.mu.Unlock()
	if err != nil {
		return vfs.DiskUsage{}, err
	}
	capacity := d.capacity
	if capacity == 0 {
		capacity = unlimited
	}
	left := max(0, capacity-d.used)
	if left < blockSize {
		d.course.HadNoSpace(ailing.Usage, name)
	}
	return vfs.DiskUsage{TotalBytes: uint64(capacity), UsedBytes: uint64(d.used), AvailBytes: uint64(left)}, nil
}

// Unwrap gives nil: there is nothing below.
func (*Disk) Unwrap() vfs.FS { return nil }
