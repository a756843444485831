package web

import (
	"context"
	"fmt"
	"io"
	"path"
	"syscall"

	"github.com/codastress/codastress/harness/agent/mountroot"
)

// Files is what the web server reads.
type Files interface {
	// Open opens a regular file by its path below the root: slash-separated, clean and relative. The length is what is known of it at that
	// moment. Errors have fs.ErrNotExist, fs.ErrPermission or a syscall.Errno in their chain. Open, Read and Close may block for as long as the
	// file system takes; the web server leaves them behind.
	Open(ctx context.Context, path string) (content io.ReadCloser, length int64, err error)
}

// Folder serves the files of a directory of the machine.
type Folder struct {
	Root string
	// Mounted says that Root is a mount point, and that nothing is served while nothing is mounted there: Open fails with ENOTCONN.
	Mounted bool
}

var _ Files = Folder{}

// Open implements Files. A directory is EISDIR.
func (f Folder) Open(_ context.Context, name string) (io.ReadCloser, int64, error) {
	root, err := mountroot.Open(f.Root, f.Mounted)
	if err != nil {
		return nil, 0, err
	}
	defer root.Close() //nolint:errcheck // a directory that was only walked through
	file, err := root.Open(path.Clean(name))
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file: %w", name, syscall.EISDIR)
	}
	if err != nil {
		_ = file.Close() // nothing was read
		return nil, 0, err
	}
	return file, info.Size(), nil
}
