package simdisk

import (
	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/system/disk/ailing"
)

// What ails a disk goes over to the copy that a crash or a loss of power leaves, and counts on there.

// Harm gives what the health of the disk has done so far.
func (d *Disk) Harm() ailing.Harm {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.course.Harm()
}

// SetHealth makes a disk work well or badly from now on. Calls that are stalled go on as soon as the disk is not. It sets the capacity as well.
func (d *Disk) SetHealth(h ailing.Health) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.course.Set(h)
	d.capacity = 0
	if h.Full {
		d.capacity = max(d.used, 1) // 0 is no limit
	}
}

// noSpace is the error of a call for which there is no space. d.mu is held.
func (d *Disk) noSpace(op ailing.Operation, path string) error {
	d.course.HadNoSpace(op, path)
	return failed(op, path, unix.ENOSPC)
}
