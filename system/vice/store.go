package vice

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk"
)

// store is the durable state of a server: a Pebble store and the container files beside it.
type store struct {
	db         *pebble.DB
	containers *containers
	fatal      func(error)
}

func openStore(cfg Config) (*store, error) {
	on, dir := cfg.Disk, cfg.Dir
	if err := disk.MakeDirectory(on, dir); err != nil {
		return nil, fmt.Errorf("make %s: %w", dir, err)
	}
	// Pebble takes its write buffers from the cache: without room for both of them, nothing that was read would stay there.
	cache := pebble.NewCache(int64(2*cfg.Limits.WriteBuffer + cfg.Limits.Cache))
	defer cache.Unref()
	options := &pebble.Options{
		FS:                 &disk.Dependable{FS: on, Full: func() {}, Fatal: cfg.Fatal},
		Cache:              cache,
		FormatMajorVersion: pebble.FormatNewest,
		MemTableSize:       uint64(cfg.Limits.WriteBuffer),
		Logger:             pebbleLog{cfg.Log, cfg.Fatal},
	}
	for i := range options.Levels {
		options.Levels[i].FilterPolicy = bloom.FilterPolicy(10) // most lookups of a create are for what is not there
	}
	db, err := pebble.Open(on.PathJoin(dir, "store"), options)
	if err != nil {
		return nil, fmt.Errorf("open the store in %s: %w", dir, err)
	}
	c, err := openContainers(on, on.PathJoin(dir, ContainersFolder))
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &store{db: db, containers: c, fatal: cfg.Fatal}, nil
}

func (s *store) close() error { return s.db.Close() }

// commit makes a batch durable. It does not return when the disk refuses.
func (s *store) commit(b *pebble.Batch) {
	if err := b.Commit(pebble.Sync); err != nil {
		s.fatal(fmt.Errorf("commit to the store: %w", err))
		panic(err)
	}
}

// pebbleLog passes Pebble's messages on. What is information to a store is detail to a server.
type pebbleLog struct {
	log   *slog.Logger
	fatal func(error)
}

func (l pebbleLog) Infof(format string, args ...any) {
	l.log.Debug(fmt.Sprintf(format, args...))
}

func (l pebbleLog) Errorf(format string, args ...any) {
	l.log.Error(fmt.Sprintf(format, args...))
}

func (l pebbleLog) Fatalf(format string, args ...any) {
	err := fmt.Errorf("store: "+format, args...)
	l.fatal(err)
	panic(err)
}

// get reads a row into decode, whose argument is valid only during the call. It reports whether there is such a row.
func get(r pebble.Reader, key []byte, decode func([]byte) error) (bool, error) {
	b, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, &coda.Error{Op: fmt.Sprintf("read %x from the store", key), Kind: coda.IO, Err: err}
	}
	if err := errors.Join(decode(b), closer.Close()); err != nil {
		return false, &coda.Error{Op: fmt.Sprintf("read %x from the store", key), Kind: coda.IO, Err: err}
	}
	return true, nil
}

// getVnode reads an object; nil when there is none.
func getVnode(r pebble.Reader, f coda.Fid) (v *vnode, err error) {
	_, err = get(r, vnodeKey(f), func(b []byte) (err error) {
		v, err = decodeVnode(f, b)
		return err
	})
	return v, err
}

// getEntry reads a directory's entry; ok is false when the name is free.
func getEntry(r pebble.Reader, dir coda.Fid, name string) (e coda.Entry, ok bool, err error) {
	ok, err = get(r, entryKey(dir, name), func(b []byte) (err error) {
		e, err = decodeEntry(dir, name, b)
		return err
	})
	return e, ok, err
}

// scan calls each for every row whose key starts with prefix, in order, until it fails.
func scan(r pebble.Reader, prefix []byte, each func(key, value []byte) error) (err error) {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return &coda.Error{Op: "scan the store", Kind: coda.IO, Err: err}
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		if err := each(it.Key(), it.Value()); err != nil {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return &coda.Error{Op: "scan the store", Kind: coda.IO, Err: err}
	}
	return nil
}

// scanEntries calls each for every entry of a directory, in order of names, until it fails.
func scanEntries(r pebble.Reader, dir coda.Fid, each func(coda.Entry) error) error {
	prefix := entriesKey(dir)
	return scan(r, prefix, func(key, value []byte) error {
		e, err := decodeEntry(dir, string(key[len(prefix):]), value)
		if err != nil {
			return &coda.Error{Op: fmt.Sprintf("read entries of %v", dir), Kind: coda.IO, Err: err}
		}
		return each(e)
	})
}

// scanVnodes calls each for every object whose key starts with prefix until it fails.
func scanVnodes(r pebble.Reader, prefix []byte, each func(*vnode) error) error {
	return scan(r, prefix, func(key, value []byte) error {
		f, err := fidOf(key)
		if err != nil {
			return &coda.Error{Op: "read an object's key", Kind: coda.IO, Err: err}
		}
		v, err := decodeVnode(f, value)
		if err != nil {
			return &coda.Error{Op: fmt.Sprintf("read %v", f), Kind: coda.IO, Err: err}
		}
		return each(v)
	})
}

// openContents opens the contents of a file for reading. For contents in a container it fails with os.ErrNotExist when a later
// commit has forgotten them.
func (s *store) openContents(r pebble.Reader, v *vnode) (io.ReadCloser, error) {
	switch v.content.place {
	case inStore:
		b, closer, err := r.Get(dataKey(v.content.id))
		if err != nil {
			return nil, &coda.Error{Op: fmt.Sprintf("read contents of %v", v.status.Fid), Kind: coda.IO, Err: err}
		}
		return &storedContents{rest: b, Closer: closer}, nil
	case inContainer:
		return s.containers.open(v)
	default:
		return &storedContents{Closer: io.NopCloser(nil)}, nil
	}
}

// verify says what is wrong with the contents of a file, nil where nothing is. The buffer is what they are read with; without one it makes its own.
func (s *store) verify(r pebble.Reader, v *vnode, buffer []byte) error {
	f := v.status.Fid
	data, err := s.openContents(r, v)
	if err != nil {
		return fmt.Errorf("%v: %w", f, err)
	}
	defer data.Close()
	sum := sha256.New()
	switch n, err := io.CopyBuffer(sum, data, buffer); {
	case err != nil:
		return diskError(fmt.Sprintf("read contents of %v", f), err)
	case uint64(n) != v.status.Length:
		return fmt.Errorf("%v has a length of %d and contents of %d bytes", f, v.status.Length, n)
	case coda.Digest(sum.Sum(nil)) != v.status.Digest:
		return fmt.Errorf("the contents of %v do not have its digest", f)
	}
	return nil
}

// storedContents reads contents that are in the store without copying them.
type storedContents struct {
	io.Closer
	rest []byte
}

var _ io.WriterTo = (*storedContents)(nil)

// WriteTo implements io.WriterTo.
func (c *storedContents) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(c.rest)
	c.rest = c.rest[n:]
	return int64(n), err
}

func (c *storedContents) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}
