package venus

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/system/disk"
)

// With passthrough the kernel opens containers for programs, and lets them write and map them without telling anybody. Such an open file outlives the
// venus that handed the container out, and a mapping the descriptor that it was made with. The kernel does know who has a file open: it
// grants a lease (fcntl(2), F_SETLEASE) only where nobody else is in its way. It is asked for one, which is given back at once: whoever
// opens a container later does so through this venus.

var errNoLeases = errors.New("the file system cannot tell who has a file open")

// tellsUse reports whether leases can be relied on for the files of a directory. An overlay has them, but a mapping is of the file below it.
func tellsUse(on disk.FS, dir string) (bool, error) {
	if vfs.Root(on) != vfs.Root(disk.Real()) {
		return true, nil // nobody has the files of a simulated disk but venus
	}
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return false, containerError("ask for the file system of "+dir, err)
	}
	return s.Type != unix.OVERLAYFS_SUPER_MAGIC, nil
}

// hasWriters reports whether anybody can write to a file, which must be open for reading only. An error means that this cannot be told.
func (c *containers) hasWriters(f disk.File) (bool, error) { return c.refused(f, unix.F_RDLCK) }

// inUse reports whether anybody else has a file open or mapped. It must be open for reading and writing. An error means that this cannot be told.
func (c *containers) inUse(f disk.File) (bool, error) { return c.refused(f, unix.F_WRLCK) }

// refused reports whether the kernel refuses a lease because of others.
func (c *containers) refused(f disk.File, kind int) (bool, error) {
	if !c.leases {
		return false, errNoLeases
	}
	file := f.OS()
	if file == nil {
		return false, nil
	}
	_, err := unix.FcntlInt(file.Fd(), unix.F_SETLEASE, kind)
	if errors.Is(err, unix.EAGAIN) {
		return true, nil
	}
	if err == nil {
		_, err = unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
	}
	if err != nil {
		return false, fmt.Errorf("ask for a lease of %s: %w", f.Name(), err)
	}
	return false, nil
}
