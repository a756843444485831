package venusfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// fusectl is where the kernel's list of FUSE connections is mounted on most systems.
const fusectl = "/sys/fs/fuse/connections"

// ClearDead detaches every FUSE mount on dir whose server has gone; a directory without one is left alone. It does not look whether a server is
// still there, because looking may hang: one that is loses its connection, and whoever waits for it gets an error. The last element of
// dir must not be a symbolic link.
func ClearDead(dir string) error {
	for range maxStacked {
		at, err := mountsAt(dir)
		if err != nil || len(at) == 0 {
			return err
		}
		if err := forceUnmount(at[len(at)-1].dir); err != nil {
			return err
		}
	}
	return fmt.Errorf("clear %s: mounts keep coming back", dir)
}

// maxStacked is how many mounts are expected on one directory at most.
const maxStacked = 64

// forceUnmount ends a FUSE mount's connection and detaches the mount. It waits for nobody.
func forceUnmount(dir string) error {
	err := unix.Unmount(dir, unix.MNT_FORCE|unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	if err != nil && !errors.Is(err, unix.EINVAL) { // EINVAL: somebody else was faster
		return fmt.Errorf("detach %s: %w", dir, err)
	}
	return nil
}

// Abort ends the connection of the FUSE mounts on dir: everything that waits for their servers, and all that is asked of the mounts from then on,
// fails. The mounts stay until ClearDead. It is the last resort against a server that hangs.
func Abort(dir string) error {
	at, err := mountsAt(dir)
	if err != nil {
		return err
	}
	if len(at) == 0 {
		return fmt.Errorf("abort %s: %w", dir, os.ErrNotExist)
	}
	for _, m := range at {
		if err := abortConnection(m.connection); err != nil {
			return fmt.Errorf("abort %s: %w", dir, err)
		}
	}
	return nil
}

// abortConnection writes to a connection's abort file. Where fusectl is not mounted, as in most containers, it is mounted for the
// moment.
func abortConnection(connection uint64) error {
	number := strconv.FormatUint(connection, 10)
	err := writeOne(filepath.Join(fusectl, number, "abort"))
	if err == nil || !errors.Is(err, os.ErrNotExist) {
		return err
	}
	dir, err := os.MkdirTemp("", "fusectl-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(dir) }()
	if err := unix.Mount("fusectl", dir, "fusectl", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount fusectl: %w", err)
	}
	err = writeOne(filepath.Join(dir, number, "abort"))
	if unmountErr := unix.Unmount(dir, unix.MNT_DETACH); err == nil {
		err = unmountErr
	}
	return err
}

func writeOne(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString("1")
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
