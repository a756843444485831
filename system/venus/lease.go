package venus

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// With passthrough the kernel opens containers for programs, and lets them write and map them without telling anybody. Such an open file outlives the
// venus that handed the container out, and a mapping the descriptor that it was made with. The kernel does know who has a file open: it
// grants a lease (fcntl(2), F_SETLEASE) only where nobody else is in its way. It is asked for one, which is given back at once: whoever
// opens a container later does so through this venus.

// hasWriters reports whether anybody can write to a file, which must be open for reading only.
func hasWriters(f *os.File) (bool, error) { return refused(f, unix.F_RDLCK) }

// inUse reports whether anybody else has a file open or mapped. It must be open for reading and writing.
func inUse(f *os.File) (bool, error) { return refused(f, unix.F_WRLCK) }

// refused reports whether the kernel refuses a lease because of others. Errors mean that nobody knows: not every file system has leases.
func refused(f *os.File, kind int) (bool, error) {
	_, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, kind)
	if errors.Is(err, unix.EAGAIN) {
		return true, nil
	}
	if err == nil {
		_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
	}
	if err != nil {
		return false, fmt.Errorf("ask for a lease of %s: %w", f.Name(), err)
	}
	return false, nil
}
