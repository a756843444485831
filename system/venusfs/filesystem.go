package venusfs

import (
	"context"
	"os"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
)

// FileSystem is what is mounted: *venus.Venus, whose documentation has the contracts. It is an interface so that tests can put delays and
// failures in front of it.
type FileSystem[H Handle] interface {
	Root(ctx context.Context) (coda.Status, error)
	Lookup(ctx context.Context, dir coda.Fid, name string) (coda.Status, error)
	GetAttributes(ctx context.Context, f coda.Fid) (coda.Status, error)
	SetAttributes(ctx context.Context, f coda.Fid, changes venus.Changes) (coda.Status, error)
	ReadDirectory(ctx context.Context, f coda.Fid) ([]coda.Entry, error)
	Listed(e coda.Entry) coda.Entry
	Create(ctx context.Context, dir coda.Fid, name string, mode, owner uint32, flags venus.OpenFlags) (coda.Status, H, error)
	OpenFile(ctx context.Context, f coda.Fid, flags venus.OpenFlags) (H, error)
	MakeDirectory(ctx context.Context, dir coda.Fid, name string, mode, owner uint32) (coda.Status, error)
	MakeSymlink(ctx context.Context, dir coda.Fid, name, target string, owner uint32) (coda.Status, error)
	ReadLink(ctx context.Context, f coda.Fid) (string, error)
	Link(ctx context.Context, dir coda.Fid, name string, f coda.Fid) (coda.Status, error)
	Remove(ctx context.Context, dir coda.Fid, name string) error
	RemoveDirectory(ctx context.Context, dir coda.Fid, name string) error
	Rename(ctx context.Context, fromDir coda.Fid, fromName string, toDir coda.Fid, toName string, noReplace bool) error
	Sync(ctx context.Context) error
	StatFS(ctx context.Context) (venus.StatFS, error)
	SetInvalidator(i venus.Invalidator)
}

var _ FileSystem[*venus.Handle] = (*venus.Venus)(nil)

// Handle is an open file: *venus.Handle.
type Handle interface {
	File() *os.File                                  // the container that holds the contents; its name tells it from others; open until Close
	Direct() bool                                    // whether the kernel may be given that, to read and write it by itself
	ReadAt(p []byte, offset int64) (int, error)      // from the container
	WriteAt(p []byte, offset int64) (int, error)     // to it
	Status(ctx context.Context) (coda.Status, error) // of the contents in the container
	Truncate(ctx context.Context, length uint64) error
	Sync(ctx context.Context) error
	Flush(ctx context.Context) error   // at each close(2)
	Close(ctx context.Context) error   // when the last descriptor has gone; a mapping can be left
	Abandon(ctx context.Context) error // instead of Close, when nobody will ever close it
}

// backend is a FileSystem whose handles are interfaces.
type backend interface {
	FileSystem[Handle]
}

// adapter makes a backend of a FileSystem.
type adapter[H Handle] struct{ FileSystem[H] }

func (a adapter[H]) Create(
	ctx context.Context, dir coda.Fid, name string, mode, owner uint32, flags venus.OpenFlags,
) (coda.Status, Handle, error) {
	status, handle, err := a.FileSystem.Create(ctx, dir, name, mode, owner, flags)
	if err != nil {
		return coda.Status{}, nil, err
	}
	return status, handle, nil
}

func (a adapter[H]) OpenFile(ctx context.Context, f coda.Fid, flags venus.OpenFlags) (Handle, error) {
	handle, err := a.FileSystem.OpenFile(ctx, f, flags)
	if err != nil {
		return nil, err
	}
	return handle, nil
}
