package ailing

import (
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"
)

// blockSize is what space is counted in.
const blockSize = 4096

// blocks is the space that so many bytes take.
func blocks(bytes int64) int64 { return (bytes + blockSize - 1) / blockSize * blockSize }

// full says whether the disk is full by its health.
func (d *Disk) full() bool {
	if !d.ails.Load() {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.course.health.Full
}

// limit takes from what a disk says of itself the space that it has not.
func (d *Disk) limit(usage *vfs.DiskUsage, name string) {
	if !d.full() {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	usage.AvailBytes = min(usage.AvailBytes, uint64(d.space))
	usage.UsedBytes = usage.TotalBytes - usage.AvailBytes
	if d.space < blockSize {
		d.course.HadNoSpace(Usage, name)
		d.keep(d.record())
	}
}

// take takes space for a call, up to what is wanted, and gives how much there was. Less than that is noted as a harm.
func (d *Disk) take(op Operation, path string, wanted int64) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.course.health.Full || wanted <= 0 {
		return wanted // it is healed meanwhile, or nothing is needed
	}
	got := min(wanted, d.space/blockSize*blockSize)
	d.space -= got
	if got < wanted {
		d.course.HadNoSpace(op, path)
	}
	d.keep(d.record())
	return got
}

// giveBack has space again that was taken.
func (d *Disk) giveBack(bytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.course.health.Full && bytes > 0 {
		d.space += bytes
		d.keep(d.record())
	}
}

// replacing makes a call by which a name loses what it stands for, and has the space of that again.
func (d *Disk) replacing(name string, call func() error) error {
	if !d.full() {
		return call()
	}
	var was unix.Stat_t
	known := unix.Lstat(name, &was) == nil && was.Mode&unix.S_IFMT == unix.S_IFREG && was.Nlink == 1
	err := call()
	if err == nil && known {
		d.giveBack(was.Blocks * 512)
	}
	return err
}

// measured is an open file that says what it is.
type measured interface{ Stat() (fs.FileInfo, error) }

// storeMeasured is a file of a store as something that is measured.
type storeMeasured struct{ vfs.File }

// Stat implements measured.
func (f storeMeasured) Stat() (fs.FileInfo, error) { return f.File.Stat() }

// writing makes a call that writes n bytes at an offset with as many of them as there is space for: fewer is an error.
func (d *Disk) writing(f measured, name string, offset int64, n int, write func(n int) (int, error)) (int, error) {
	if !d.full() {
		return write(n)
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	wanted := blocks(offset+int64(n)) - blocks(info.Size())
	got := d.take(Write, name, wanted)
	if got >= wanted {
		return write(n)
	}
	fits := max(0, min(int64(n), blocks(info.Size())+got-offset))
	done, err := write(int(fits))
	if err == nil {
		err = noSpace(Write, name)
	}
	return done, err
}

// resizing makes a call that sets the length of a file, and has again what is cut off.
func (d *Disk) resizing(f measured, size int64, call func() error) error {
	if !d.full() {
		return call()
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := call(); err != nil {
		return err
	}
	d.giveBack(blocks(info.Size()) - blocks(size))
	return nil
}

// filling makes a call that makes a file so long at once, with all of its space, or not at all.
func (d *Disk) filling(f measured, op Operation, name string, size int64, call func() error) error {
	if !d.full() {
		return call()
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	wanted := blocks(size) - blocks(info.Size())
	if got := d.take(op, name, wanted); got < wanted {
		d.giveBack(got)
		return noSpace(op, name)
	}
	return call()
}
