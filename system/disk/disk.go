package disk

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// FS is a local file system. Errors of the disk can be told apart with errors.Is and the errors of package fs and the numbers of
// package unix, such as unix.ENOSPC.
type FS interface {
	vfs.FS

	// OpenFile opens a file of contents as open(2) does. flag is made of os.O_RDONLY, O_WRONLY, O_RDWR, O_CREATE, O_EXCL and O_TRUNC. A
	// new file has mode 0600.
	OpenFile(name string, flag int) (File, error)

	// Entries lists a directory in the order of names.
	Entries(dir string) ([]Entry, error)
}

// Entry is what a directory holds under one name.
type Entry struct {
	Name string
	Size int64 // of a file
}

// File is an open file of contents. ReadAt and WriteAt may be called at any time by anybody; all others as for an *os.File.
type File interface {
	io.Reader
	io.Writer
	io.ReaderAt
	io.WriterAt
	io.Closer

	// Name is the path that the file was opened with.
	Name() string

	Stat() (fs.FileInfo, error)

	// Sync makes the contents survive a loss of power, but not the name: that is up to the directory (SyncDirectory).
	Sync() error

	Truncate(size int64) error

	// SetModified sets the times of modification and of access. The file must still have the name that it was opened with.
	SetModified(t time.Time) error

	// Allocate makes the file at least so long and takes the space for it. Not every file system can do it.
	Allocate(size int64) error

	// CopyFrom replaces the contents by those of another file, and shares their blocks where the file system can. The positions of both
	// files are undefined afterwards. The file must be empty.
	CopyFrom(from File) error

	// OS is the file of the operating system, or nil where there is none.
	OS() *os.File

	// Direct says whether those who are handed the file of the operating system may read and write it without asking here.
	Direct() bool
}

// SyncDirectory makes the names in a directory survive a loss of power.
func SyncDirectory(on vfs.FS, dir string) error {
	d, err := on.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// MakeDirectory makes a directory and those above it that are missing, and returns when their names survive a loss of power.
func MakeDirectory(on vfs.FS, dir string) error {
	parent := on.PathDir(dir)
	if parent == dir {
		return nil
	}
	if _, err := on.Stat(parent); errors.Is(err, fs.ErrNotExist) {
		if err := MakeDirectory(on, parent); err != nil {
			return err
		}
	}
	if err := on.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return SyncDirectory(on, parent)
}
