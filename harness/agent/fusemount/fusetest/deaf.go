// Package fusetest has FUSE mounts that do not work, for tests of what must survive them.
package fusetest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// Deaf is a FUSE file system that reads the kernel's requests and never answers one: whoever touches it waits, and not even SIGKILL helps.
type Deaf struct {
	Path  string
	asked atomic.Int64
	stop  func()
}

// Asked returns how many requests were not answered.
func (d *Deaf) Asked() int { return int(d.asked.Load()) }

// Die ends the server. Calls on the mount fail with ENOTCONN from then on.
func (d *Deaf) Die() { d.stop() }

// NewDeaf mounts a deaf file system at a new folder for the time of a test, which is skipped where FUSE is not to be had.
func NewDeaf(t testing.TB) *Deaf {
	t.Helper()
	device, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Skipf("needs FUSE: %v", err)
	}
	path := filepath.Join(t.TempDir(), "a mount")
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", device)
	if err := unix.Mount("deaf", path, "fuse.deaf", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		_ = unix.Close(device)
		t.Skipf("needs FUSE and the right to mount: %v", err)
	}
	var stop [2]int
	if err := unix.Pipe2(stop[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	mount := &Deaf{Path: path}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		mount.serve(device, stop[0])
	}()
	mount.stop = sync.OnceFunc(func() {
		_ = unix.Close(stop[1])
		<-ended
		_ = unix.Close(stop[0])
	})
	t.Cleanup(func() {
		mount.Die()
		for unix.Unmount(path, unix.MNT_DETACH) == nil { // until nothing is mounted there
		}
	})
	return mount
}

// serve answers FUSE_INIT (26 in linux/fuse.h), before which the kernel sends nothing, and swallows everything else. Closing the device ends the
// connection.
func (d *Deaf) serve(device, stop int) {
	defer func() { _ = unix.Close(device) }()
	request := make([]byte, 1<<20)
	for {
		ready := []unix.PollFd{{Fd: int32(device), Events: unix.POLLIN}, {Fd: int32(stop), Events: unix.POLLIN}}
		if _, err := unix.Poll(ready, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
		if ready[1].Revents != 0 {
			return
		}
		n, err := unix.Read(device, request)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOENT):
		case err != nil:
			return
		case n >= 16 && binary.NativeEndian.Uint32(request[4:]) == 26:
			_, _ = unix.Write(device, initReply(request))
		default:
			d.asked.Add(1)
		}
	}
}

// initReply is fuse_out_header and fuse_init_out for protocol 7.31, with no wishes.
func initReply(request []byte) []byte {
	reply := make([]byte, 16+64)
	binary.NativeEndian.PutUint32(reply, uint32(len(reply)))
	copy(reply[8:16], request[8:16]) // the request's number
	binary.NativeEndian.PutUint32(reply[16:], 7)
	binary.NativeEndian.PutUint32(reply[20:], 31)
	binary.NativeEndian.PutUint32(reply[36:], 64<<10) // the longest write
	return reply
}
