package fusemount

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// control is where the kernel's FUSE control file system is mounted on most machines, though not in containers.
const control = "/sys/fs/fuse/connections"

// Clear ends and detaches every FUSE mount at a path. Whoever waits for one gets an error, if there is the right to abort it. Nothing mounted
// there is no error; a mount of another kind is one.
func Clear(ctx context.Context, path string) error {
	for ctx.Err() == nil {
		here, err := at(path)
		if err != nil {
			return fmt.Errorf("looking for mounts at %s: %w", path, err)
		}
		if len(here) == 0 {
			return nil
		}
		top := here[len(here)-1]
		if !top.isFUSE() {
			return fmt.Errorf("%s is a mount of %s, not of FUSE", path, top.kind)
		}
		aborted := abort(top)
		if err := detach(ctx, top.path); err != nil {
			return fmt.Errorf("clearing %s: %w", path, errors.Join(err, aborted))
		}
	}
	return fmt.Errorf("clearing %s: %w", path, ctx.Err())
}

// Abort ends every FUSE connection mounted at a path, alive or dead, and leaves the mounts: calls on them fail with ENOTCONN.
func Abort(_ context.Context, path string) error {
	here, err := at(path)
	if err != nil {
		return fmt.Errorf("looking for mounts at %s: %w", path, err)
	}
	var errs []error
	for _, m := range here {
		if m.isFUSE() {
			errs = append(errs, abort(m))
		}
	}
	return errors.Join(errs...)
}

// AbortConnection ends the FUSE connection with a name below /sys/fs/fuse/connections, which need not be of a mount that this process sees: everyone who
// waits for it gets an error. A connection that is not there has ended.
func AbortConnection(name string) error {
	folder, done, err := fusectl()
	if err != nil {
		return fmt.Errorf("aborting the FUSE connection %s: %w", name, err)
	}
	defer done()
	err = os.WriteFile(filepath.Join(folder, name, "abort"), []byte("1"), 0)
	if err == nil || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("aborting the FUSE connection %s: %w", name, err)
}

func abort(m mount) error { return AbortConnection(m.connection()) }

// fusectl returns where the control file system is mounted. Where it is not, it is mounted for the time until done is called.
func fusectl() (folder string, done func(), err error) {
	all, err := mounts()
	if err != nil {
		return "", nil, err
	}
	for _, m := range all {
		if m.kind == "fusectl" && m.path == control {
			return control, func() {}, nil
		}
	}
	folder, err = temporaryFolder()
	if err != nil {
		return "", nil, err
	}
	if err := unix.Mount("none", folder, "fusectl", 0, ""); err != nil {
		return "", nil, errors.Join(fmt.Errorf("mounting fusectl: %w", err), os.Remove(folder))
	}
	return folder, func() {
		_ = unix.Unmount(folder, unix.MNT_DETACH)
		_ = os.Remove(folder)
	}, nil
}

// temporaryFolder makes a folder where one can be made: a container from an empty image has no /tmp.
func temporaryFolder() (string, error) {
	var errs []error
	for _, parent := range []string{os.TempDir(), "/run", "/dev/shm", "/"} {
		folder, err := os.MkdirTemp(parent, "fusectl-")
		if err == nil {
			return folder, nil
		}
		errs = append(errs, err)
	}
	return "", errors.Join(errs...)
}

// detach takes the topmost mount off a path. Without the right to do so it asks fusermount3, which may detach what its user mounted.
func detach(ctx context.Context, path string) error {
	err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	if errors.Is(err, unix.EINVAL) { // nothing is mounted there any more
		return nil
	}
	if !errors.Is(err, unix.EPERM) {
		return err
	}
	command := exec.CommandContext(ctx, "fusermount3", "-u", "-z", "-q", "--", path)
	command.WaitDelay = time.Second
	said, failed := command.CombinedOutput()
	if failed != nil {
		return fmt.Errorf("%w; fusermount3: %w: %s", err, failed, said)
	}
	return nil
}
