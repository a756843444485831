package direct

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk"
	"github.com/codastress/codastress/system/venus"
)

// Files are the file operations of one venus, by path.
type Files interface {
	// Stat gives the attributes at a path; of a symlink, its own.
	Stat(ctx context.Context, path string) (coda.Status, error)
	// ReadDirectory gives the names in a directory at one moment, in order.
	ReadDirectory(ctx context.Context, path string) ([]coda.Entry, error)
	// CopyFile writes a file's contents to w: one open, read and close. It gives the file's attributes.
	CopyFile(ctx context.Context, path string, w io.Writer) (coda.Status, error)
	// WriteFile replaces the contents of a file: one open, write and close. It gives the file's attributes.
	WriteFile(ctx context.Context, path string, contents io.Reader, how Write) (coda.Status, error)
	// EditFile opens a file, hands its contents to edit, makes the changes that edit returns, in their order, and closes. An error of edit is
	// returned, and leaves the file as it was. It gives the file's attributes.
	EditFile(ctx context.Context, path string, edit Edit, sync bool) (coda.Status, error)
	// SetAttributes changes those attributes that are not nil.
	SetAttributes(ctx context.Context, path string, attributes Attributes) (coda.Status, error)
	// MakeDirectory makes an empty directory.
	MakeDirectory(ctx context.Context, path string, mode uint32) (coda.Status, error)
	// Mount mounts a volume at path.
	Mount(ctx context.Context, path, volume string) error
	// MakeSymlink makes a symbolic link at path.
	MakeSymlink(ctx context.Context, path, target string) (coda.Status, error)
	// Link gives the file at from another name, in the same directory.
	Link(ctx context.Context, from, to string) (coda.Status, error)
	// Rename moves what is at from, replacing what is at to.
	Rename(ctx context.Context, from, to string) error
	// Remove removes a file or symlink.
	Remove(ctx context.Context, path string) error
	// RemoveDirectory removes an empty directory.
	RemoveDirectory(ctx context.Context, path string) error
}

var (
	_ Files = (*Client)(nil)
	_ Files = Local{}
)

// Local are the files of a venus in the same process, as a front end uses it: what the kernel does with a path, and its opens and closes.
type Local struct{ Venus *venus.Venus }

// Stat implements Files.
func (l Local) Stat(ctx context.Context, path string) (coda.Status, error) {
	return l.Venus.LookupPath(ctx, path)
}

// ReadDirectory implements Files.
func (l Local) ReadDirectory(ctx context.Context, path string) ([]coda.Entry, error) {
	at, err := l.Venus.LookupPath(ctx, path)
	if err != nil {
		return nil, err
	}
	return l.Venus.ReadDirectory(ctx, at.Fid)
}

// CopyFile implements Files.
func (l Local) CopyFile(ctx context.Context, path string, w io.Writer) (status coda.Status, err error) {
	at, h, err := l.Venus.OpenPath(ctx, path, venus.OpenFlags{Read: true})
	if err != nil {
		return coda.Status{}, err
	}
	defer func() { err = errors.Join(err, h.Close(ctx)) }()
	if buffer, ok := w.(interface{ Grow(n int) }); ok {
		buffer.Grow(int(at.Length) + bytes.MinRead)
	}
	read, err := io.Copy(w, io.NewSectionReader(h, 0, math.MaxInt64))
	if err != nil {
		return at, &coda.Error{Op: "read the contents", Kind: coda.IO, Err: err}
	}
	at.Length = uint64(read) // of these contents, whatever was flushed or changed since the path was looked up
	return at, nil
}

// WriteFile implements Files. When writing fails half-way, the contents stay what they were.
func (l Local) WriteFile(ctx context.Context, path string, contents io.Reader, how Write) (status coda.Status, err error) {
	h, err := l.create(ctx, path, how)
	if err != nil {
		return coda.Status{}, err
	}
	if _, err = io.Copy(io.NewOffsetWriter(h, 0), contents); err != nil {
		kind := coda.IO
		if disk.NoSpace(err) {
			kind = coda.NoSpace
		}
		return coda.Status{}, errors.Join(&coda.Error{Op: "write the contents", Kind: kind, Err: err}, h.Abandon(ctx))
	}
	if how.Sync {
		err = h.Sync(ctx)
	}
	// close(2) flushes and tells of it; the release comes later, and tells nobody.
	err = errors.Join(err, h.Flush(ctx))
	status, statusErr := h.Status(ctx)
	return status, errors.Join(err, statusErr, h.Close(ctx))
}

func (l Local) create(ctx context.Context, path string, how Write) (*venus.Handle, error) {
	flags := venus.OpenFlags{Write: true, Truncate: true, Exclusive: how.Exclusive}
	if !how.Create {
		_, h, err := l.Venus.OpenPath(ctx, path, flags)
		return h, err
	}
	dir, name, err := l.Venus.LookupParent(ctx, path)
	if err != nil {
		return nil, err
	}
	_, h, err := l.Venus.Create(ctx, dir, name, how.Mode, 0, flags)
	return h, err
}

// MakeDirectory implements Files.
func (l Local) MakeDirectory(ctx context.Context, path string, mode uint32) (coda.Status, error) {
	dir, name, err := l.Venus.LookupParent(ctx, path)
	if err != nil {
		return coda.Status{}, err
	}
	return l.Venus.MakeDirectory(ctx, dir, name, mode, 0)
}

// Mount implements Files.
func (l Local) Mount(ctx context.Context, path, volume string) error {
	dir, name, err := l.Venus.LookupParent(ctx, path)
	if err != nil {
		return err
	}
	return l.Venus.Mount(ctx, dir, name, volume)
}

// MakeSymlink implements Files.
func (l Local) MakeSymlink(ctx context.Context, path, target string) (coda.Status, error) {
	dir, name, err := l.Venus.LookupParent(ctx, path)
	if err != nil {
		return coda.Status{}, err
	}
	return l.Venus.MakeSymlink(ctx, dir, name, target, 0)
}

// Link implements Files.
func (l Local) Link(ctx context.Context, from, to string) (coda.Status, error) {
	at, err := l.Venus.LookupPath(ctx, from)
	if err != nil {
		return coda.Status{}, err
	}
	dir, name, err := l.Venus.LookupParent(ctx, to)
	if err != nil {
		return coda.Status{}, err
	}
	return l.Venus.Link(ctx, dir, name, at.Fid)
}

// Rename implements Files.
func (l Local) Rename(ctx context.Context, from, to string) error {
	fromDir, fromName, err := l.Venus.LookupParent(ctx, from)
	if err != nil {
		return err
	}
	toDir, toName, err := l.Venus.LookupParent(ctx, to)
	if err != nil {
		return err
	}
	return l.Venus.Rename(ctx, fromDir, fromName, toDir, toName, false)
}

// Remove implements Files.
func (l Local) Remove(ctx context.Context, path string) error {
	dir, name, err := l.Venus.LookupParent(ctx, path)
	if err != nil {
		return err
	}
	return l.Venus.Remove(ctx, dir, name)
}

// RemoveDirectory implements Files.
func (l Local) RemoveDirectory(ctx context.Context, path string) error {
	dir, name, err := l.Venus.LookupParent(ctx, path)
	if err != nil {
		return err
	}
	return l.Venus.RemoveDirectory(ctx, dir, name)
}
