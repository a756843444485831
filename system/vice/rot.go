package vice

import (
	"context"
	"errors"
	"fmt"

	"github.com/codastress/codastress/system/coda"
)

// Contents in containers can rot: a disk gives other bytes than were written to it, or none. The digest tells, and who fetches them checks it, so nobody takes
// rotten contents for good ones; the server looks only where somebody complains, and in Salvage. What another replica has of the same version takes their
// place. What is in the store has checksums of its own.

// mend verifies the contents of a file and replaces rotten ones by those of another replica. It reports whether it did. The error is that of contents
// that are rotten and cannot be had from anybody.
func (s *Server) mend(ctx context.Context, f coda.Fid) (mended bool, err error) {
	rotten, why, err := s.findRot(f)
	if rotten == nil {
		return false, err
	}
	s.cfg.Log.Error("contents are rotten", "fid", f, "why", why)
	for _, p := range s.peers {
		err := s.mendFrom(ctx, p, rotten)
		if err == nil {
			s.cfg.Log.Warn("rotten contents were replaced", "fid", f, "from", p.slot)
			return true, nil
		}
		why = errors.Join(why, fmt.Errorf("replica %d: %w", p.slot, err))
	}
	return false, &coda.Error{Op: fmt.Sprintf("mend %v", f), Kind: coda.IO, Err: fmt.Errorf("the contents are rotten: %w", why)}
}

// findRot looks whether a file has rotten contents, and gives it then, with what is wrong.
func (s *Server) findRot(f coda.Fid) (rotten *vnode, why, err error) {
	v, _, _ := s.promises.read(0)
	defer v.release()
	file, err := getVnode(v, f)
	if err != nil || file == nil || file.status.Kind != coda.File || file.content.place != inContainer {
		return nil, nil, err
	}
	if why = s.store.verify(v, file, nil); why == nil || notThere(why) && !s.stillWants(file) {
		return nil, nil, nil
	}
	return file, why, nil
}

// mendFrom replaces contents by those of another replica, if that has the same.
func (s *Server) mendFrom(ctx context.Context, p *replica, rotten *vnode) (err error) {
	pool := &fetchedContents{s: s, peer: p, by: map[coda.Fid]upload{}}
	defer pool.discard()
	f := rotten.status.Fid
	if err := pool.fetch(ctx, map[coda.Fid]coda.Status{f: rotten.status}); err != nil {
		return err
	}
	if err := s.writer.take(ctx, "the mending of "+f.String()); err != nil {
		return err
	}
	defer s.writer.give()
	base, _, _ := s.promises.read(0)
	defer base.release()
	t := newTransaction(base, s.ground(), batchID{}, nil)
	now, err := t.lookup(f)
	if err != nil || now == nil || now.content != rotten.content {
		return err // it has other contents now, or is gone
	}
	t.vnodes[f].now = new(*now) // the version stays: nothing was changed
	t.vnodes[f].now.content = pool.by[f].content
	up := pool.uploads()
	b := s.store.db.NewBatch()
	defer b.Close()
	taken, garbage, err := t.write(b, up.arrived)
	if err != nil {
		return &coda.Error{Op: "write mended contents", Kind: coda.IO, Err: err}
	}
	s.store.commit(b)
	s.retire(garbage, func() {
		s.promises.advance(s.newView())
		up.hand(taken)
	})
	pool.hand(taken)
	return nil
}

// A Salvage is what Server.Salvage found.
type Salvage struct {
	Files  uint64   // whose contents were verified
	Mended []string // what was replaced, a line each
	Lost   []string // what is rotten and cannot be had from anybody, a line each
}

// Salvage verifies the contents of all files and replaces what is rotten by what other replicas have. The server goes on meanwhile.
func (s *Server) Salvage(ctx context.Context) (found Salvage, err error) {
	v, _, _ := s.promises.read(0)
	var files []coda.Fid
	err = scanVnodes(v, []byte{vnodePrefix}, func(file *vnode) error {
		if file.status.Kind == coda.File && file.content.place == inContainer {
			files = append(files, file.status.Fid)
		}
		return ctx.Err()
	})
	v.release()
	if err != nil {
		return found, fmt.Errorf("salvage: %w", err)
	}
	for _, f := range files {
		found.Files++
		mended, err := s.mend(ctx, f)
		switch {
		case ctx.Err() != nil:
			return found, fmt.Errorf("salvage: %w", ctx.Err())
		case err != nil:
			found.Lost = append(found.Lost, err.Error())
		case mended:
			found.Mended = append(found.Mended, fmt.Sprintf("the contents of %v were rotten, and were replaced by another replica's", f))
		}
	}
	return found, nil
}
