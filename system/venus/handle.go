package venus

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk"
)

// OpenFlags say what a file is opened for.
type OpenFlags struct {
	Read      bool
	Write     bool
	Truncate  bool // to length 0; implies Write
	Exclusive bool // Create only: the name must be free
}

// Handle is an open file. A reader's contents never change: they are those of the last Flush before the open. The writers of one file on this client
// share one private copy, which becomes the file's contents at each Flush.
type Handle struct {
	v         *Venus
	o         *object
	container *container // of a reader
	session   *session   // of a writer
	file      disk.File

	mu     sync.Mutex
	closed bool
}

// OpenFile opens a file, after fetching its contents if they are not cached.
func (v *Venus) OpenFile(ctx context.Context, f coda.Fid, flags OpenFlags) (*Handle, error) {
	m := observing
	if flags.Write || flags.Truncate {
		m = mutating
	}
	ctx, c, err := v.upcall(ctx, "open", f, "", m)
	if err != nil {
		return nil, err
	}
	defer c.leave()
	if err := v.permitOpen(ctx, c, f, flags); err != nil {
		return nil, err
	}
	return v.open(ctx, c, f, flags)
}

func (v *Venus) open(ctx context.Context, c *call, f coda.Fid, flags OpenFlags) (*Handle, error) {
	if f.IsDirectory() {
		return nil, c.fail(coda.IsDirectory, "a directory is not opened")
	}
	n := needContents
	if flags.Truncate {
		n = needStatus
	}
	for {
		o, err := v.ensureFile(ctx, c, f, n)
		if err != nil {
			return nil, err
		}
		h, err := v.openAs(ctx, c, o, flags)
		if err != nil || h != nil {
			return h, err
		}
		if c.late(ctx) {
			return nil, c.fail(coda.TimedOut, "the file keeps changing")
		}
	}
}

// openAs opens an object as it is now. It is called with v.mu held and returns without. It gives neither a handle nor an error when the file
// changed meanwhile.
func (v *Venus) openAs(ctx context.Context, c *call, o *object, flags OpenFlags) (*Handle, error) {
	writes := flags.Write || flags.Truncate
	if writes {
		if err := v.untouchable(c, o); err != nil {
			v.mu.Unlock()
			return nil, err
		}
	}
	if s := o.session; s != nil && s.published() {
		v.mu.Unlock()
		err := v.protect(ctx, c, s)
		if writes || coda.KindOf(err) != coda.NoSpace {
			return nil, err
		}
		// Who reads a file that others are writing sees their changes where there is no space for a copy.
		v.mu.Lock()
		if o.current() != s.w {
			v.mu.Unlock()
			return nil, nil
		}
	}
	if writes {
		return v.openWriter(ctx, c, o, flags.Truncate)
	}
	return v.openReader(c, o)
}

// ensureFile is ensure for what must be a file.
func (v *Venus) ensureFile(ctx context.Context, c *call, f coda.Fid, n need) (*object, error) {
	// A symlink has no contents that could be waited for.
	if n == needContents {
		o, err := v.ensureKind(ctx, c, f)
		if err != nil || v.judge(o, n) == useCache {
			return o, err
		}
		v.mu.Unlock()
		return v.ensure(ctx, c, f, n, siblings{})
	}
	return v.ensureKind(ctx, c, f)
}

// ensureKind checks that an object is a file as far as the cache knows, and asks the server only where it does not know it at all.
func (v *Venus) ensureKind(ctx context.Context, c *call, f coda.Fid) (*object, error) {
	v.mu.Lock()
	o := v.objects[f]
	if o == nil || v.closed || (!o.known() && !o.ours()) || !o.exists() || v.group.state == linkStarting || o.locked() != nil {
		v.mu.Unlock()
		var err error
		if o, err = v.ensure(ctx, c, f, needStatus, siblings{}); err != nil {
			return nil, err
		}
	}
	if o.local().Kind != coda.File {
		kind := o.local().Kind
		v.mu.Unlock()
		if role, _ := unshadow(f); role == roleLink {
			return nil, c.fail(coda.NotFound, "it is in conflict, and has to be repaired")
		}
		return nil, c.fail(coda.Invalid, "it is a %v", kind)
	}
	v.use(o)
	return o, nil
}

// openReader opens the contents that o has now. It is called with v.mu held and returns without. It gives neither a handle nor an error when
// the contents turn out to be damaged and have been dropped.
func (v *Venus) openReader(c *call, o *object) (*Handle, error) {
	k := o.current()
	if k == nil {
		k = v.empty
	}
	v.retain(k)
	o.users++
	checked := k.checked
	digest := o.local().Digest
	v.mu.Unlock()
	file, err := k.open(v.cfg.Disk)
	whole := true
	if err == nil && !checked {
		whole, err = v.check(o, k, file, digest)
	}
	if err != nil || !whole {
		if file != nil {
			k.close()
		}
		v.letGo(o, k)
		return nil, c.wrap(err)
	}
	return &Handle{v: v, o: o, container: k, file: file}, nil
}

// letGo ends a reader's need for an object and a container.
func (v *Venus) letGo(o *object, k *container) {
	v.mu.Lock()
	defer v.mu.Unlock()
	o.users--
	v.release(k)
	v.tidy(o)
	v.eased()
}

// check compares contents that an earlier start left with their digest: a loss of power may have overtaken them, or the disk may give other bytes than were written
// to it. Damaged contents that the server has are dropped.
func (v *Venus) check(o *object, k *container, file disk.File, want coda.Digest) (whole bool, err error) {
	_, got, err := v.containers.digest(file)
	if err != nil {
		return false, err
	}
	t := v.store.begin()
	v.mu.Lock()
	if got == want {
		k.checked = true
	} else if o.contents == k {
		v.logger.Warn("cached contents were damaged", "object", o.fid)
		v.release(k)
		o.contents = nil
		o.replay(v.id.Client)
		v.saveObject(t, o)
	}
	return got == want, v.done(t)
}

// checkFirst is check for contents that are about to be copied. It is called with v.mu held and returns without; what is to be copied has to be looked at
// again then.
func (v *Venus) checkFirst(o *object, k *container) error {
	v.retain(k)
	o.users++
	want := o.local().Digest
	v.mu.Unlock()
	defer v.letGo(o, k)
	file, err := k.open(v.cfg.Disk)
	if err != nil {
		return err
	}
	defer k.close()
	_, err = v.check(o, k, file, want)
	return err
}

// Create makes a file and opens it. Where the name is taken already, the file that it stands for is opened, unless flags.Exclusive is set.
func (v *Venus) Create(ctx context.Context, dir coda.Fid, name string, mode, owner uint32, flags OpenFlags) (coda.Status, *Handle, error) {
	ctx, c, err := v.upcall(ctx, "create", dir, name, mutating)
	if err != nil {
		return coda.Status{}, nil, err
	}
	defer c.leave()
	if err := v.permit(ctx, c, dir, coda.Lookup); err != nil {
		return coda.Status{}, nil, err
	}
	for {
		s, h, err := v.createNew(ctx, c, dir, name, mode, owner, flags)
		if coda.KindOf(err) != coda.Exists || flags.Exclusive {
			return s, h, err
		}
		o, err := v.child(ctx, c, dir, name, needStatus)
		if err == nil {
			f := o.fid
			v.mu.Unlock()
			if role, _ := unshadow(f); role == roleLink {
				return coda.Status{}, nil, c.fail(coda.Invalid, "it is in conflict, and has to be repaired") // as where its target cannot be made
			}
			if err = v.permitOpen(ctx, c, f, flags); err == nil {
				h, err = v.open(ctx, c, f, flags)
			}
			if err == nil {
				s, err := h.Status(ctx)
				return s, h, err
			}
		}
		if coda.KindOf(err) != coda.NotFound || c.late(ctx) {
			return coda.Status{}, nil, err
		}
		if err := v.settleTaken(ctx, c); err != nil {
			return coda.Status{}, nil, err
		}
	}
}

// takenPause is how long to wait for a name to be settled that is taken by something that is gone.
const takenPause = 10 * time.Millisecond

// settleTaken waits for a name that is taken by an object that is gone: this client gave the object the name, and others removed what it had besides.
// The server settles that when it gets the record. Without it the name stays taken, and nothing can be had by it.
func (v *Venus) settleTaken(ctx context.Context, c *call) error {
	v.mu.Lock()
	changed, up := v.group.changed, v.group.state == linkUp
	v.mu.Unlock()
	if !up {
		return c.fail(coda.TimedOut, "the name is taken by an object that is gone, and the server is out of reach")
	}
	return c.waitAny(ctx, changed, nil, time.After(takenPause), "a name to be settled")
}

func (v *Venus) createNew(ctx context.Context, c *call, dir coda.Fid, name string, mode, owner uint32, flags OpenFlags) (coda.Status, *Handle, error) {
	if err := v.room(0, 0); err != nil {
		return coda.Status{}, nil, c.wrap(err)
	}
	t := v.store.begin().by(c.user(v))
	o, err := v.make(ctx, c, t, dir, name, coda.File, func(f coda.Fid) coda.Operation {
		return coda.Create{Parent: dir, Name: name, Fid: f, Mode: mode & coda.ModeMask, Owner: owner}
	})
	if err != nil {
		return coda.Status{}, nil, t.abandon(err)
	}
	s := o.status()
	o.users++ // until it is open
	err = v.policies.updates.conclude(ctx, c, t, o.pending()[len(o.pending())-1])
	flags.Truncate = false // it is new
	var h *Handle
	for err == nil && h == nil {
		v.mu.Lock()
		h, err = v.openAs(ctx, c, o, flags)
		if err == nil && h == nil && c.late(ctx) {
			err = c.fail(coda.TimedOut, "the file keeps changing")
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	o.users--
	v.tidy(o)
	return s, h, err
}

// File is the container file, to be passed to the kernel; nil where the disk is not real. It is valid until Close, and its position means
// nothing.
func (h *Handle) File() *os.File { return h.file.OS() }

// Direct says whether the kernel may be passed the container file now, to read and write it by itself. What is read and written otherwise has to come here.
func (h *Handle) Direct() bool { return h.file.Direct() }

// ReadAt reads as an io.ReaderAt, until Close.
func (h *Handle) ReadAt(p []byte, offset int64) (int, error) { return h.file.ReadAt(p, offset) }

// WriteAt writes as an io.WriterAt, until Close. The handle must have been opened for writing.
func (h *Handle) WriteAt(p []byte, offset int64) (int, error) { return h.file.WriteAt(p, offset) }

// Status gives the attributes of the file, as GetAttributes does. It works on a file that has been removed, too.
func (h *Handle) Status(context.Context) (coda.Status, error) {
	h.v.mu.Lock()
	defer h.v.mu.Unlock()
	s := h.o.status()
	if s.Fid.IsZero() {
		s.Fid, s.Kind = h.o.fid, coda.File
	}
	if !h.o.exists() {
		s.Links = 0
	}
	return s, nil
}

// Truncate sets the length of a file that is open for writing.
func (h *Handle) Truncate(_ context.Context, n uint64) error {
	if h.session == nil {
		return coda.Errorf("truncate "+h.o.fid.String(), coda.Invalid, "it is open for reading only")
	}
	return h.v.truncate(h.session, n)
}

// Change writes at an offset, or makes the offset the length.
func (h *Handle) Change(ctx context.Context, offset int64, data []byte, truncate bool) error {
	if offset < 0 {
		return coda.Errorf("change "+h.o.fid.String(), coda.Invalid, "the offset %d", offset)
	}
	if truncate {
		return h.Truncate(ctx, uint64(offset))
	}
	if _, err := h.WriteAt(data, offset); err != nil {
		return containerError("write the contents", err)
	}
	return nil
}

// Flush makes what has been written so far the contents of the file. When it returns they survive a crash of venus, and no other handle can
// change them before it is flushed itself. The front end calls it for each close(2).
func (h *Handle) Flush(ctx context.Context) error {
	if h.session == nil {
		return nil
	}
	ctx, c, err := h.v.upcall(ctx, "flush", h.o.fid, "", mutating)
	if err != nil {
		return err
	}
	defer c.leave()
	return h.v.flushShared(ctx, c, h.session)
}

// flushShared is flush for a close(2): where others go on writing, they must not change what this one has acknowledged.
func (v *Venus) flushShared(ctx context.Context, c *call, s *session) error {
	if err := v.flush(ctx, c, s, false); err != nil {
		return err
	}
	v.mu.Lock()
	shared := s.writers > 1
	v.mu.Unlock()
	if shared {
		if err := v.protect(ctx, c, s); err != nil {
			return err
		}
	}
	return v.policies.updates.stored(ctx, c, s)
}

// Sync is Flush, and when it returns the contents and everything else that was acknowledged before survive a power loss. Other writers of the same
// copy can go on changing it, as those of a local file can.
func (h *Handle) Sync(ctx context.Context) error {
	ctx, c, err := h.v.upcall(ctx, "fsync", h.o.fid, "", observing)
	if err != nil {
		return err
	}
	defer c.leave()
	if h.session != nil {
		if err := h.v.flush(ctx, c, h.session, true); err != nil {
			return err
		}
	} else if err := h.v.syncReader(h); err != nil {
		return c.wrap(err)
	}
	return c.wrap(h.v.syncAll(c))
}

// Sync makes everything that was acknowledged before, apart from contents of files that were not synced themselves, survive a power loss.
func (v *Venus) Sync(ctx context.Context) error {
	_, c, err := v.upcall(ctx, "sync", coda.Fid{}, "", observing)
	if err != nil {
		return err
	}
	defer c.leave()
	return c.wrap(v.syncAll(c))
}

func (v *Venus) syncAll(c *call) error {
	v.mu.Lock()
	closed := v.closed
	v.mu.Unlock()
	if closed {
		return c.fail(coda.Closed, "venus is stopping")
	}
	return v.store.sync()
}

// Close lets go of the file. The last writer's flushes what has not been flushed yet, and after it the contents go to the server. A second Close does
// nothing.
func (h *Handle) Close(ctx context.Context) error {
	h.mu.Lock()
	closed := h.closed
	h.closed = true
	h.mu.Unlock()
	if closed {
		return nil
	}
	if h.session == nil {
		return h.closeReader(ctx)
	}
	inner, c, err := h.v.upcall(ctx, "close", h.o.fid, "", mutating)
	if err != nil {
		// It is to end all the same.
		inner, c = ctx, h.v.enter("close", h.o.fid, "")
	}
	defer c.leave()
	return errors.Join(err, h.v.leaveSession(inner, c, h.session))
}

func (h *Handle) closeReader(ctx context.Context) (err error) {
	if h.v.policies.admission.closes() {
		var c *call
		if _, c, err = h.v.upcall(ctx, "close", h.o.fid, "", observing); err == nil {
			defer c.leave()
		}
	}
	h.container.close()
	h.v.letGo(h.o, h.container)
	return err
}

// abandon drops what was written since the last flush, if nobody else is writing.
func (h *Handle) abandon() {
	h.v.mu.Lock()
	defer h.v.mu.Unlock()
	if h.session.writers > 1 {
		return
	}
	h.session.gone = true
	if h.o.session == h.session {
		h.o.session = nil // who opens the file now starts from what is there
	}
}
