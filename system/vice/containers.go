package vice

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sync/errgroup"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk"
)

// containers keeps the contents of larger files, each in a file of its own that is written once. They are spread over directories
// so that none grows large.
type containers struct {
	disk disk.FS
	dir  string

	mu      sync.Mutex
	keepers int             // who need containers that nothing names any more
	given   []upload        // that can go when there are none
	moving  map[string]bool // names of files about to be taken over by a commit, or about to be removed
}

// ContainersFolder is the folder of a server's directory that has contents and nothing else.
const ContainersFolder = "containers"

// spread is the number of directories of containers.
const spread = 64

func openContainers(on disk.FS, dir string) (*containers, error) {
	c := &containers{disk: on, dir: dir, moving: map[string]bool{}}
	made, err := on.List(dir)
	if err == nil && len(made) == spread {
		return c, nil
	}
	for n := range uint64(spread) {
		if err := on.MkdirAll(c.directory(n), 0o700); err != nil {
			return nil, fmt.Errorf("make directories of containers: %w", err)
		}
	}
	for _, d := range []string{dir, on.PathDir(dir)} {
		if err := disk.SyncDirectory(on, d); err != nil {
			return nil, fmt.Errorf("make directories of containers: %w", err)
		}
	}
	return c, nil
}

func (c *containers) directory(number uint64) string {
	return c.disk.PathJoin(c.dir, fmt.Sprintf("%02x", number%spread))
}

// name gives the file name of contents. It says to whom they belong for those who have to look; the content id alone makes it unique.
func (c *containers) name(f coda.Fid, id contentID) string {
	return fmt.Sprintf("%v-%x.%x", f, id.epoch, id.sequence)
}

func (c *containers) path(f coda.Fid, id contentID) string {
	return c.disk.PathJoin(c.directory(id.sequence), c.name(f, id))
}

// create makes a container, which is moving until it is settled or removed.
func (c *containers) create(f coda.Fid, id contentID) (disk.File, error) {
	c.move(f, id)
	file, err := c.disk.OpenFile(c.path(f, id), os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		c.settle(f, id)
		return nil, diskError(fmt.Sprintf("make a container for %v", f), err)
	}
	return file, nil
}

func (c *containers) open(v *vnode) (io.ReadCloser, error) {
	file, err := c.disk.Open(c.path(v.status.Fid, v.content.id), vfs.SequentialReadsOption)
	if err != nil {
		return nil, &coda.Error{Op: fmt.Sprintf("open the container of %v", v.status.Fid), Kind: coda.IO, Err: err}
	}
	return file, nil
}

// remove removes a container, for good where the disk agrees; otherwise the next start tries again.
func (c *containers) remove(f coda.Fid, id contentID) error {
	defer c.settle(f, id)
	return c.disk.Remove(c.path(f, id))
}

// keep has containers that are given up stay until the function that it returns is called: who reads a view for long needs those that it names.
func (c *containers) keep() (release func() error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keepers++
	return func() error {
		c.mu.Lock()
		c.keepers--
		var given []upload
		if c.keepers == 0 {
			given, c.given = c.given, nil
		}
		c.mu.Unlock()
		var errs []error
		for _, g := range given {
			errs = append(errs, c.remove(g.fid, g.content.id))
		}
		return errors.Join(errs...)
	}
}

// giveUp removes a container that no view will name any more, at once or when nobody keeps them.
func (c *containers) giveUp(f coda.Fid, id contentID) error {
	c.mu.Lock()
	kept := c.keepers > 0
	if kept {
		c.given = append(c.given, upload{fid: f, content: content{place: inContainer, id: id}})
	}
	c.mu.Unlock()
	if kept {
		return nil
	}
	return c.remove(f, id)
}

// move notes that no view may name a container for the moment.
func (c *containers) move(f coda.Fid, id contentID) {
	c.mu.Lock()
	c.moving[c.name(f, id)] = true
	c.mu.Unlock()
}

// settle ends what move began.
func (c *containers) settle(f coda.Fid, id contentID) {
	c.mu.Lock()
	delete(c.moving, c.name(f, id))
	c.mu.Unlock()
}

// inMotion lists the containers that are moving.
func (c *containers) inMotion() map[string]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.moving)
}

// syncDirectories makes the names of new containers durable.
func (c *containers) syncDirectories(numbers map[uint64]bool) error {
	var g errgroup.Group
	g.SetLimit(parallelSyncs)
	for n := range numbers {
		g.Go(func() error { return disk.SyncDirectory(c.disk, c.directory(n)) })
	}
	if err := g.Wait(); err != nil {
		return diskError("sync directories of containers", err)
	}
	return nil
}

// parallelSyncs is how many files of one batch are synced at once: file systems commit concurrent syncs together.
const parallelSyncs = 16

// each calls f with the path of every container file, by its name.
func (c *containers) each(f func(name, path string) error) error {
	for n := range uint64(spread) {
		dir := c.directory(n)
		names, err := c.disk.List(dir)
		if err != nil {
			return fmt.Errorf("list containers: %w", err)
		}
		for _, name := range names {
			if err := f(name, c.disk.PathJoin(dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// diskError gives a failure of the disk its kind.
func diskError(op string, err error) error {
	kind := coda.IO
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		kind = coda.NoSpace
	}
	return &coda.Error{Op: op, Kind: kind, Err: err}
}
