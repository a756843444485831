package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"
)

// Dependable is a file system for a store that cannot bear a disk that refuses its writes, as Pebble cannot: some refusals make it panic with its locks
// held, others it tries again at once and for ever. Here no call that writes returns such an error. Where there is no space it waits for some; any
// other refusal is fatal. So is a sync for which there is no space, since the kernel may have forgotten what it was to save.
//
// Calls that read, and removals, fail as they do: nothing is lost by that.
type Dependable struct {
	vfs.FS

	// Full is called when a write finds no space, before it waits. It may make some.
	Full func()
	// Fatal is called with the refusal. It ends the process, and returns only where nothing that the process does reaches anybody any more, as in a
	// simulation; then the disk takes everything, and the call is repeated.
	Fatal func(error)
}

// spacePause is how long a write waits until it looks again whether there is space.
const spacePause = 10 * time.Millisecond

// insist repeats a call until the disk takes it.
func (d *Dependable) insist(what, name string, needsSpace bool, call func() error) error {
	for {
		err := call()
		if err == nil || outside(err) {
			return err
		}
		if needsSpace && NoSpace(err) {
			d.Full()
			time.Sleep(spacePause)
		} else {
			d.Fatal(fmt.Errorf("%s %s: %w", what, name, err))
		}
	}
}

// outside says whether an error is no refusal of the disk: what the names stand for is the caller's affair.
func outside(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrClosed)
}

// NoSpace says whether an error is for want of space.
func NoSpace(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// open repeats a call that opens a file for writing.
func (d *Dependable) open(what, name string, call func() (vfs.File, error)) (vfs.File, error) {
	var f vfs.File
	err := d.insist(what, name, true, func() (err error) {
		f, err = call()
		return err
	})
	if err != nil {
		return nil, err
	}
	return &dependableFile{File: f, on: d, name: name}, nil
}

// Create implements vfs.FS.
func (d *Dependable) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return d.open("make", name, func() (vfs.File, error) { return d.FS.Create(name, category) })
}

// ReuseForWrite implements vfs.FS.
func (d *Dependable) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return d.open("reuse", newname, func() (vfs.File, error) { return d.FS.ReuseForWrite(oldname, newname, category) })
}

// OpenReadWrite implements vfs.FS.
func (d *Dependable) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return d.open("open", name, func() (vfs.File, error) { return d.FS.OpenReadWrite(name, category, opts...) })
}

// OpenDir implements vfs.FS. A directory is opened to be synced.
func (d *Dependable) OpenDir(name string) (vfs.File, error) {
	return d.open("open", name, func() (vfs.File, error) { return d.FS.OpenDir(name) })
}

// Link implements vfs.FS.
func (d *Dependable) Link(oldname, newname string) error {
	return d.insist("link", newname, true, func() error { return d.FS.Link(oldname, newname) })
}

// Rename implements vfs.FS.
func (d *Dependable) Rename(oldname, newname string) error {
	return d.insist("rename", newname, true, func() error { return d.FS.Rename(oldname, newname) })
}

// MkdirAll implements vfs.FS.
func (d *Dependable) MkdirAll(dir string, perm os.FileMode) error {
	return d.insist("make", dir, true, func() error { return d.FS.MkdirAll(dir, perm) })
}

// Unwrap implements vfs.FS.
func (d *Dependable) Unwrap() vfs.FS { return d.FS }

// dependableFile is a file that was opened for writing.
type dependableFile struct {
	vfs.File
	on   *Dependable
	name string
}

// Write writes all of p.
func (f *dependableFile) Write(p []byte) (written int, err error) {
	err = f.on.insist("write", f.name, true, func() error {
		n, err := f.File.Write(p[written:])
		written += n
		return err
	})
	return written, err
}

// WriteAt writes all of p.
func (f *dependableFile) WriteAt(p []byte, offset int64) (written int, err error) {
	err = f.on.insist("write", f.name, true, func() error {
		n, err := f.File.WriteAt(p[written:], offset+int64(written))
		written += n
		return err
	})
	return written, err
}

// Sync implements vfs.File.
func (f *dependableFile) Sync() error { return f.on.insist("sync", f.name, false, f.File.Sync) }

// SyncData implements vfs.File.
func (f *dependableFile) SyncData() error { return f.on.insist("sync", f.name, false, f.File.SyncData) }

// SyncTo implements vfs.File.
func (f *dependableFile) SyncTo(length int64) (full bool, err error) {
	err = f.on.insist("sync", f.name, false, func() (err error) {
		full, err = f.File.SyncTo(length)
		return err
	})
	return full, err
}

// Close implements vfs.File. What was written may be refused only now; the file is closed all the same.
func (f *dependableFile) Close() error {
	if err := f.File.Close(); err != nil && !outside(err) {
		f.on.Fatal(fmt.Errorf("close %s: %w", f.name, err))
	}
	return nil
}
