package venus

import (
	"context"
	"time"

	"github.com/codastress/codastress/system/coda"
)

// Writers share the container of their session, and a flush makes it the contents of the file without copying anything, because a close is nearly
// always the end of the session. Where it is not, the contents are moved out of the writers' way before anybody else gets hold of them: a reader must
// not see them change, and what a new writer does must not be mixed into what was acknowledged to another. Nobody can tell a session that is
// about to end from one that goes on, so that this happens to both.

// published reports whether the writers can change what a flush of theirs has made the contents of the file. v.mu is held.
func (s *session) published() bool {
	return s.stored != nil && s.stored.contents == s.w
}

// protect gives the contents that a session has flushed a container of their own. What its writers write meanwhile may be in it. A signal does not
// end the wait, which is for the local disk only: programs do not expect that of an open.
func (v *Venus) protect(ctx context.Context, c *call, s *session) error {
	if err := s.occupy(context.WithoutCancel(ctx), c); err != nil {
		return err
	}
	defer func() { <-s.busy }()
	return c.wrap(v.copySession(s))
}

// copySession gives the record of the last flush a copy of the contents, so that the session cannot change them any more. The caller occupies the
// session. It does nothing where something comes in between.
func (v *Venus) copySession(s *session) error {
	v.mu.Lock()
	if !s.published() {
		v.mu.Unlock()
		return nil
	}
	r, source := s.stored, v.retain(s.w)
	synced := r.synced
	v.mu.Unlock()
	w, length, digest, err := v.finalCopy(source, synced)
	t := v.store.begin()
	v.mu.Lock()
	v.release(source)
	if err != nil {
		v.mu.Unlock()
		return t.abandon(err)
	}
	v.retain(w)
	if s.stored == r && s.published() && r.synced == synced && !v.closed {
		op := r.Operation.(coda.Store)
		op.Length, op.Digest = length, digest
		r.Operation, r.digested, r.session = op, true, nil
		w.synced = synced
		v.release(r.contents)
		r.contents = v.retain(w)
		v.resize(w, length)
		s.stored, s.copied = nil, digest
		s.o.replay(v.id.Client)
		v.writeRecord(t, r)
		v.wakeReintegrator()
	}
	v.release(w)
	return v.done(t)
}

// finalCopy makes a container with contents that others may be changing, and synced if they have to be.
func (v *Venus) finalCopy(source *container, synced bool) (w *container, length uint64, digest coda.Digest, err error) {
	w, file, _, err := v.privateCopy(source, time.Time{})
	if err != nil {
		return nil, 0, digest, err
	}
	defer func() {
		_ = file.Close() // what can fail has been asked for
		if err != nil {
			_ = v.cfg.Disk.Remove(w.path())
		}
	}()
	if length, digest, err = v.containers.digest(file); err == nil && synced {
		err = v.syncContainer(file)
	}
	return w, length, digest, err
}
