package venus

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk"
)

// store is the metadata store.
type store struct {
	db      *pebble.DB
	wal     *walFS
	journal *journal
	log     *slog.Logger

	order sync.Mutex // fixes the order of changes
}

const (
	writeBuffers = 4       // of the store, at most: one that is filled, and others that are being written to the disk
	readCache    = 8 << 20 // bytes of what was read from the disk that the store keeps in memory
)

func openStore(cfg Config, b *ballast) (*store, error) {
	s := &store{wal: newWALFS(cfg, b), log: cfg.Log}
	// Pebble takes its write buffers from the cache: without room for them, nothing that was read would stay there.
	cache := pebble.NewCache(int64(writeBuffers*cfg.Limits.WriteBuffer + readCache))
	defer cache.Unref()
	dir := cfg.Disk.PathJoin(cfg.Dir, "meta")
	if err := disk.MakeDirectory(cfg.Disk, dir); err != nil {
		return nil, fmt.Errorf("make %s: %w", dir, err)
	}
	db, err := pebble.Open(dir, &pebble.Options{
		FS:                          s.wal,
		Cache:                       cache,
		FormatMajorVersion:          logFormat,
		MemTableSize:                uint64(cfg.Limits.WriteBuffer),
		MemTableStopWritesThreshold: writeBuffers,
		MaxOpenFiles:                64,
		L0CompactionThreshold:       4,
		Logger:                      pebbleLog{cfg.Log, cfg.Fatal},
	})
	if err != nil {
		return nil, fmt.Errorf("open the metadata of the cache in %s: %w", dir, err)
	}
	s.db = db
	if err := s.openJournal(s.wal, cfg.Disk.PathJoin(cfg.Dir, "journal")); err != nil {
		return nil, errors.Join(fmt.Errorf("open the metadata of the cache in %s: %w", dir, err), db.Close())
	}
	return s, nil
}

// logFormat is the newest format of Pebble in which its log does not say how much of it is synced: the log of a cache is told that it is when it is not
// (walFS), and where a loss of power has left a hole in it Pebble must take that for the end, and not for damage.
const logFormat = pebble.FormatColumnarBlocks

// keyNumber is where the number of the last change is kept.
func keyNumber() []byte { return metaKey("number") }

// openJournal applies the changes that Pebble lost, and starts a new journal.
func (s *store) openJournal(on vfs.FS, dir string) error {
	if err := disk.MakeDirectory(on, dir); err != nil {
		return fmt.Errorf("make %s: %w", dir, err)
	}
	number := uint64(0)
	b, closer, err := s.db.Get(keyNumber())
	switch {
	case err == nil && len(b) == 8:
		number = binary.BigEndian.Uint64(b)
		err = closer.Close()
	case errors.Is(err, pebble.ErrNotFound):
		err = nil
	}
	if err != nil {
		return fmt.Errorf("read the number of the last change: %w", err)
	}
	number, files, err := replayJournal(on, dir, number, func(_ uint64, change []byte) error {
		batch := s.db.NewBatch()
		defer batch.Close()
		if err := batch.SetRepr(slices.Clone(change)); err != nil {
			return err
		}
		return batch.Commit(pebble.NoSync)
	})
	if err == nil {
		err = s.save()
	}
	if err != nil {
		return err
	}
	for _, name := range files {
		if err := on.Remove(on.PathJoin(dir, name)); err != nil {
			return fmt.Errorf("remove an old journal: %w", err)
		}
	}
	s.journal, err = newJournal(on, dir, 0, number)
	return err
}

// close closes the store. Everything that was enqueued survives even a power loss.
func (s *store) close() error {
	if err := s.sync(); err != nil {
		s.log.Error("sync the metadata of the cache", "error", err)
	}
	if err := errors.Join(s.journal.close(), s.db.Close()); err != nil {
		return fmt.Errorf("close the metadata of the cache: %w", err)
	}
	return nil
}

// save returns when Pebble's log has everything that was enqueued before the call, in the kernel.
func (s *store) save() error {
	if err := s.db.LogData(nil, pebble.Sync); err != nil {
		return &coda.Error{Op: "write the metadata of the cache", Kind: coda.IO, Err: err}
	}
	return nil
}

// barrier returns when everything that was enqueued before the call survives a crash of the process.
func (s *store) barrier() error {
	if s.journal.flush(s.journal.last(), s.save) == nil {
		return nil
	}
	return s.save()
}

// sync makes everything that was enqueued before the call survive a power loss.
func (s *store) sync() error {
	// Somebody else can meet the demand at once, and then only what is in the kernel already is covered.
	if err := s.save(); err != nil {
		return err
	}
	s.wal.demand()
	if err := s.db.LogData(nil, pebble.Sync); err != nil {
		return &coda.Error{Op: "sync the metadata of the cache", Kind: coda.IO, Err: err}
	}
	return nil
}

// tx is a change of the store. Its methods only collect; an error stays and comes out of wait.
type tx struct {
	store  *store
	batch  *pebble.Batch
	err    error
	number uint64 // 0 until it is enqueued

	user coda.Principal // for whom records are logged in it
}

// by notes for whom records are logged in t.
func (t *tx) by(user coda.Principal) *tx {
	t.user = user
	return t
}

func (s *store) begin() *tx { return &tx{store: s, batch: s.db.NewBatch()} }

func (t *tx) fail(err error) {
	if t.err == nil && err != nil {
		t.err = err
	}
}

func (t *tx) set(key, value []byte) { t.fail(t.batch.Set(key, value, nil)) }

func (t *tx) delete(key []byte) { t.fail(t.batch.Delete(key, nil)) }

func (t *tx) meta(name string, value any) {
	b, err := json.Marshal(value)
	t.fail(err)
	t.set(metaKey(name), b)
}

// clearDirectory forgets the entries of a directory.
func (t *tx) clearDirectory(dir coda.Fid) {
	first := entryKey(dir, "")
	last := append([]byte(nil), first...)
	for i := len(last) - 1; i >= 0; i-- {
		last[i]++
		if last[i] != 0 {
			break
		}
	}
	t.fail(t.batch.DeleteRange(first, last, nil))
}

// enqueue puts the change in its place in the order of changes, without waiting. The caller holds the lock that guards what it describes.
func (t *tx) enqueue() {
	if t.err != nil || t.batch.Empty() {
		return
	}
	s := t.store
	s.order.Lock()
	defer s.order.Unlock()
	number := s.journal.last() + 1
	t.set(keyNumber(), binary.BigEndian.AppendUint64(nil, number))
	change := t.batch.Repr()
	if t.err == nil {
		t.fail(s.db.Apply(t.batch, pebble.NoSync))
	}
	if t.err == nil {
		s.journal.enqueue(number, change)
		t.number = number
	}
}

// wait returns when the change survives a crash of the process. The caller holds no lock.
func (t *tx) wait() error {
	if t.number != 0 && t.store.journal.flush(t.number, t.store.save) != nil {
		t.fail(t.store.save())
	}
	t.fail(t.batch.Close())
	if t.err != nil {
		return &coda.Error{Op: "write the metadata of the cache", Kind: coda.IO, Err: t.err}
	}
	return nil
}

// pebbleLog passes Pebble's complaints on. Its remarks are of no use here.
type pebbleLog struct {
	log   *slog.Logger
	fatal func(error)
}

// Infof drops remarks.
func (pebbleLog) Infof(string, ...any) {}

// Errorf logs.
func (l pebbleLog) Errorf(format string, args ...any) {
	l.log.Error("metadata store", "message", fmt.Sprintf(format, args...))
}

// Fatalf ends the process: Pebble calls it when it must not go on.
func (l pebbleLog) Fatalf(format string, args ...any) {
	err := fmt.Errorf("metadata store: "+format, args...)
	l.fatal(err)
	panic(err)
}

// finish waits and reports an error that nobody else can be told of.
func (t *tx) finish(log *slog.Logger) {
	if err := t.wait(); err != nil {
		log.Error("change of the cache", "error", err)
	}
}

// abandon closes a change that will not be made, and gives the reason back.
func (t *tx) abandon(reason error) error {
	_ = t.batch.Close() // nothing is lost with it
	return reason
}
