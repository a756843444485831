package observe

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"

	"github.com/codastress/codastress/harness/agent/mountroot"
)

// Folder is a tree of the machine.
type Folder struct {
	Root string
	// Mounted says that Root is a mount point, and that nothing is seen while nothing is mounted there: calls fail with ENOTCONN.
	Mounted bool
}

var _ Tree = Folder{}

// List implements Tree.
func (f Folder) List(_ context.Context, path string) ([]string, error) {
	return below(f, func(root *os.Root) ([]string, error) {
		folder, err := root.Open(path)
		if err != nil {
			return nil, err
		}
		names, err := folder.Readdirnames(-1)
		return names, errors.Join(err, folder.Close())
	})
}

// Stat implements Tree.
func (f Folder) Stat(_ context.Context, path string) (Info, error) {
	return below(f, func(root *os.Root) (Info, error) {
		info, err := root.Lstat(path)
		if err != nil {
			return Info{}, err
		}
		links := uint64(info.Sys().(*syscall.Stat_t).Nlink) //nolint:unconvert // it is shorter on other machines
		return Info{Mode: info.Mode(), Length: info.Size(), Links: links}, nil
	})
}

// ReadFile implements Tree.
func (f Folder) ReadFile(_ context.Context, path string, to io.Writer) error {
	_, err := below(f, func(root *os.Root) (struct{}, error) {
		file, err := root.Open(path)
		if err != nil {
			return struct{}{}, err
		}
		_, err = io.Copy(to, file)
		return struct{}{}, errors.Join(err, file.Close())
	})
	return err
}

// ReadLink implements Tree.
func (f Folder) ReadLink(_ context.Context, path string) (string, error) {
	return below(f, func(root *os.Root) (string, error) { return root.Readlink(path) })
}

// below calls do with the root, and makes sure that it is that of the mount.
func below[T any](f Folder, do func(root *os.Root) (T, error)) (T, error) {
	var none T
	root, err := mountroot.Open(f.Root, f.Mounted)
	if err != nil {
		return none, err
	}
	defer root.Close() //nolint:errcheck // a directory that was only walked through
	return do(root)
}
