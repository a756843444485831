// Package mountroot opens the root of a tree that should be a mount.
package mountroot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Open opens a directory. With mounted it must be a mount point with something mounted, and the error is ENOTCONN where nothing is: what is in the
// directory below is not of the file system that is meant. So it is where the directory itself is not there: what it should have below it is then not
// known to be gone. It may block for as long as that file system takes.
func Open(path string, mounted bool) (*os.Root, error) {
	root, err := os.OpenRoot(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s is not there: %w", path, syscall.ENOTCONN)
	}
	if err != nil || !mounted {
		return root, err
	}
	if err := check(root, path); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return root, nil
}

// check compares the devices of an open directory and of its parent.
func check(root *os.Root, path string) error {
	info, err := root.Stat(".")
	if err != nil {
		return err
	}
	parent, err := os.Stat(filepath.Dir(filepath.Clean(path)))
	if err != nil {
		return err
	}
	if info.Sys().(*syscall.Stat_t).Dev == parent.Sys().(*syscall.Stat_t).Dev {
		return fmt.Errorf("nothing is mounted at %s: %w", path, syscall.ENOTCONN)
	}
	return nil
}
