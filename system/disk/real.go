package disk

import (
	"io"
	"os"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"
)

// Real gives the machine's own file system.
func Real() FS { return realFS{vfs.Default} }

type realFS struct{ vfs.FS }

// Unwrap gives the file system below.
func (r realFS) Unwrap() vfs.FS { return r.FS }

func (realFS) OpenFile(name string, flag int) (File, error) {
	f, err := os.OpenFile(name, flag, 0o600)
	if err != nil {
		return nil, err
	}
	return realFile{f}, nil
}

func (realFS) Entries(dir string) ([]Entry, error) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, len(list))
	for i, e := range list {
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		entries[i] = Entry{Name: e.Name(), Size: info.Size()}
	}
	return entries, nil
}

type realFile struct{ *os.File }

func (f realFile) OS() *os.File { return f.File }

func (realFile) Direct() bool { return true }

func (f realFile) SetModified(t time.Time) error { return os.Chtimes(f.Name(), t, t) }

func (f realFile) Allocate(size int64) error { return unix.Fallocate(int(f.Fd()), 0, 0, size) }

func (f realFile) CopyFrom(from File) error {
	info, err := from.Stat()
	if err != nil {
		return err
	}
	done := int64(0)
	if source := from.OS(); source != nil {
		if unix.IoctlFileClone(int(f.Fd()), int(source.Fd())) == nil {
			return nil
		}
		done = f.copyRange(source, info.Size())
	}
	// A section has a position of its own, since others may read the file at the same time.
	_, err = io.Copy(io.NewOffsetWriter(f.File, done), io.NewSectionReader(from, done, info.Size()-done))
	return err
}

// copyRange has the kernel copy, and gives how far it came.
func (f realFile) copyRange(from *os.File, size int64) (done int64) {
	var in, out int64
	for in < size {
		n, err := unix.CopyFileRange(int(from.Fd()), &in, int(f.Fd()), &out, int(min(size-in, 1<<30)), 0)
		if err != nil || n == 0 {
			break
		}
	}
	return in
}
