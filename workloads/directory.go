package workloads

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"syscall"
	"time"
)

// A Directory does file operations below one root. Paths are slash-separated and relative to the root; "." is the root.
//
// Each call is one whole session: it returns when everything is closed again, and an error of the close is its error. A failed call
// returns a *CallError, or any error that has a syscall.Errno in its chain. Calls may come from several goroutines. An implementation ends
// a call with the context where it can; the kernel cannot, so a caller must be ready for a call that does not return.
type Directory interface {
	// ReadFile copies a file's content from open to close.
	ReadFile(ctx context.Context, path string, to io.Writer) error
	// WriteFile replaces a file's content, and makes the file where there is none. It must not keep content after it returned.
	WriteFile(ctx context.Context, path string, content []byte, how How) error
	// EditFile opens a file for reading and writing, hands its content to edit, makes the changes that edit returns, in their order, and closes.
	// An error of edit is returned, and leaves the file as it was. Edit must not keep the content, nor may EditFile keep the changes; it may be
	// called, and may take its time, after EditFile has returned because the context ended.
	EditFile(ctx context.Context, path string, edit Edit, how How) error
	// Remove unlinks anything but a directory.
	Remove(ctx context.Context, path string) error
	MakeDirectory(ctx context.Context, path string) error
	RemoveDirectory(ctx context.Context, path string) error
	// Rename gives an object another name and replaces what had that name, as rename(2) does.
	Rename(ctx context.Context, from, to string) error
	// Link gives a file a second name.
	Link(ctx context.Context, path, name string) error
	// Symlink makes a symlink at path with the given text.
	Symlink(ctx context.Context, path, text string) error
	// ReadLink returns the text of a symlink.
	ReadLink(ctx context.Context, path string) (string, error)
	// SetMode changes the permission bits of what is not a symlink.
	SetMode(ctx context.Context, path string, mode fs.FileMode) error
	// SetTime changes when an object is said to have been modified.
	SetTime(ctx context.Context, path string, modified time.Time) error
	// List returns the names in a directory without "." and "..", in any order.
	List(ctx context.Context, path string) ([]string, error)
	// Stat does not follow a symlink at the end of the path.
	Stat(ctx context.Context, path string) (Info, error)
}

// How a file is written.
type How struct {
	Exclusive bool // the file must not exist yet; not for EditFile
	Sync      bool // fsync before close
	// Appending has EditFile write what it adds at the end with O_APPEND; Mapped has it read and change the content through a shared mapping of the
	// file. Both are the kernel's, and make no difference where the files are not those of a mount.
	Appending, Mapped bool
}

// An Edit looks at the content of an open file and says how to change it.
type Edit func(content []byte) ([]Change, error)

// A Change is one call of pwrite or ftruncate.
type Change struct {
	Offset   int64
	Data     []byte
	Truncate bool // Offset becomes the length, and there is no Data
}

// Info is what Stat says of an object.
type Info struct {
	Mode   fs.FileMode // type and permission bits
	Length int64       // in bytes
	Links  uint64      // names of the object
}

// A CallError is why a call on a Directory failed.
type CallError struct {
	Op     string        // the step that failed: "open", "write", "fsync", "close", "unlink", ...
	Path   string        //
	Errno  syscall.Errno //
	Effect Effect        // what is known beyond the errno
}

// Error says what was being done to what, and why it failed.
func (e *CallError) Error() string { return e.Op + " " + e.Path + ": " + e.Errno.Error() }

// Unwrap gives the errno.
func (e *CallError) Unwrap() error { return e.Errno }

// An Effect is what is known about the effect of a failed mutation beyond what its errno says.
type Effect uint8

// The effects.
const (
	ByErrno Effect = iota // nothing more is known
	None                  // the file system was not asked, or had refused before it began: nothing happened
	Maybe                 // it had begun: all, a part or nothing may have happened
)

// errnoOf finds the errno of a failed call. EIO stands for an error that has none.
func errnoOf(err error) syscall.Errno {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return syscall.ETIMEDOUT
	}
	return syscall.EIO
}
