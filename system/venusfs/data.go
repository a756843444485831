package venusfs

import (
	"errors"
	"io"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// What follows is asked only where the kernel does not read and write the container by itself.

// Read reads from the container.
func (f *rawFileSystem) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	o := f.files.get(in.Fh)
	if o == nil {
		return nil, fuse.EBADF
	}
	n, err := o.handle.ReadAt(buf[:min(len(buf), int(in.Size))], int64(in.Offset))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fuse.ToStatus(err)
	}
	return fuse.ReadResultData(buf[:n]), fuse.OK
}

// Write writes to the container.
func (f *rawFileSystem) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	o := f.files.get(in.Fh)
	if o == nil {
		return 0, fuse.EBADF
	}
	if in.Flags&unix.O_APPEND != 0 && o.apart {
		return o.append(data)
	}
	n, err := o.handle.WriteAt(data, int64(in.Offset))
	if err != nil {
		return uint32(n), containerStatus(err)
	}
	return uint32(n), fuse.OK
}

// append writes at the end of the container, since the kernel computes the offset from a length that is not this one's.
func (o *openFile) append(data []byte) (uint32, fuse.Status) {
	o.appending.Lock()
	defer o.appending.Unlock()
	info, err := o.file.Stat()
	if err != nil {
		return 0, containerStatus(err)
	}
	n, err := o.handle.WriteAt(data, info.Size())
	if err != nil {
		return uint32(n), containerStatus(err)
	}
	return uint32(n), fuse.OK
}

// containerStatus passes the error of a local file on, but for those that mean something else to the kernel.
func containerStatus(err error) fuse.Status {
	status := fuse.ToStatus(err)
	if status == fuse.ENOSYS || status == errAgain || !status.Ok() && syscall.Errno(status) == syscall.EBADF {
		return fuse.EIO
	}
	return status
}

// Fsync makes what was written survive a loss of power.
func (f *rawFileSystem) Fsync(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	o := f.files.get(in.Fh)
	if o == nil {
		return fuse.EBADF
	}
	r := f.beginFinal()
	defer r.end()
	return r.status(o.handle.Sync(r))
}

// Fallocate allocates space in the container, or punches holes.
func (f *rawFileSystem) Fallocate(_ <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	o := f.files.get(in.Fh)
	if o == nil {
		return fuse.EBADF
	}
	if !o.handle.Direct() {
		return fuse.Status(unix.EOPNOTSUPP)
	}
	return containerStatus(unix.Fallocate(int(o.file.Fd()), in.Mode, int64(in.Offset), int64(in.Length)))
}

// Lseek finds data and holes.
func (f *rawFileSystem) Lseek(_ <-chan struct{}, in *fuse.LseekIn, out *fuse.LseekOut) fuse.Status {
	o := f.files.get(in.Fh)
	if o == nil {
		return fuse.EBADF
	}
	offset, err := unix.Seek(int(o.file.Fd()), int64(in.Offset), int(in.Whence))
	if err != nil {
		return containerStatus(err)
	}
	out.Offset = uint64(offset)
	return fuse.OK
}

// CopyFileRange copies between containers without the data leaving the kernel.
func (f *rawFileSystem) CopyFileRange(_ <-chan struct{}, in *fuse.CopyFileRangeIn) (uint32, fuse.Status) {
	from, to := f.files.get(in.FhIn), f.files.get(in.FhOut)
	if from == nil || to == nil {
		return 0, fuse.EBADF
	}
	if !from.handle.Direct() || !to.handle.Direct() {
		return 0, fuse.Status(unix.EOPNOTSUPP) // the kernel reads and writes then
	}
	offIn, offOut := int64(in.OffIn), int64(in.OffOut)
	n, err := unix.CopyFileRange(int(from.file.Fd()), &offIn, int(to.file.Fd()), &offOut, int(min(in.Len, 1<<30)), 0)
	if err != nil {
		return 0, containerStatus(err)
	}
	return uint32(n), fuse.OK
}
