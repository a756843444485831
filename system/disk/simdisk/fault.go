package simdisk

import (
	"path"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/system/disk/ailing"
)

// Fault makes calls fail. The zero value makes every call fail with EIO.
type Fault struct {
	Operation ailing.Operation // "" for any
	Path      string           // a pattern of path.Match for the whole path or its last element; "" for any
	Skip      int              // so many of the calls that match go well first
	Count     int              // so many fail after that; 0 for all
	Err       unix.Errno       // 0 for EIO
}

// Injection is a fault that a disk has.
type Injection struct {
	fault   Fault
	matched int
	hits    int
}

// Inject adds a fault. A write that it hits writes the first half of its bytes. The copy that a crash makes takes the faults over.
func (d *Disk) Inject(f Fault) *Injection {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := &Injection{fault: f}
	d.faults = append(d.faults, i)
	return i
}

// Heal removes a fault, and gives how many calls it has made fail.
func (d *Disk) Heal(i *Injection) (hits int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = slices.DeleteFunc(d.faults, func(j *Injection) bool { return i == j })
	return i.hits
}

// Hits gives how many calls a fault of this disk has made fail.
func (d *Disk) Hits(i *Injection) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return i.hits
}

// injected gives the error that a fault has for a call. d.mu is held.
func (d *Disk) injected(op ailing.Operation, name string) error {
	var err error
	for _, i := range d.faults {
		if errno := i.meet(op, name); errno != 0 && err == nil {
			err = errno
		}
	}
	return err
}

func (i *Injection) meet(op ailing.Operation, name string) unix.Errno {
	f := &i.fault
	if f.Operation != "" && f.Operation != op || f.Path != "" && !matches(f.Path, name) {
		return 0
	}
	i.matched++
	if i.matched <= f.Skip || f.Count > 0 && i.matched > f.Skip+f.Count {
		return 0
	}
	i.hits++
	if f.Err == 0 {
		return unix.EIO
	}
	return f.Err
}

func matches(pattern, name string) bool {
	whole, err := path.Match(pattern, name)
	last, _ := path.Match(pattern, path.Base(name)) // the same error
	return err == nil && (whole || last)
}

// Latency is how long calls take.
type Latency struct {
	Read  time.Duration
	Write time.Duration
	Sync  time.Duration // of files and directories
	Other time.Duration // everything but Usage and Close
}

func (l Latency) of(op ailing.Operation) time.Duration {
	switch op {
	case ailing.Read:
		return l.Read
	case ailing.Write, ailing.Copy:
		return l.Write
	case ailing.Sync, ailing.SyncDirectory:
		return l.Sync
	case ailing.Usage, ailing.Close:
		return 0
	default:
		return l.Other
	}
}

// SetLatency sets how long calls take from now on.
func (d *Disk) SetLatency(l Latency) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.latency = l
}

// SetCapacity sets how many bytes fit on the disk, counted in blocks; 0 for no limit. What is there stays.
func (d *Disk) SetCapacity(bytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.capacity = bytes
}

// Used is how many bytes are taken, counted in blocks.
func (d *Disk) Used() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.used
}

// Freeze makes all calls wait until Thaw, as those of a process that is stopped. Calls that wait already for the latency wait on after it.
func (d *Disk) Freeze() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.frozen == nil {
		d.frozen = make(chan struct{})
	}
}

// Thaw lets calls go on.
func (d *Disk) Thaw() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.frozen != nil {
		close(d.frozen)
		d.frozen = nil
	}
}

// Watch has f called before every call, by who makes it; nil ends that. f may copy the disk, so that a crash hits a chosen moment. The copy
// is not watched.
func (d *Disk) Watch(f func(op ailing.Operation, path string)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.watch = f
}
