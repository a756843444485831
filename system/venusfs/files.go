package venusfs

import (
	"hash/fnv"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
)

// openFile is an open file description of the kernel.
type openFile struct {
	node    *node
	handle  Handle
	file    *os.File
	status  coda.Status // of the file, when it was opened
	version version     // of the contents, when it was opened
	writes  bool

	// Guarded by node.mu.
	apart  bool // what the kernel knows of the node is not true of it, so that every read and write comes here
	backed bool // the kernel was given the node's container with it
	ending bool // the handle is being closed

	appending sync.Mutex // held while the end of the container is found and written to
}

// newOpenFile learns what has to be known of a handle.
func newOpenFile(r *request, handle Handle, flags venus.OpenFlags) (*openFile, error) {
	o := &openFile{handle: handle, file: handle.File(), writes: flags.Write}
	var err error
	if o.status, err = handle.Status(r); err != nil {
		return nil, err
	}
	o.version, err = o.written()
	return o, err
}

// written describes what the container holds now. Its digest is not known: the file's status may be that of something newer.
func (o *openFile) written() (version, error) {
	var s unix.Stat_t
	if err := unix.Fstat(int(o.file.Fd()), &s); err != nil {
		return version{}, &coda.Error{Op: "look at the container of " + o.status.Fid.String(), Kind: coda.IO, Err: err}
	}
	return version{container: numberOf(o.file.Name()), changed: s.Ctim.Nano(), length: uint64(s.Size), modified: o.status.Modified}, nil
}

// numberOf gives a number to a container by its name, never 0. Two containers of one file hardly have the same: it is a hash.
func numberOf(container string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(container)) // never fails
	return max(h.Sum64(), 1)
}

// openFlags translates open(2)'s flags.
func openFlags(flags uint32) venus.OpenFlags {
	access := flags & unix.O_ACCMODE
	truncate := flags&unix.O_TRUNC != 0
	return venus.OpenFlags{
		Read:      access != unix.O_WRONLY,
		Write:     access != unix.O_RDONLY || truncate,
		Truncate:  truncate,
		Exclusive: flags&unix.O_EXCL != 0,
	}
}

// table knows what is open by the number that the kernel has for it.
type table[T any] struct {
	mu   sync.Mutex
	last uint64
	all  map[uint64]T
}

func newTable[T any]() *table[T] { return &table[T]{all: map[uint64]T{}} }

func (t *table[T]) add(x T) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	t.all[t.last] = x
	return t.last
}

// get gives the zero value for a number that is not known.
func (t *table[T]) get(number uint64) T {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all[number]
}

// take is get, and forgets the number.
func (t *table[T]) take(number uint64) T {
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.all[number]
	delete(t.all, number)
	return x
}

// takeAll forgets everything and gives what there was.
func (t *table[T]) takeAll() []T {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []T
	for _, x := range t.all {
		all = append(all, x)
	}
	clear(t.all)
	return all
}
