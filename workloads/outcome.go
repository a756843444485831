package workloads

import (
	"errors"
	"syscall"

	"github.com/codastress/codastress/harness/history"
)

// outcomeOf says how a call ended for the history. A failed mutation is Indeterminate unless something proves that nothing happened:
// calling it Failed wrongly would accuse a sound system, calling it Indeterminate wrongly only weakens a check.
func outcomeOf(kind history.Kind, err error) (history.Outcome, syscall.Errno) {
	if err == nil {
		return history.OK, 0
	}
	errno := errnoOf(err)
	effect := ByErrno
	if call, ok := errors.AsType[*CallError](err); ok {
		effect = call.Effect
	}
	switch {
	case !kind.Mutates(), effect == None:
		return history.Failed, errno
	case effect == Maybe:
		return history.Indeterminate, errno
	}
	if _, proves := nothingHappened(errno); proves {
		return history.Failed, errno
	}
	return history.Indeterminate, errno
}

// nothingHappened says why a mutation that failed with an errno had no effect; false means that there is no such reason.
//
// What is missing here is so on purpose. EIO, ETIMEDOUT, ECONNRESET, ECONNABORTED, ENOTCONN, ESHUTDOWN, ESTALE: the request may have been
// carried out before its answer was lost. EINTR, EAGAIN: a wait was given up, and what was waited for may come. ENOSPC, EDQUOT, EFBIG: a part
// may have been done, and a file system that writes back reports them late. EBUSY, ENODEV, ENXIO: file systems in user space use them for
// failures of their own.
func nothingHappened(errno syscall.Errno) (why string, proves bool) {
	switch errno {
	case syscall.ENOENT:
		return "the name, or a directory on the way, was not there", true
	case syscall.EEXIST:
		return "the name was taken", true
	case syscall.ENOTDIR, syscall.EISDIR:
		return "the object has the wrong type", true
	case syscall.ENOTEMPTY:
		return "the directory still held names", true
	case syscall.EXDEV:
		return "the file system does not link or rename so far", true
	case syscall.EMLINK:
		return "the file has all the names that it may have", true
	case syscall.ELOOP, syscall.ENAMETOOLONG, syscall.EINVAL, syscall.EFAULT, syscall.EBADF:
		return "the arguments were refused before anything was done", true
	case syscall.EPERM, syscall.EACCES, syscall.EROFS:
		return "permission is checked before anything is done", true
	case syscall.ENOSYS, syscall.EOPNOTSUPP:
		return "the file system cannot do it at all", true
	case syscall.EMFILE, syscall.ENFILE:
		return "the kernel ran out of something before it asked the file system", true
	case syscall.ETXTBSY:
		return "the file is being executed", true
	default:
		return "", false
	}
}

// gone takes it for done that what was to be removed is not there: an earlier try may have done it whose outcome is not known.
func gone(result Result) Result {
	if result.Errno == syscall.ENOENT {
		return Result{Outcome: history.OK}
	}
	return result
}

// there takes it for done that what was to be made is there.
func there(result Result) Result {
	if result.Errno == syscall.EEXIST {
		return Result{Outcome: history.OK}
	}
	return result
}
