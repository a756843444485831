package ailing

import (
	"io"
	"io/fs"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/codastress/codastress/system/disk"
)

// contentsFile is a file as OpenFile gives it.
type contentsFile struct {
	disk.File
	d *Disk
}

var _ disk.File = (*contentsFile)(nil)

// Read implements disk.File.
func (f *contentsFile) Read(p []byte) (int, error) {
	if err := f.d.begin(Read, f.Name()); err != nil {
		return 0, err
	}
	return f.File.Read(p)
}

// ReadAt implements disk.File.
func (f *contentsFile) ReadAt(p []byte, offset int64) (int, error) {
	if err := f.d.begin(Read, f.Name()); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, offset)
}

// Write implements disk.File.
func (f *contentsFile) Write(p []byte) (int, error) {
	if err := f.d.begin(Write, f.Name()); err != nil {
		return half(p, err, f.File.Write)
	}
	if !f.d.full() {
		return f.File.Write(p)
	}
	offset, err := position(f.File)
	if err != nil {
		return 0, err
	}
	return f.d.writing(f.File, f.Name(), offset, len(p), func(n int) (int, error) { return f.File.Write(p[:n]) })
}

// WriteAt implements disk.File.
func (f *contentsFile) WriteAt(p []byte, offset int64) (int, error) {
	at := func(p []byte) (int, error) { return f.File.WriteAt(p, offset) }
	if err := f.d.begin(Write, f.Name()); err != nil {
		return half(p, err, at)
	}
	return f.d.writing(f.File, f.Name(), offset, len(p), func(n int) (int, error) { return at(p[:n]) })
}

// half writes the first half of what a write that fails was to write.
func half(p []byte, refusal error, write func([]byte) (int, error)) (int, error) {
	n, _ := write(p[:len(p)/2]) // it has failed already
	return n, refusal
}

// position is where a file is written to next.
func position(f disk.File) (int64, error) {
	seeker, ok := f.(io.Seeker)
	if !ok {
		info, err := f.Stat()
		if err != nil {
			return 0, err
		}
		return info.Size(), nil
	}
	return seeker.Seek(0, io.SeekCurrent)
}

// Sync implements disk.File.
func (f *contentsFile) Sync() error {
	if err := f.d.begin(Sync, f.Name()); err != nil {
		return err
	}
	return f.File.Sync()
}

// Truncate implements disk.File.
func (f *contentsFile) Truncate(size int64) error {
	if err := f.d.begin(Truncate, f.Name()); err != nil {
		return err
	}
	return f.d.resizing(f.File, size, func() error { return f.File.Truncate(size) })
}

// SetModified implements disk.File.
func (f *contentsFile) SetModified(t time.Time) error {
	if err := f.d.begin(SetModified, f.Name()); err != nil {
		return err
	}
	return f.File.SetModified(t)
}

// Allocate implements disk.File.
func (f *contentsFile) Allocate(size int64) error {
	if err := f.d.begin(Allocate, f.Name()); err != nil {
		return err
	}
	return f.d.filling(f.File, Allocate, f.Name(), size, func() error { return f.File.Allocate(size) })
}

// CopyFrom implements disk.File.
func (f *contentsFile) CopyFrom(from disk.File) error {
	if ours, ok := from.(*contentsFile); ok && ours.d == f.d {
		from = ours.File // the disk below knows its own
	}
	if err := f.d.begin(Copy, f.Name()); err != nil {
		return err
	}
	if !f.d.full() {
		return f.File.CopyFrom(from)
	}
	info, err := from.Stat()
	if err != nil {
		return err
	}
	return f.d.filling(f.File, Copy, f.Name(), info.Size(), func() error { return f.File.CopyFrom(from) })
}

// Close implements disk.File. A bad disk closes a file that it says it did not close.
func (f *contentsFile) Close() error {
	refusal := f.d.begin(Close, f.Name())
	if err := f.File.Close(); err != nil {
		return err
	}
	return refusal
}

// Stat implements disk.File.
func (f *contentsFile) Stat() (fs.FileInfo, error) {
	if err := f.d.begin(Stat, f.Name()); err != nil {
		return nil, err
	}
	return f.File.Stat()
}

// Direct implements disk.File: what goes past a bad disk would find it well.
func (f *contentsFile) Direct() bool { return !f.d.ails.Load() && f.File.Direct() }

// storeFile is a file of a store.
type storeFile struct {
	vfs.File
	d        *Disk
	name     string
	sync     Operation // what syncing it is
	position int64     // where it is written to next; who writes to a file of a store has it to himself
}

var _ vfs.File = (*storeFile)(nil)

// Read implements vfs.File.
func (f *storeFile) Read(p []byte) (int, error) {
	if err := f.d.begin(Read, f.name); err != nil {
		return 0, err
	}
	n, err := f.File.Read(p)
	f.position += int64(n)
	return n, err
}

// ReadAt implements vfs.File.
func (f *storeFile) ReadAt(p []byte, offset int64) (int, error) {
	if err := f.d.begin(Read, f.name); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, offset)
}

// Write implements vfs.File.
func (f *storeFile) Write(p []byte) (n int, err error) {
	defer func() { f.position += int64(n) }()
	if err := f.d.begin(Write, f.name); err != nil {
		return half(p, err, f.File.Write)
	}
	return f.d.writing(storeMeasured{f.File}, f.name, f.position, len(p), func(n int) (int, error) { return f.File.Write(p[:n]) })
}

// WriteAt implements vfs.File.
func (f *storeFile) WriteAt(p []byte, offset int64) (int, error) {
	at := func(p []byte) (int, error) { return f.File.WriteAt(p, offset) }
	if err := f.d.begin(Write, f.name); err != nil {
		return half(p, err, at)
	}
	return f.d.writing(storeMeasured{f.File}, f.name, offset, len(p), func(n int) (int, error) { return at(p[:n]) })
}

// Preallocate implements vfs.File. It is a hint, which a full disk does not take.
func (f *storeFile) Preallocate(offset, length int64) error {
	if f.d.full() {
		return nil
	}
	return f.File.Preallocate(offset, length)
}

// Sync implements vfs.File.
func (f *storeFile) Sync() error {
	if err := f.d.begin(f.sync, f.name); err != nil {
		return err
	}
	return f.File.Sync()
}

// SyncData implements vfs.File.
func (f *storeFile) SyncData() error {
	if err := f.d.begin(f.sync, f.name); err != nil {
		return err
	}
	return f.File.SyncData()
}

// SyncTo implements vfs.File.
func (f *storeFile) SyncTo(length int64) (full bool, err error) {
	if err := f.d.begin(f.sync, f.name); err != nil {
		return false, err
	}
	return f.File.SyncTo(length)
}

// Stat implements vfs.File.
func (f *storeFile) Stat() (vfs.FileInfo, error) {
	if err := f.d.begin(Stat, f.name); err != nil {
		return nil, err
	}
	return f.File.Stat()
}

// Close implements vfs.File. A bad disk closes a file that it says it did not close.
func (f *storeFile) Close() error {
	refusal := f.d.begin(Close, f.name)
	if err := f.File.Close(); err != nil {
		return err
	}
	return refusal
}
