package venus

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/codastress/codastress/system/disk"
)

// walFS gives Pebble a log that can be handed to the kernel without waiting for the disk. Pebble writes its log from a goroutine: a commit without
// sync returns before the bytes are in the kernel, and one with sync waits for the disk as well. Here the sync of a log file does nothing
// unless demand asked for it, so that a commit with sync, such as store.save makes, waits until the bytes are written and no longer.
//
// A log file that is closed is always synced first: a newer one must not outlive it.
//
// Neither Pebble nor the journal can bear a write that fails, and both write when the disk is full, since answers of the server still arrive. So
// such a write gives up the ballast, and waits for space where that is not enough; any other failure is fatal.
type walFS struct {
	vfs.FS
	asked atomic.Uint64 // how often a sync to the disk was asked for
}

func newWALFS(cfg Config, b *ballast) *walFS {
	return &walFS{FS: &disk.Dependable{FS: cfg.Disk, Full: b.release, Fatal: cfg.Fatal}}
}

// demand makes the next sync of a log file a real one. Whatever was committed before the call is in the kernel, so the sync covers it.
func (w *walFS) demand() { w.asked.Add(1) }

func (w *walFS) wrap(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil || (!strings.HasSuffix(name, ".log") && !strings.HasPrefix(w.PathBase(name), journalPrefix)) {
		return f, err
	}
	return &walFile{File: f, fs: w}, nil
}

// Create wraps log files.
func (w *walFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := w.FS.Create(name, category)
	return w.wrap(name, f, err)
}

// ReuseForWrite wraps log files.
func (w *walFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := w.FS.ReuseForWrite(oldname, newname, category)
	return w.wrap(newname, f, err)
}

// OpenReadWrite wraps log files.
func (w *walFS) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := w.FS.OpenReadWrite(name, category, opts...)
	return w.wrap(name, f, err)
}

// Unwrap gives the file system below.
func (w *walFS) Unwrap() vfs.FS { return w.FS }

// walFile is a log file whose syncs wait to be demanded.
type walFile struct {
	vfs.File
	fs *walFS

	mu   sync.Mutex
	done uint64 // the demand that the last real sync met
}

func (f *walFile) sync(force bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := f.fs.asked.Load()
	if !force && asked == f.done {
		return nil
	}
	if err := f.File.SyncData(); err != nil {
		return err
	}
	f.done = asked
	return nil
}

// Sync syncs if that was demanded.
func (f *walFile) Sync() error { return f.sync(false) }

// SyncData syncs if that was demanded.
func (f *walFile) SyncData() error { return f.sync(false) }

// SyncTo does nothing: it would promise nothing.
func (f *walFile) SyncTo(int64) (bool, error) { return false, nil }

// Close syncs and closes.
func (f *walFile) Close() error {
	err := f.sync(true)
	if closeErr := f.File.Close(); err == nil {
		err = closeErr
	}
	return err
}
