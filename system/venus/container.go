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
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/system/coda"
)

// container is a file that holds the contents of one version of one file.
type container struct {
	name string
	path string

	// Guarded by Venus.mu.
	refs    int   // objects, records, sessions, handles and flights that need it
	size    int64 // as counted for the cache's limit
	synced  bool  // its bytes and its name are on the disk, and somebody was promised so
	checked bool  // its digest has been compared in this run of the operating system, or it was made in it

	mu    sync.Mutex
	file  *os.File // for reading, shared by all handles
	users int      // of file
}

// open gives the file for reading. Each call must be matched by one of close.
func (c *container) open() (*os.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file == nil {
		f, err := os.Open(c.path)
		if err != nil {
			return nil, &coda.Error{Op: "open container " + c.name, Kind: coda.IO, Err: err}
		}
		c.file = f
	}
	c.users++
	return c.file, nil
}

func (c *container) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.users--
	if c.users == 0 {
		_ = c.file.Close() // it was only read
		c.file = nil
	}
}

// containers is the directory of container files.
type containers struct {
	dir    string
	starts uint64 // makes names that no earlier run used
	next   atomic.Uint64
	store  *store
	log    *slog.Logger
}

func newContainers(cfg Config, s *store, starts uint64) (*containers, error) {
	c := &containers{dir: filepath.Join(cfg.Dir, "containers"), starts: starts, store: s, log: cfg.Log}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of containers: %w", err)
	}
	return c, nil
}

// named gives a container that exists.
func (c *containers) named(name string) *container {
	return &container{name: name, path: filepath.Join(c.dir, name)}
}

// create makes an empty container, open for reading and writing. It has no references yet.
func (c *containers) create() (*container, *os.File, error) {
	k := c.named(fmt.Sprintf("%x-%x", c.starts, c.next.Add(1)))
	k.checked = true
	f, err := os.OpenFile(k.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, nil, containerError("make container "+k.name, err)
	}
	return k, f, nil
}

// containerError gives the error of a file operation on a container its kind.
func containerError(op string, err error) error {
	kind := coda.IO
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
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
		if err := os.Remove(k.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.log.Error("remove container", "container", k.name, "error", err)
		}
	}
}

// syncDirectory makes the names of containers survive a power loss.
func (c *containers) syncDirectory() error { return syncDirectory(c.dir) }

func syncDirectory(path string) error {
	d, err := os.Open(path)
	if err == nil {
		err = d.Sync()
		_ = d.Close()
	}
	if err != nil {
		return containerError("sync directory "+path, err)
	}
	return nil
}

// freeBytes is the space of the disk that the cache may still use.
func (c *containers) freeBytes() (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(c.dir, &s); err != nil {
		return 0, containerError("ask for the free space of "+c.dir, err)
	}
	return s.Bavail * uint64(s.Bsize), nil
}

// copyContents copies a whole file, sharing blocks where the file system can.
func copyContents(to, from *os.File) error {
	if err := unix.IoctlFileClone(int(to.Fd()), int(from.Fd())); err == nil {
		return nil
	}
	if _, err := to.Seek(0, io.SeekStart); err != nil {
		return err
	}
	// A section reader has its own position, since the file is shared; it hides copy_file_range, so that is called here.
	info, err := from.Stat()
	if err != nil {
		return err
	}
	var in, out int64
	for in < info.Size() {
		n, err := unix.CopyFileRange(int(from.Fd()), &in, int(to.Fd()), &out, int(min(info.Size()-in, 1<<30)), 0)
		if err != nil || n == 0 {
			_, err = io.Copy(io.NewOffsetWriter(to, in), io.NewSectionReader(from, in, info.Size()-in))
			return err
		}
	}
	return nil
}

// digestFile reads a whole file and gives its length and digest.
func digestFile(f *os.File) (uint64, coda.Digest, error) {
	h := sha256.New()
	n, err := io.Copy(h, io.NewSectionReader(f, 0, 1<<62))
	if err != nil {
		return 0, coda.Digest{}, containerError("read "+f.Name(), err)
	}
	var d coda.Digest
	h.Sum(d[:0])
	return uint64(n), d, nil
}
