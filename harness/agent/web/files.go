package web

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"syscall"
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
	root, err := os.OpenRoot(f.Root)
	if err != nil {
		return nil, 0, err
	}
	defer root.Close() //nolint:errcheck // a directory that was only walked through
	if f.Mounted {
		if err := mounted(root, f.Root); err != nil {
			return nil, 0, err
		}
	}
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

// mounted compares the devices of an open directory and of its parent.
func mounted(root *os.Root, name string) error {
	info, err := root.Stat(".")
	if err != nil {
		return err
	}
	parent, err := os.Stat(filepath.Dir(filepath.Clean(name)))
	if err != nil {
		return err
	}
	if info.Sys().(*syscall.Stat_t).Dev == parent.Sys().(*syscall.Stat_t).Dev {
		return fmt.Errorf("nothing is mounted at %s: %w", name, syscall.ENOTCONN)
	}
	return nil
}
