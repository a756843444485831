package venus

import (
	"context"
	"errors"
	"time"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk"
)

// session is the time from the first open for writing to the last close, on this client. Its container is private to the writers until
// it is flushed.
type session struct {
	o    *object
	w    *container
	file disk.File
	busy chan struct{} // has a token while somebody flushes or copies

	// Guarded by Venus.mu.
	writers int
	base    coda.VersionVector // the version that the copy was made from
	foreign uint32             // o.foreign at that time
	clean   stamp              // of the file, as long as its contents are the object's
	dirty   bool               // they are not, whatever the stamp says
	gone    bool               // the object was removed: nothing is stored any more
	user    coda.Principal     // who opened it last: for whom its contents are stored
	stored  *record            // the record of the last flush, as long as this session may change its contents
	since   time.Time          // when stored was first flushed
	owing   bool               // the session is over, and its last contents could not be read: stored is not final yet
	copied  coda.Digest        // of the last flushed contents that were copied, zero for none
}

// stamp tells contents that were written to from those that were not.
type stamp struct {
	size     int64
	modified time.Time
}

// untouched is the modification time that a private copy is given, so that the first write changes it however coarse the clock of the
// local file system is.
func untouched() time.Time { return time.Unix(1, 0) }

func stampOf(f disk.File) (stamp, error) {
	info, err := f.Stat()
	if err != nil {
		return stamp{}, containerError("look at "+f.Name(), err)
	}
	return stamp{size: info.Size(), modified: info.ModTime()}, nil
}

// unflushed gives the length and time of what was written since the last flush; ok is false when nothing was. After an error nobody knows.
func (s *session) unflushed() (length uint64, modified coda.Time, ok bool, err error) {
	now, err := stampOf(s.file)
	if err != nil || (!s.dirty && now == s.clean) {
		return 0, 0, false, err
	}
	return uint64(now.size), coda.TimeOf(now.modified), true, nil
}

// digestAtOnce is the length up to which a digest is worked out before a flush returns. Larger contents have it worked out at the
// close, which no application waits for.
const digestAtOnce = 256 << 10

// openWriter joins the write session of a file, or starts one with a copy of its contents. It is called with v.mu held and returns
// without. It gives neither a handle nor an error when the file changed meanwhile.
func (v *Venus) openWriter(ctx context.Context, c *call, o *object, truncate bool) (*Handle, error) {
	if s := o.session; s != nil {
		s.writers++
		s.user = c.user(v)
		o.users++
		v.mu.Unlock()
		h := &Handle{v: v, o: o, session: s, file: s.file}
		if truncate {
			if err := v.truncate(s, 0); err != nil {
				_ = v.leaveSession(ctx, c, s) // the error that matters is the first
				return nil, c.wrap(err)
			}
		}
		return h, nil
	}
	if err := v.admit(c); err != nil {
		v.mu.Unlock()
		return nil, err
	}
	source := o.current()
	if truncate {
		source = nil
	}
	if source != nil && !source.checked {
		return nil, c.wrap(v.checkFirst(o, source)) // or what a loss of power or a bad disk has made of them would become the contents everywhere
	}
	had, existed := o.current(), o.exists()
	var truncated time.Time // a change as any other, also where there was nothing to truncate
	if truncate {
		truncated = v.cfg.Clock()
	}
	if source != nil {
		v.retain(source)
	}
	o.users++
	v.mu.Unlock()
	w, file, clean, err := v.privateCopy(source, truncated)
	v.mu.Lock()
	defer v.mu.Unlock()
	if source != nil {
		v.release(source)
	}
	if err != nil {
		o.users--
		return nil, c.wrap(err)
	}
	if o.session != nil || o.current() != had || o.exists() != existed || v.closed {
		o.users--
		_ = file.Close() // nothing was written that anybody needs
		v.retain(w)
		v.release(w)
		if v.closed {
			return nil, c.fail(coda.Closed, "venus is stopping")
		}
		return nil, nil
	}
	o.session = &session{
		o: o, w: v.retain(w), file: file, busy: make(chan struct{}, 1), writers: 1, user: c.user(v),
		base: o.local().Version, foreign: o.foreign, clean: clean, dirty: truncate,
	}
	return &Handle{v: v, o: o, session: o.session, file: file}, nil
}

// privateCopy makes a container with the contents of another one, or an empty one, which is as old as modified says unless that is zero: the file
// that it is can have been emptied long ago.
func (v *Venus) privateCopy(source *container, modified time.Time) (w *container, file disk.File, clean stamp, err error) {
	size := uint64(0)
	var from disk.File
	if source != nil {
		if from, err = source.open(v.cfg.Disk); err != nil {
			return nil, nil, stamp{}, err
		}
		defer source.close()
		info, err := from.Stat()
		if err != nil {
			return nil, nil, stamp{}, containerError("look at container "+source.name, err)
		}
		size = uint64(info.Size())
	}
	if err := v.room(size, 0); err != nil {
		return nil, nil, stamp{}, err
	}
	if w, file, err = v.containers.create(); err != nil {
		return nil, nil, stamp{}, err
	}
	if source != nil {
		err = file.CopyFrom(from)
		if err == nil {
			err = file.SetModified(untouched())
		}
	} else if !modified.IsZero() {
		err = file.SetModified(modified)
	}
	if err == nil {
		clean, err = stampOf(file)
	}
	if err != nil {
		_ = file.Close()
		_ = v.cfg.Disk.Remove(w.path())
		return nil, nil, stamp{}, containerError("copy into container "+w.name, err)
	}
	return w, file, clean, nil
}

func (v *Venus) truncate(s *session, n uint64) error {
	if err := s.file.Truncate(int64(n)); err != nil {
		return containerError("truncate "+s.o.fid.String(), err)
	}
	v.mu.Lock()
	s.dirty = true
	v.mu.Unlock()
	return nil
}

// occupy waits for the right to flush or copy a session.
func (s *session) occupy(ctx context.Context, c *call) error {
	select {
	case s.busy <- struct{}{}:
		return nil
	default:
	}
	got := make(chan struct{})
	stop := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case s.busy <- struct{}{}:
			close(got)
		case <-stop:
		}
	}()
	err := c.wait(ctx, got, "another flush of the file")
	close(stop)
	<-ended
	if err == nil {
		return nil
	}
	select {
	case <-got: // it came through at the last moment
		<-s.busy
	default:
	}
	return err
}

// flush makes what a session has written so far the contents of the file.
func (v *Venus) flush(ctx context.Context, c *call, s *session, durable bool) error {
	if err := s.occupy(ctx, c); err != nil {
		return err
	}
	defer func() { <-s.busy }()
	changed, durable, err := v.flushNeeded(c, s, durable)
	if err == nil && !changed {
		changed, err = v.changedUnseen(s)
	}
	if err != nil || !changed {
		return c.wrap(err)
	}
	now, err := stampOf(s.file)
	if err != nil {
		return c.wrap(err)
	}
	op := coda.Store{Fid: s.o.fid, Length: uint64(now.size)}
	digested := now.size <= digestAtOnce
	if digested {
		if op.Length, op.Digest, err = v.containers.digest(s.file); err != nil {
			return c.wrap(err)
		}
	}
	if durable {
		if err := v.syncContainer(s.file); err != nil {
			return c.wrap(err)
		}
	}
	t := v.store.begin().by(s.user)
	v.mu.Lock()
	if s.gone || v.closed {
		closed := v.closed
		v.mu.Unlock()
		if closed {
			return t.abandon(c.fail(coda.Closed, "venus is stopping"))
		}
		return t.abandon(nil)
	}
	if err := v.policies.quotas.store(c, s.o, op.Length); err != nil {
		return t.abandon(errors.Join(err, v.cutGrowth(s))) // v.mu is free now
	}
	v.logStore(t, s, op, coda.TimeOf(now.modified), digested, durable)
	s.clean, s.dirty = now, false
	return v.done(t)
}

// cutGrowth has a session go on after its volume had no room for what it was to flush. What it had flushed before is in the same container, and must not
// grow with what was refused. It is called with v.mu held and returns without.
func (v *Venus) cutGrowth(s *session) (err error) {
	published, flushed := s.published(), s.o.local().Length
	v.mu.Unlock()
	if published {
		err = v.truncate(s, flushed)
	}
	v.notices.object(s.o.fid) // the kernel believes in the length that was written
	return err
}

// flushNeeded reports whether a session has something to flush, and whether the contents must be synced. They must be, even where nobody
// asked, when they replace unsent contents that were: a power loss must leave one or the other.
func (v *Venus) flushNeeded(c *call, s *session, durable bool) (changed, sync bool, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if s.gone || !s.o.exists() && v.conflicts.involved[s.o.fid] == nil {
		return false, false, nil
	}
	if v.closed {
		return false, false, c.fail(coda.Closed, "venus is stopping")
	}
	if _, _, changed, err = s.unflushed(); err != nil {
		return false, false, err
	}
	for _, r := range s.o.pending() {
		// What was flushed is in a record, whose contents need not be this session's any more.
		changed = changed || durable && r.contents != nil && !r.synced
	}
	for _, r := range s.o.pending() {
		durable = durable || r.synced && !r.frozen
	}
	return changed, durable, nil
}

// logStore logs the contents that a session has now.
func (v *Venus) logStore(t *tx, s *session, op coda.Store, modified coda.Time, digested, durable bool) {
	v.supersedeStores(t, s.o, true, s)
	v.dropOverwritten(t, s.o, op)
	op.Base = s.base
	if s.foreign == s.o.foreign {
		// Whatever was changed since the copy was made, this client did itself.
		op.Base = s.o.local().Version
	}
	s.w.synced = s.w.synced || durable
	if s.stored == nil {
		s.since = time.Now()
	}
	if s.o.contents != nil {
		// The server's version is not needed any more: it would be fetched again if the new one were refused.
		v.release(s.o.contents)
		s.o.contents = nil
		v.saveObject(t, s.o)
	}
	s.stored = v.appendStore(t, modified, op, record{user: t.user, contents: v.retain(s.w), digested: digested, synced: durable, session: s})
	v.policies.updates.storing(s.stored)
	v.resize(s.w, op.Length)
}

// syncContainer makes a container and its name survive a power loss.
func (v *Venus) syncContainer(f disk.File) error {
	if err := f.Sync(); err != nil {
		return containerError("sync "+f.Name(), err)
	}
	return v.containers.syncDirectory()
}

// syncReader makes the contents that a reader sees survive a power loss, if they have not been sent yet.
func (v *Venus) syncReader(h *Handle) error {
	v.mu.Lock()
	var unsynced *record
	for _, r := range h.o.pending() {
		if r.contents == h.container && !r.synced {
			unsynced = r
		}
	}
	v.mu.Unlock()
	if unsynced == nil {
		return nil
	}
	if err := v.syncContainer(h.file); err != nil {
		return err
	}
	t := v.store.begin()
	v.mu.Lock()
	if unsynced.contents == h.container && !v.closed {
		unsynced.synced, h.container.synced = true, true
		v.writeRecord(t, unsynced)
	}
	return v.done(t)
}

// leaveSession ends one writer's part in a session. The last one makes the contents final, unless somebody has them mapped and goes on.
func (v *Venus) leaveSession(ctx context.Context, c *call, s *session) error {
	v.mu.Lock()
	last, abandoned := s.writers == 1, s.gone
	v.mu.Unlock()
	var err error
	if last {
		used, unknown := v.containers.inUse(s.file)
		if used && v.linger(s) {
			return nil
		}
		if used || (unknown != nil && abandoned) {
			err = v.protect(ctx, c, s)
		}
	}
	if endErr := v.endWriter(ctx, c, s); err == nil {
		err = endErr
	}
	return err
}

// endWriter is leaveSession without regard to mappings. What has not been flushed is left to those who go on writing: nobody was told that it is
// complete.
func (v *Venus) endWriter(ctx context.Context, c *call, s *session) error {
	v.mu.Lock()
	s.writers--
	last := s.writers == 0
	if last && s.o.session == s {
		s.o.session = nil
	}
	v.mu.Unlock()
	var err error
	if last {
		err = v.endSession(ctx, c, s)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	s.o.users--
	if last {
		v.release(s.w)
	}
	v.tidy(s.o)
	v.eased()
	return err
}

// endSession flushes what nobody can change any more, and makes it final.
func (v *Venus) endSession(ctx context.Context, c *call, s *session) error {
	err := v.flush(ctx, c, s, false)
	if finalErr := v.finalize(c, s, s.file); finalErr != nil {
		// Nothing behind the record would ever be sent if it stayed open, so the reintegrator tries again.
		v.mu.Lock()
		s.owing = true
		v.mu.Unlock()
		v.wakeReintegrator()
		if err == nil {
			err = finalErr
		}
	}
	if err == nil {
		err = v.policies.updates.stored(ctx, c, s)
	}
	_ = s.file.Close() // its contents are in the kernel; what could fail has been asked for by now
	return err
}

// finalizeLate is finalize for a session whose end could not do it.
func (v *Venus) finalizeLate(s *session) error {
	c := v.enter("finalize", s.o.fid, "")
	defer c.leave()
	f, err := s.w.open(v.cfg.Disk)
	if err != nil {
		return c.wrap(err)
	}
	defer s.w.close()
	return v.finalize(c, s, f)
}

// finalize works out the digest of contents that nobody can change any more, from a file that has them, and lets their record go to the server.
func (v *Venus) finalize(c *call, s *session, f disk.File) error {
	v.mu.Lock()
	r := s.stored
	v.mu.Unlock()
	if r == nil {
		return nil
	}
	length, digest, err := v.containers.digest(f)
	if err != nil {
		return c.wrap(err)
	}
	t := v.store.begin()
	v.mu.Lock()
	s.stored, r.session = nil, nil
	op := r.Operation.(coda.Store)
	if r.contents == s.w && !v.closed && (!r.digested || op.Length != length || op.Digest != digest) {
		// Larger contents have had no digest so far, and a mapping can have been written to after the last flush.
		op.Length, op.Digest = length, digest
		r.Operation, r.digested = op, true
		v.resize(s.w, length)
		v.writeRecord(t, r)
		s.o.replay(v.id.Client)
	}
	v.wakeReintegrator()
	return v.done(t)
}
