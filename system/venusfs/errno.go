package venusfs

import (
	"syscall"

	"github.com/codastress/codastress/system/coda"
)

// Errno gives the error number that an application sees for an error of the file system: the only table of its kind. The number
// of nil is 0.
//
// Three numbers must never be in it. ESTALE makes the kernel walk the path again, which venusfs uses itself (see the package
// documentation). ENOSYS turns a whole operation off for the rest of the mount. EINTR belongs to a request that was interrupted, and
// only the request knows that.
func Errno(err error) syscall.Errno {
	switch coda.KindOf(err) {
	case 0:
		return 0
	case coda.NotFound:
		return syscall.ENOENT
	case coda.Exists:
		return syscall.EEXIST
	case coda.NotDirectory:
		return syscall.ENOTDIR
	case coda.IsDirectory:
		return syscall.EISDIR
	case coda.NotEmpty:
		return syscall.ENOTEMPTY
	case coda.Invalid:
		return syscall.EINVAL
	case coda.NameTooLong:
		return syscall.ENAMETOOLONG
	case coda.CrossDevice:
		return syscall.EXDEV
	case coda.TooManyLinks:
		return syscall.EMLINK
	case coda.Permission, coda.NoToken:
		return syscall.EACCES
	case coda.QuotaExceeded:
		return syscall.EDQUOT
	case coda.NoSpace:
		return syscall.ENOSPC
	case coda.TimedOut:
		return syscall.ETIMEDOUT
	case coda.Busy:
		return syscall.EBUSY
	case coda.Closed:
		return syscall.ESHUTDOWN
	case coda.Unsupported:
		return syscall.EOPNOTSUPP
	case coda.Conflict:
		return syscall.EPERM // as in Coda: the object has to be repaired first
	default: // IO
		return syscall.EIO
	}
}
