package venus

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/codastress/codastress/system/disk"
)

// ballast is a file that only takes space. An application can fill the disk at any time through a file that is open for writing; when the
// ballast is given up then, there is room for the log again, so that venus goes on and can say so.
type ballast struct {
	disk disk.FS
	path string
	size int64
	log  *slog.Logger

	mu   sync.Mutex
	held bool
}

func newBallast(cfg Config) *ballast {
	return &ballast{disk: cfg.Disk, path: filepath.Join(cfg.Dir, "ballast"), size: int64(cfg.Limits.DiskReserve / 4), log: cfg.Log}
}

// hold takes the space.
func (b *ballast) hold() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held {
		return
	}
	f, err := b.disk.OpenFile(b.path, os.O_RDWR|os.O_CREATE)
	if err == nil {
		err = f.Allocate(b.size)
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
	}
	if err != nil {
		// Not every file system can do it; then there is no ballast.
		b.log.Debug("take the ballast", "error", err)
		_ = b.disk.Remove(b.path)
	}
	b.held = true
}

// release gives the space back.
func (b *ballast) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.held {
		return
	}
	if err := b.disk.Remove(b.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		b.log.Error("give up the ballast", "error", err)
		return
	}
	b.log.Warn("the disk of the cache is full")
	b.held = false
}

// diskTick is how often the free space is looked at.
const diskTick = 250 * time.Millisecond

// watchDisk keeps an eye on the free space of the disk: while there is little, changes are refused, so that what has been acknowledged can
// still be written down.
func (v *Venus) watchDisk(ctx context.Context) {
	for {
		free, err := v.containers.freeBytes()
		if err == nil {
			full := free < v.cfg.Limits.DiskReserve/2
			v.mu.Lock()
			v.diskFull = full
			v.mu.Unlock()
			if free > v.cfg.Limits.DiskReserve {
				v.ballast.hold()
			}
		}
		if !pause(ctx, diskTick) {
			return
		}
	}
}
