package simdisk

import (
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/system/disk"
	"github.com/codastress/codastress/system/disk/ailing"
)

// file is an open file. Disk.mu guards what changes.
type file struct {
	d        *Disk
	n        *inode
	name     string
	readable bool
	writable bool

	position int64
	wrote    bool
	closed   bool
}

// contentsFile is a file as OpenFile gives it.
type contentsFile struct{ *file }

var (
	_ vfs.File  = (*file)(nil)
	_ disk.File = contentsFile{}
)

// handle opens an inode. d.mu is held.
func (d *Disk) handle(n *inode, name string, flag int) *file {
	n.handles++
	access := flag & (os.O_WRONLY | os.O_RDWR)
	return &file{d: d, n: n, name: name, readable: access != os.O_WRONLY, writable: access != os.O_RDONLY}
}

// begin is Disk.begin for a call on an open file.
func (f *file) begin(op ailing.Operation, allowed bool) error {
	err := f.d.begin(op, f.name)
	switch {
	case f.closed:
		return &fs.PathError{Op: string(op), Path: f.name, Err: fs.ErrClosed}
	case err != nil:
		return err
	case !allowed:
		return failed(op, f.name, unix.EBADF)
	}
	return nil
}

// Name is the path that the file was opened with.
func (f *file) Name() string { return f.name }

// Fd gives vfs.InvalidFd.
func (*file) Fd() uintptr { return vfs.InvalidFd }

// OS gives nil.
func (contentsFile) OS() *os.File { return nil }

// Direct gives false.
func (contentsFile) Direct() bool { return false }

// Read reads from the position on.
func (f *file) Read(p []byte) (int, error) {
	err := f.begin(ailing.Read, f.readable)
	defer f.d.mu.Unlock()
	if err != nil {
		return 0, err
	}
	n, err := f.read(p, f.position)
	f.position += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

// ReadAt reads from an offset on.
func (f *file) ReadAt(p []byte, offset int64) (int, error) {
	err := f.begin(ailing.Read, f.readable)
	defer f.d.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return f.read(p, offset)
}

func (f *file) read(p []byte, offset int64) (int, error) {
	c := &f.n.now
	switch {
	case f.n.isDir():
		return 0, failed(ailing.Read, f.name, unix.EISDIR)
	case offset < 0:
		return 0, failed(ailing.Read, f.name, unix.EINVAL)
	case len(p) == 0:
		return 0, nil
	case offset >= c.size:
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), c.size-offset))
	for done := 0; done < n; {
		at := offset + int64(done)
		from := int(at % blockSize)
		length := min(n-done, blockSize-from)
		c.at(int(at/blockSize)).read(p[done:done+length], from)
		done += length
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Write writes at the position.
func (f *file) Write(p []byte) (int, error) {
	err := f.begin(ailing.Write, f.writable)
	defer f.d.mu.Unlock()
	n, err := f.write(p, f.position, err)
	f.position += int64(n)
	return n, err
}

// WriteAt writes at an offset.
func (f *file) WriteAt(p []byte, offset int64) (int, error) {
	err := f.begin(ailing.Write, f.writable)
	defer f.d.mu.Unlock()
	return f.write(p, offset, err)
}

// write writes, only half of it where a fault says that it fails.
func (f *file) write(p []byte, offset int64, fault error) (int, error) {
	if f.closed || !f.writable {
		return 0, fault
	}
	if offset < 0 {
		return 0, failed(ailing.Write, f.name, unix.EINVAL)
	}
	if fault != nil {
		p = p[:len(p)/2]
	}
	f.writing()
	done := 0
	for done < len(p) {
		at := offset + int64(done)
		i, from := int(at/blockSize), int(at%blockSize)
		if f.n.now.at(i) == nil && f.d.full(f.n, f.n.now.space()+blockSize) {
			fault = f.d.noSpace(ailing.Write, f.name)
			break
		}
		length := min(len(p)-done, blockSize-from)
		f.n.now.store(i, from, p[done:done+length], f.d.generation)
		f.d.charge(f.n)
		done += length
	}
	if done > 0 {
		f.n.now.grow(offset + int64(done))
		f.d.touch(f.n)
	}
	return done, fault
}

// writing notes that the file is one of those that write.
func (f *file) writing() {
	if !f.wrote {
		f.wrote = true
		f.n.writers++
	}
}

// Truncate sets the length.
func (f *file) Truncate(size int64) error {
	err := f.begin(ailing.Truncate, f.writable)
	defer f.d.mu.Unlock()
	if err == nil && size < 0 {
		err = failed(ailing.Truncate, f.name, unix.EINVAL)
	}
	if err != nil {
		return err
	}
	f.n.truncate(size, f.d.generation)
	f.d.charge(f.n)
	f.d.touch(f.n)
	return nil
}

// SetModified sets the time of modification.
func (f *file) SetModified(t time.Time) error {
	err := f.begin(ailing.SetModified, true)
	defer f.d.mu.Unlock()
	if err == nil {
		f.d.touch(f.n)
		f.n.modified = t
	}
	return err
}

// Allocate makes the file at least so long and takes the space for it.
func (f *file) Allocate(size int64) error {
	err := f.begin(ailing.Allocate, f.writable)
	defer f.d.mu.Unlock()
	reserved := int64(blocksOf(size)) * blockSize
	if err == nil && f.d.full(f.n, reserved) {
		err = f.d.noSpace(ailing.Allocate, f.name)
	}
	if err != nil {
		return err
	}
	f.n.reserved = max(f.n.reserved, reserved)
	f.n.now.grow(size)
	f.d.charge(f.n)
	f.d.touch(f.n)
	return nil
}

// CopyFrom replaces the contents. Those of a file on the same disk are shared.
func (f contentsFile) CopyFrom(from disk.File) error {
	source, ok := from.(contentsFile)
	if !ok || source.d != f.d {
		_, err := io.Copy(io.NewOffsetWriter(f, 0), io.NewSectionReader(from, 0, 1<<62))
		return err
	}
	err := f.begin(ailing.Copy, f.writable)
	defer f.d.mu.Unlock()
	c := &source.n.now
	switch {
	case err != nil:
		return err
	case source.closed || !source.readable:
		return failed(ailing.Copy, source.name, unix.EBADF)
	case f.d.full(f.n, c.space()):
		return f.d.noSpace(ailing.Copy, f.name)
	}
	f.writing()
	c.share(f.d.generation)
	f.n.truncate(0, f.d.generation)
	for i, b := range c.blocks {
		f.n.now.set(i, b, f.d.generation)
	}
	f.n.now.grow(c.size)
	f.d.charge(f.n)
	f.d.touch(f.n)
	return nil
}

// Preallocate does nothing: it is a hint.
func (*file) Preallocate(int64, int64) error { return nil }

// Prefetch does nothing: it is a hint.
func (*file) Prefetch(int64, int64) error { return nil }

// Sync makes a file's contents or a directory's names safe.
func (f *file) Sync() error {
	op := ailing.Sync
	if f.n.isDir() {
		op = ailing.SyncDirectory
	}
	err := f.begin(op, true)
	defer f.d.mu.Unlock()
	if err != nil {
		return err
	}
	f.d.settle(f.n)
	return nil
}

// SyncData is Sync.
func (f *file) SyncData() error { return f.Sync() }

// SyncTo does nothing: whoever gets false for an answer was promised nothing.
func (*file) SyncTo(int64) (bool, error) { return false, nil }

// Close closes the file. The last writer's close shares the contents with all that are equal.
func (f *file) Close() error { return f.close(false) }

// Close closes the file.
func (f contentsFile) Close() error { return f.close(true) }

func (f *file) close(share bool) error {
	err := f.begin(ailing.Close, true)
	defer f.d.mu.Unlock()
	if f.closed {
		return err
	}
	f.closed = true
	f.n.handles--
	if f.wrote {
		f.n.writers--
		if share && f.n.writers == 0 {
			f.n.now.intern(f.d.generation)
		}
	}
	f.d.charge(f.n)
	return err
}

// Stat describes the file.
func (f *file) Stat() (vfs.FileInfo, error) {
	err := f.begin(ailing.Stat, true)
	defer f.d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return f.n.info(f.name), nil
}

// Stat describes the file.
func (f contentsFile) Stat() (fs.FileInfo, error) { return f.file.Stat() }

// info describes an inode.
func (n *inode) info(name string) info {
	return info{name: path.Base(name), size: n.now.size, modified: n.modified, dir: n.isDir()}
}

type info struct {
	name     string
	size     int64
	modified time.Time
	dir      bool
}

func (i info) Name() string { return i.name }

func (i info) Size() int64 { return i.size }

func (i info) ModTime() time.Time { return i.modified }

func (i info) IsDir() bool { return i.dir }

func (info) Sys() any { return nil }

// DeviceID gives the zero value: there is no device.
func (info) DeviceID() vfs.DeviceID { return vfs.DeviceID{} }

func (i info) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o700
	}
	return 0o600
}
