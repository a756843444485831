package ailing

import (
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/system/disk"
)

// Disk is a disk below which another one does the work, and that works as badly as it is told to. While it is healthy, each call costs the look at one flag
// more than it did. It is safe for concurrent use.
//
// A call that fails has done nothing, but for a write, which has written the first half. A full disk has the space that was there when it got full, and what is
// given back since then: by removing, replacing or shortening files. What is removed while somebody has it open counts as given back at once. A write takes
// space where it makes the file longer, not where it fills a hole, and one for which there is not enough writes what fits.
type Disk struct {
	disk.FS
	keep func(Record)

	ails atomic.Bool

	mu     sync.Mutex // never held while waiting
	course Course
	space  int64 // of a full disk: what was given back and not taken again
}

// A Record is all that the next life of a process needs in order to go on with the same disk.
type Record struct {
	Health Health
	Harm   Harm
	Met    int   // calls of the kinds that the health refuses
	Space  int64 // that a full disk has again
}

// New gives a disk that works as well as the one below it until it is told otherwise. keep is given what the next life of the process would need, before each
// call that a bad disk harms or counts returns: one call at a time, which must not use the disk. It may be nil.
func New(below disk.FS, keep func(Record)) *Disk {
	if keep == nil {
		keep = func(Record) {}
	}
	return &Disk{FS: below, keep: keep}
}

// SetHealth makes the disk work well or badly from now on. Calls that are stalled go on as soon as the disk is not.
func (d *Disk) SetHealth(h Health) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.course.Set(h)
	d.space = 0
	d.ails.Store(h.ails())
	d.keep(d.record())
}

// Resume goes on with what an earlier life has left. Nothing may have used the disk before.
func (d *Disk) Resume(r Record) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.course.resume(r)
	d.space = r.Space
	d.ails.Store(r.Health.ails())
}

// Harm gives what the health of the disk has done so far. Calls count while the disk ails.
func (d *Disk) Harm() Harm {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.course.Harm()
}

func (d *Disk) record() Record {
	return Record{Health: d.course.health, Harm: d.course.harm, Met: d.course.met, Space: d.space}
}

// begin waits as long as a bad disk makes a call wait, and gives the error that the call is to have. d.mu is not held.
func (d *Disk) begin(op Operation, path string) error {
	if !d.ails.Load() {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.course.Come()
	stalled := d.working(op, path, false)
	if slowness := d.course.Slowness(op); slowness > 0 {
		d.mu.Unlock()
		time.Sleep(slowness)
		d.mu.Lock()
		d.working(op, path, stalled)
		d.course.WasSlow(op, path, slowness)
	}
	refusal := d.course.Refusal(op, path)
	d.keep(d.record())
	if refusal != 0 {
		return &fs.PathError{Op: string(op), Path: path, Err: refusal}
	}
	return nil
}

// working waits while the disk is stalled, and counts a call that is not counted yet as a stalled one where it is. d.mu is held, but not while waiting.
func (d *Disk) working(op Operation, path string, counted bool) bool {
	for stall := d.course.Stall(); stall != nil; stall = d.course.Stall() {
		if !counted {
			d.course.WasStalled(op, path)
			d.keep(d.record())
			counted = true
		}
		d.mu.Unlock()
		<-stall
		d.mu.Lock()
	}
	return counted
}

// Unwrap implements vfs.FS.
func (d *Disk) Unwrap() vfs.FS { return d.FS }

// Create implements vfs.FS.
func (d *Disk) Create(name string, category vfs.DiskWriteCategory) (f vfs.File, err error) {
	return d.opened(Create, name, func() (f vfs.File, err error) {
		err = d.replacing(name, func() (err error) {
			f, err = d.FS.Create(name, category)
			return err
		})
		return f, err
	})
}

// ReuseForWrite implements vfs.FS.
func (d *Disk) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return d.opened(Reuse, newname, func() (f vfs.File, err error) {
		err = d.replacing(newname, func() (err error) {
			f, err = d.FS.ReuseForWrite(oldname, newname, category)
			return err
		})
		return f, err
	})
}

// OpenReadWrite implements vfs.FS.
func (d *Disk) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return d.opened(Create, name, func() (vfs.File, error) { return d.FS.OpenReadWrite(name, category, opts...) })
}

// Open implements vfs.FS.
func (d *Disk) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	return d.opened(Open, name, func() (vfs.File, error) { return d.FS.Open(name, opts...) })
}

// OpenDir implements vfs.FS.
func (d *Disk) OpenDir(name string) (vfs.File, error) {
	if err := d.begin(OpenDirectory, name); err != nil {
		return nil, err
	}
	f, err := d.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &storeFile{File: f, d: d, name: name, sync: SyncDirectory}, nil
}

func (d *Disk) opened(op Operation, name string, open func() (vfs.File, error)) (vfs.File, error) {
	if err := d.begin(op, name); err != nil {
		return nil, err
	}
	f, err := open()
	if err != nil {
		return nil, err
	}
	return &storeFile{File: f, d: d, name: name, sync: Sync}, nil
}

// OpenFile implements disk.FS.
func (d *Disk) OpenFile(name string, flag int) (disk.File, error) {
	op := Open
	if flag&os.O_CREATE != 0 {
		op = Create
	}
	if err := d.begin(op, name); err != nil {
		return nil, err
	}
	var f disk.File
	open := func() (err error) {
		f, err = d.FS.OpenFile(name, flag)
		return err
	}
	var err error
	if flag&os.O_TRUNC != 0 {
		err = d.replacing(name, open)
	} else {
		err = open()
	}
	if err != nil {
		return nil, err
	}
	return &contentsFile{File: f, d: d}, nil
}

// Link implements vfs.FS.
func (d *Disk) Link(oldname, newname string) error {
	if err := d.begin(Link, newname); err != nil {
		return err
	}
	return d.FS.Link(oldname, newname)
}

// Rename implements vfs.FS.
func (d *Disk) Rename(oldname, newname string) error {
	if err := d.begin(Rename, newname); err != nil {
		return err
	}
	return d.replacing(newname, func() error { return d.FS.Rename(oldname, newname) })
}

// Remove implements vfs.FS.
func (d *Disk) Remove(name string) error {
	if err := d.begin(Remove, name); err != nil {
		return err
	}
	return d.replacing(name, func() error { return d.FS.Remove(name) })
}

// RemoveAll implements vfs.FS. What it gives back is not counted.
func (d *Disk) RemoveAll(name string) error {
	if err := d.begin(RemoveAll, name); err != nil {
		return err
	}
	return d.FS.RemoveAll(name)
}

// MkdirAll implements vfs.FS.
func (d *Disk) MkdirAll(name string, perm os.FileMode) error {
	if err := d.begin(MakeDirectory, name); err != nil {
		return err
	}
	return d.FS.MkdirAll(name, perm)
}

// Lock implements vfs.FS.
func (d *Disk) Lock(name string) (io.Closer, error) {
	if err := d.begin(Lock, name); err != nil {
		return nil, err
	}
	return d.FS.Lock(name)
}

// List implements vfs.FS.
func (d *Disk) List(name string) ([]string, error) {
	if err := d.begin(List, name); err != nil {
		return nil, err
	}
	return d.FS.List(name)
}

// Entries implements disk.FS.
func (d *Disk) Entries(name string) ([]disk.Entry, error) {
	if err := d.begin(List, name); err != nil {
		return nil, err
	}
	return d.FS.Entries(name)
}

// Stat implements vfs.FS.
func (d *Disk) Stat(name string) (vfs.FileInfo, error) {
	if err := d.begin(Stat, name); err != nil {
		return nil, err
	}
	return d.FS.Stat(name)
}

// GetDiskUsage implements vfs.FS.
func (d *Disk) GetDiskUsage(name string) (vfs.DiskUsage, error) {
	if err := d.begin(Usage, name); err != nil {
		return vfs.DiskUsage{}, err
	}
	usage, err := d.FS.GetDiskUsage(name)
	if err != nil {
		return usage, err
	}
	d.limit(&usage, name)
	return usage, nil
}

// noSpace is the error of a call for which there is no space.
func noSpace(op Operation, path string) error {
	return &fs.PathError{Op: string(op), Path: path, Err: unix.ENOSPC}
}
