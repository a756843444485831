package venus

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/codastress/codastress/system/coda"
)

// store is the metadata store.
type store struct {
	db  *pebble.DB
	wal *walFS
	log *slog.Logger

	pending sync.WaitGroup // transactions that have been enqueued and not waited for
}

func openStore(cfg Config) (*store, error) {
	s := &store{wal: newWALFS(cfg.Disk), log: cfg.Log}
	cache := pebble.NewCache(8 << 20)
	defer cache.Unref()
	dir := cfg.Disk.PathJoin(cfg.Dir, "meta")
	if err := cfg.Disk.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make %s: %w", dir, err)
	}
	db, err := pebble.Open(dir, &pebble.Options{
		FS:                          s.wal,
		Cache:                       cache,
		FormatMajorVersion:          pebble.FormatNewest,
		MemTableSize:                8 << 20,
		MemTableStopWritesThreshold: 4,
		MaxOpenFiles:                64,
		L0CompactionThreshold:       4,
		Logger:                      pebbleLog{cfg.Log},
	})
	if err != nil {
		return nil, fmt.Errorf("open the metadata of the cache in %s: %w", dir, err)
	}
	s.db = db
	return s, nil
}

// close waits for what was enqueued, and closes.
func (s *store) close() error {
	s.pending.Wait()
	if err := s.sync(); err != nil {
		s.log.Error("sync the metadata of the cache", "error", err)
	}
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close the metadata of the cache: %w", err)
	}
	return nil
}

// sync makes everything that was enqueued before the call survive a power loss.
func (s *store) sync() error {
	// Another commit can meet the demand at once, and then only what is in the kernel already is covered.
	if err := s.barrier(); err != nil {
		return err
	}
	s.wal.demand()
	if err := s.db.LogData(nil, pebble.Sync); err != nil {
		return &coda.Error{Op: "sync the metadata of the cache", Kind: coda.IO, Err: err}
	}
	return nil
}

// barrier returns when everything that was enqueued before the call survives a crash of the process.
func (s *store) barrier() error {
	if err := s.db.LogData(nil, pebble.Sync); err != nil {
		return &coda.Error{Op: "write the metadata of the cache", Kind: coda.IO, Err: err}
	}
	return nil
}

// tx is a change of the store. Its methods only collect; an error stays and comes out of commit.
type tx struct {
	store   *store
	batch   *pebble.Batch
	err     error
	applied bool
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

// enqueue puts the change in its place in the order of changes, without waiting. The caller holds the lock that guards the order.
func (t *tx) enqueue() {
	if t.err != nil || t.batch.Empty() {
		return
	}
	if err := t.store.db.ApplyNoSyncWait(t.batch, pebble.Sync); err != nil {
		t.fail(err)
		return
	}
	t.applied = true
	t.store.pending.Add(1)
}

// wait returns when the change survives a crash of the process. The caller holds no lock.
func (t *tx) wait() error {
	if t.applied {
		t.fail(t.batch.SyncWait())
		t.applied = false
		t.store.pending.Done()
	}
	t.fail(t.batch.Close())
	if t.err != nil {
		return &coda.Error{Op: "write the metadata of the cache", Kind: coda.IO, Err: t.err}
	}
	return nil
}

// pebbleLog passes Pebble's complaints on. Its remarks are of no use here.
type pebbleLog struct{ log *slog.Logger }

// Infof drops remarks.
func (pebbleLog) Infof(string, ...any) {}

// Errorf logs.
func (l pebbleLog) Errorf(format string, args ...any) {
	l.log.Error("metadata store", "message", fmt.Sprintf(format, args...))
}

// Fatalf stops the program: Pebble calls it when its log cannot be written, and must not go on.
func (l pebbleLog) Fatalf(format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	l.log.Error("metadata store failed", "message", message)
	panic("metadata store failed: " + message)
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
