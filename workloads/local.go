package workloads

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// A LocalDirectory is a Directory of the machine: any directory that is mounted somewhere, of whatever file system.
//
// Its calls block in the kernel for as long as the file system takes.
type LocalDirectory struct {
	Root string
	// Mounted says that Root is a mount point and that nothing may be done while nothing is mounted there: calls fail with ENOTCONN
	// instead of working on the empty directory below.
	Mounted bool
}

var _ Directory = LocalDirectory{}

// ReadFile implements Directory.
func (d LocalDirectory) ReadFile(_ context.Context, path string, to io.Writer) error {
	return d.below("open", path, func(root int) error {
		file, err := openFile(root, path, unix.O_RDONLY)
		if err != nil {
			return err
		}
		if _, err := io.Copy(to, file); err != nil {
			_ = file.Close() // the first error counts
			return callError("read", path, err, ByErrno)
		}
		return closeError(path, file.Close())
	})
}

// WriteFile implements Directory. Once the file was opened, a failure may have left anything: its Effect is Maybe.
func (d LocalDirectory) WriteFile(_ context.Context, path string, content []byte, how How) error {
	flags := unix.O_WRONLY | unix.O_CREAT | unix.O_TRUNC
	if how.Exclusive {
		flags |= unix.O_EXCL
	}
	return d.below("open", path, func(root int) error {
		file, err := openFile(root, path, flags)
		if err != nil {
			return err
		}
		step := "write"
		_, err = file.Write(content)
		if err == nil && how.Sync {
			step, err = "fsync", file.Sync()
		}
		if err != nil {
			_ = file.Close() // the first error counts
			return callError(step, path, err, Maybe)
		}
		return closeError(path, file.Close())
	})
}

// EditFile implements Directory.
func (d LocalDirectory) EditFile(_ context.Context, path string, edit Edit, how How) error {
	return d.below("open", path, func(root int) error {
		file, err := openFile(root, path, unix.O_RDWR)
		if err != nil {
			return err
		}
		s := &session{file: file, how: how}
		step, effect, err := s.edit(edit)
		if err == nil && how.Sync {
			step, effect = "fsync", Maybe
			err = file.Sync()
		}
		if err != nil {
			_ = file.Close() // the first error counts
			return callError(step, path, err, effect)
		}
		return closeError(path, file.Close())
	})
}

// ReadLink implements Directory.
func (d LocalDirectory) ReadLink(_ context.Context, path string) (text string, err error) {
	err = d.below("readlink", path, func(root int) error {
		buffer := make([]byte, unix.PathMax)
		n := 0
		if _, err := retry(func() (err error) { n, err = unix.Readlinkat(root, path, buffer); return err }); err != nil {
			return callError("readlink", path, err, ByErrno)
		}
		text = string(buffer[:n])
		return nil
	})
	return text, err
}

// SetMode implements Directory.
func (d LocalDirectory) SetMode(_ context.Context, path string, mode fs.FileMode) error {
	return d.mutate("chmod", path, func(root int) error { return unix.Fchmodat(root, path, uint32(mode.Perm()), 0) })
}

// SetTime implements Directory.
func (d LocalDirectory) SetTime(_ context.Context, path string, modified time.Time) error {
	t := unix.NsecToTimespec(modified.UnixNano())
	return d.mutate("utimensat", path, func(root int) error {
		return unix.UtimesNanoAt(root, path, []unix.Timespec{t, t}, unix.AT_SYMLINK_NOFOLLOW)
	})
}

// Remove implements Directory.
func (d LocalDirectory) Remove(_ context.Context, path string) error {
	return d.mutate("unlink", path, func(root int) error { return unix.Unlinkat(root, path, 0) })
}

// MakeDirectory implements Directory.
func (d LocalDirectory) MakeDirectory(_ context.Context, path string) error {
	return d.mutate("mkdir", path, func(root int) error { return unix.Mkdirat(root, path, 0o755) })
}

// RemoveDirectory implements Directory.
func (d LocalDirectory) RemoveDirectory(_ context.Context, path string) error {
	return d.mutate("rmdir", path, func(root int) error { return unix.Unlinkat(root, path, unix.AT_REMOVEDIR) })
}

// Rename implements Directory.
func (d LocalDirectory) Rename(_ context.Context, from, to string) error {
	return d.mutate("rename", from, func(root int) error {
		if !filepath.IsLocal(to) {
			return unix.EINVAL
		}
		return unix.Renameat(root, from, root, to)
	})
}

// Link implements Directory.
func (d LocalDirectory) Link(_ context.Context, path, name string) error {
	return d.mutate("link", path, func(root int) error {
		if !filepath.IsLocal(name) {
			return unix.EINVAL
		}
		return unix.Linkat(root, path, root, name, 0)
	})
}

// Symlink implements Directory.
func (d LocalDirectory) Symlink(_ context.Context, path, text string) error {
	return d.mutate("symlink", path, func(root int) error { return unix.Symlinkat(text, root, path) })
}

// List implements Directory.
func (d LocalDirectory) List(_ context.Context, path string) (names []string, err error) {
	err = d.below("open", path, func(root int) error {
		file, err := openFile(root, path, unix.O_RDONLY|unix.O_DIRECTORY)
		if err != nil {
			return err
		}
		if names, err = file.Readdirnames(-1); err != nil {
			_ = file.Close() // the first error counts
			return callError("readdir", path, err, ByErrno)
		}
		return closeError(path, file.Close())
	})
	return names, err
}

// Stat implements Directory.
func (d LocalDirectory) Stat(_ context.Context, path string) (info Info, err error) {
	err = d.below("stat", path, func(root int) error {
		var st unix.Stat_t
		_, err := retry(func() error { return unix.Fstatat(root, path, &st, unix.AT_SYMLINK_NOFOLLOW) })
		if err != nil {
			return callError("stat", path, err, ByErrno)
		}
		info = Info{Mode: modeOf(st.Mode), Length: st.Size, Links: uint64(st.Nlink)} //nolint:unconvert // it is 32 bits wide on other architectures
		return nil
	})
	return info, err
}

// mutate makes one system call that changes something.
func (d LocalDirectory) mutate(op, path string, call func(root int) error) error {
	return d.below(op, path, func(root int) error {
		interrupted, err := retry(func() error { return call(root) })
		if err != nil {
			return callError(op, path, err, afterRetry(interrupted))
		}
		return nil
	})
}

// below runs a call with a descriptor of the root. With Mounted, the descriptor is known to be of the mounted file system, whatever
// happens to the mount meanwhile. Neither asks the file system anything.
func (d LocalDirectory) below(op, path string, call func(root int) error) error {
	if !filepath.IsLocal(path) {
		return &CallError{Op: op, Path: path, Errno: unix.EINVAL, Effect: None}
	}
	root, err := unix.Open(d.Root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		err = unix.ENOTCONN // what should be below it is not known to be gone
	}
	if err != nil {
		return callError("open the root for "+op+" of", path, err, None)
	}
	defer func() { _ = unix.Close(root) }() // an O_PATH descriptor has nothing that could fail
	if d.Mounted {
		var st unix.Statx_t
		if err := unix.Statx(root, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, 0, &st); err != nil {
			return callError("statx the root for "+op+" of", path, err, None)
		}
		if st.Attributes&unix.STATX_ATTR_MOUNT_ROOT == 0 {
			return &CallError{Op: "nothing is mounted for " + op + " of", Path: path, Errno: unix.ENOTCONN, Effect: None}
		}
	}
	return call(root)
}

// openFile opens a file below the root.
func openFile(root int, path string, flags int) (*os.File, error) {
	fd := -1
	interrupted, err := retry(func() (err error) {
		fd, err = unix.Openat(root, path, flags|unix.O_CLOEXEC, 0o644)
		return err
	})
	if err != nil {
		return nil, callError("open", path, err, afterRetry(interrupted))
	}
	return os.NewFile(uintptr(fd), path), nil
}

// maxInterruptions bounds the repetitions of a call that signals interrupt.
const maxInterruptions = 1000

// retry repeats a call that a signal interrupts: the Go runtime preempts goroutines with signals, and file systems in user space pass that on.
func retry(call func() error) (interrupted bool, err error) {
	for range maxInterruptions {
		err = call()
		if !errors.Is(err, unix.EINTR) {
			return interrupted, err
		}
		interrupted = true
	}
	return interrupted, err
}

// afterRetry says what a failure means. After an interruption the first try may have taken effect, and the errno speaks of the second.
func afterRetry(interrupted bool) Effect {
	if interrupted {
		return Maybe
	}
	return ByErrno
}

func callError(op, path string, err error, effect Effect) error {
	return &CallError{Op: op, Path: path, Errno: errnoOf(err), Effect: effect}
}

func closeError(path string, err error) error {
	if err == nil {
		return nil
	}
	return callError("close", path, err, Maybe)
}

func modeOf(mode uint32) fs.FileMode {
	perm := fs.FileMode(mode & 0o777)
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return perm
	case unix.S_IFDIR:
		return perm | fs.ModeDir
	case unix.S_IFLNK:
		return perm | fs.ModeSymlink
	default:
		return perm | fs.ModeIrregular
	}
}
