package venus

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk"
)

// container is a file that holds the contents of one version of one file. There is one for each cached file, so that it is small.
type container struct {
	name string
	all  *containers // the directory that it is in

	// Guarded by Venus.mu.
	size    int64 // as counted for the cache's limit
	refs    int32 // objects, records, sessions, handles and flights that need it
	synced  bool  // its bytes and its name are on the disk, and somebody was promised so
	checked bool  // its digest has been compared since venus was started, or it was made since

	mu     sync.Mutex
	opened *sharedFile // nil while nobody has it open
}

// sharedFile is a container that is open for reading, by as many handles as there are users.
type sharedFile struct {
	disk.File
	users int
}

// path is where the container is on the disk.
func (c *container) path() string { return filepath.Join(c.all.dir, c.name) }

// open gives the file for reading. Each call must be matched by one of close.
func (c *container) open(on disk.FS) (disk.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.opened == nil {
		f, err := on.OpenFile(c.path(), os.O_RDONLY)
		if err != nil {
			return nil, &coda.Error{Op: "open container " + c.name, Kind: coda.IO, Err: err}
		}
		c.opened = &sharedFile{File: f}
	}
	c.opened.users++
	return c.opened.File, nil
}

func (c *container) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opened.users--
	if c.opened.users == 0 {
		_ = c.opened.Close() // it was only read
		c.opened = nil
	}
}

// containers is the directory of container files.
type containers struct {
	disk   disk.FS
	dir    string
	starts uint64 // makes names that no earlier run used
	since  uint64 // the first start in this run of the operating system
	next   atomic.Uint64
	store  *store
	log    *slog.Logger
	pages  sync.Pool // of *[]byte, to read contents with
	leases bool      // the kernel tells who has a container open or mapped

	mu    sync.Mutex
	spare []string // names of empty files
}

const (
	// maxSpare is how many empty container files are kept for the next contents. Making and removing a file is by far the most expensive step of
	// storing a small one: ext4, for one, looks at every inode that was freed in the last minutes before it takes one.
	maxSpare = 1024
	// maxSpareSize is the length up to which a container is emptied and kept rather than removed.
	maxSpareSize = 1 << 20
	// pageSize is the length of the buffers to read contents with.
	pageSize = 64 << 10
)

func newContainers(cfg Config, s *store, id identity) (*containers, error) {
	c := &containers{disk: cfg.Disk, dir: filepath.Join(cfg.Dir, "containers"), starts: id.Starts, since: id.Since, store: s, log: cfg.Log}
	c.pages.New = func() any {
		b := make([]byte, pageSize)
		return &b
	}
	if err := disk.MakeDirectory(c.disk, c.dir); err != nil {
		return nil, fmt.Errorf("make the directory of containers: %w", err)
	}
	var err error
	c.leases, err = tellsUse(c.disk, c.dir)
	return c, err
}

// named gives a container that exists.
func (c *containers) named(name string) *container {
	return &container{name: name, all: c}
}

// create makes an empty container, open for reading and writing. It has no references yet.
func (c *containers) create() (*container, disk.File, error) {
	k, flags := c.named(c.takeSpare()), os.O_RDWR
	if k.name == "" {
		k, flags = c.named(fmt.Sprintf("%x-%x", c.starts, c.next.Add(1))), os.O_RDWR|os.O_CREATE|os.O_EXCL
	}
	k.checked = true
	f, err := c.disk.OpenFile(k.path(), flags)
	if err != nil {
		return nil, nil, containerError("make container "+k.name, err)
	}
	return k, f, nil
}

// sameBoot says by the name of a container whether it was made in this run of the operating system: no loss of power has overtaken it. Contents that an
// earlier start looked at, after a loss of power, are not remembered as whole.
func (c *containers) sameBoot(name string) bool {
	start, _, _ := strings.Cut(name, "-")
	number, err := strconv.ParseUint(start, 16, 64)
	return err == nil && number >= c.since
}

// takeSpare gives the name of an empty container file, or "" when there is none.
//
// A name is used again for other contents only after the metadata that forgot the old ones was written. Should a power loss bring those
// metadata back, the digest tells: contents that were never synced are not trusted after a power loss, and those that were are forgotten on
// the disk before their file is emptied.
func (c *containers) takeSpare() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.spare) == 0 {
		return ""
	}
	name := c.spare[len(c.spare)-1]
	c.spare = c.spare[:len(c.spare)-1]
	return name
}

// keepSpare empties the file of a container and keeps it, and reports whether it did. A name tells in which run of the operating system its contents were
// written, so that it is not used in another one.
func (c *containers) keepSpare(k *container) bool {
	if k.size > maxSpareSize || !c.leases || !c.sameBoot(k.name) {
		return false
	}
	c.mu.Lock()
	full := len(c.spare) >= maxSpare
	c.mu.Unlock()
	if full {
		return false
	}
	if !c.emptyUnused(k.path()) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spare = append(c.spare, k.name)
	return true
}

// emptyUnused empties the file of a container, unless a program still has it open or mapped: it would lose what it sees, and go on writing to a file
// that has other contents by then.
func (c *containers) emptyUnused(path string) bool {
	f, err := c.disk.OpenFile(path, os.O_RDWR)
	if err != nil {
		return false
	}
	used, err := c.inUse(f)
	if err != nil || used {
		_ = f.Close() // nothing was written
		return false
	}
	// Not truncate(2): ext4 writes a file that was truncated to the disk at its next close, and this close is the one that finds nothing to write.
	err = f.Truncate(0)
	return f.Close() == nil && err == nil
}

// containerError gives the error of a file operation on a container its kind.
func containerError(op string, err error) error {
	kind := coda.IO
	if disk.NoSpace(err) {
		kind = coda.NoSpace
	}
	return &coda.Error{Op: op, Kind: kind, Err: err}
}

// remove removes files. The metadata that forgets them must have been enqueued; it is written first, and where somebody was promised that the
// contents survive a power loss it is even synced, since it names what took their place.
func (c *containers) remove(doomed []*container) {
	if len(doomed) == 0 {
		return
	}
	synced := false
	for _, k := range doomed {
		synced = synced || k.synced
	}
	barrier := c.store.barrier
	if synced {
		barrier = c.store.sync
	}
	if err := barrier(); err != nil {
		c.log.Error("containers are left until the next start", "count", len(doomed), "error", err)
		return
	}
	for _, k := range doomed {
		if c.keepSpare(k) {
			continue
		}
		if err := c.disk.Remove(k.path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.log.Error("remove container", "container", k.name, "error", err)
		}
	}
}

// syncDirectory makes the names of containers survive a power loss.
func (c *containers) syncDirectory() error { return syncDirectory(c.disk, c.dir) }

func syncDirectory(on disk.FS, path string) error {
	if err := disk.SyncDirectory(on, path); err != nil {
		return containerError("sync directory "+path, err)
	}
	return nil
}

// freeBytes is the space of the disk that the cache may still use.
func (c *containers) freeBytes() (uint64, error) {
	usage, err := c.disk.GetDiskUsage(c.dir)
	if err != nil {
		return 0, containerError("ask for the free space of "+c.dir, err)
	}
	return usage.AvailBytes, nil
}

// digest reads a whole file and gives its length and digest.
func (c *containers) digest(f disk.File) (uint64, coda.Digest, error) {
	page := c.pages.Get().(*[]byte)
	defer c.pages.Put(page)
	h := sha256.New()
	length := int64(0)
	for {
		n, err := f.ReadAt(*page, length)
		h.Write((*page)[:n])
		length += int64(n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, coda.Digest{}, containerError("read "+f.Name(), err)
		}
	}
	var d coda.Digest
	h.Sum(d[:0])
	return uint64(length), d, nil
}
