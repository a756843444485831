package vice

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"slices"

	"google.golang.org/grpc"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

const (
	pieceSize    = 256 << 10 // bytes of contents in one message
	entriesBytes = 256 << 10 // about as many bytes of entries in one message
)

// fetch is one request for an object, and what is found for it in one view.
type fetch struct {
	fid       coda.Fid
	session   uint64
	contents  bool
	have      coda.VersionVector
	digest    []byte // of the contents that the client has; empty for none
	view      *view
	vnode     *vnode
	head      *vicepb.FetchHead
	who       *coda.Identity // for whom it is; nil for who may do everything
	unchanged bool
	data      io.ReadCloser // of a file whose contents are sent
}

// Fetch sends an object's status and, where asked for, its contents, all of one version.
func (s *Server) Fetch(request *vicepb.FetchRequest, stream grpc.ServerStreamingServer[vicepb.FetchReply]) error {
	who, err := s.caller(stream.Context())
	if err != nil {
		return err
	}
	return s.fetch(request, stream, who)
}

// fetch serves a request for an object, made for somebody; nil is another server.
func (s *Server) fetch(request *vicepb.FetchRequest, stream grpc.ServerStreamingServer[vicepb.FetchReply], who *coda.Identity) error {
	fid, err := wire.FidFromProto(request.Fid)
	if err != nil {
		return err
	}
	about(stream.Context(), fid)
	have, err := wire.VersionFromProto(request.Have)
	if err != nil {
		return err
	}
	if n := len(request.HaveDigest); n != 0 && n != sha256.Size {
		return coda.Errorf("fetch", coda.Invalid, "a digest of %d bytes", n)
	}
	f := &fetch{fid: fid, session: request.Session, contents: request.Contents, have: have, digest: request.HaveDigest, who: who}
	unlock, err := s.policies.locking.read(stream.Context(), fid)
	if err != nil {
		return err
	}
	defer unlock()
	err = s.locate(stream.Context(), f)
	if request.Damaged && (err == nil || notThere(err)) { // who may read the file may complain about it
		if err == nil {
			f.close()
		}
		if _, err := s.mend(stream.Context(), fid); err != nil {
			return err
		}
		err = s.locate(stream.Context(), f)
	}
	if err != nil {
		return err
	}
	defer f.close()
	if err := stream.Send(&vicepb.FetchReply{Part: &vicepb.FetchReply_Head{Head: f.head}}); err != nil {
		return err
	}
	switch {
	case f.data != nil:
		return s.sendData(stream, f.data, f.vnode.status.Length)
	case f.contents && !f.unchanged && f.vnode.status.Kind == coda.Directory:
		return sendEntries(stream, f)
	default:
		return nil
	}
}

// locate finds the object and opens its contents. A store that comes in between removes the container that the view names; then the
// newer view has the newer one.
func (s *Server) locate(ctx context.Context, f *fetch) error {
	for {
		err := s.locateOnce(f)
		if err == nil || !notThere(err) {
			return err
		}
		f.close()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if s.promises.unchangedSince(f.view) {
			return err // it is not there in the newest view either: fsck will say so, too
		}
	}
}

func (s *Server) locateOnce(f *fetch) error {
	if err := s.allowed(f); err != nil {
		return err
	}
	v, breaks, promised := s.promises.read(f.session, f.fid)
	f.view = v
	var err error
	if f.vnode, err = getVnode(v, f.fid); err != nil {
		f.close()
		return err
	}
	if f.vnode == nil {
		f.close()
		s.promises.retract(f.session, f.fid)
		return coda.Errorf("fetch", coda.NotFound, "%v", f.fid)
	}
	if err := s.inquestFor(f.who, v).mayRead(f.vnode, f.contents); err != nil {
		f.close()
		s.promises.takeBack(f.session, f.fid)
		return err
	}
	f.unchanged = f.contents && f.current()
	f.head = &vicepb.FetchHead{
		Status: wire.StatusToProto(f.vnode.status), Promised: promised[0], Breaks: breaks, Unchanged: f.unchanged,
	}
	if f.contents && !f.unchanged && f.vnode.status.Kind == coda.File {
		f.data, err = s.store.openContents(v, f.vnode)
	}
	if err != nil && !notThere(err) {
		f.close()
	}
	return err
}

// allowed refuses an object to somebody who may not see it, before anything is promised about it: the client may have a promise for somebody who may.
func (s *Server) allowed(f *fetch) error {
	if !s.restricted.Load() || f.who == nil {
		return nil
	}
	v, _, _ := s.promises.read(0)
	defer v.release()
	found, err := getVnode(v, f.fid)
	if err != nil || found == nil {
		return err
	}
	return s.inquestFor(f.who, v).mayRead(found, f.contents)
}

// current reports whether the contents that the client has are those of the object.
func (f *fetch) current() bool {
	now := &f.vnode.status
	if now.Kind == coda.File && len(f.digest) > 0 {
		return coda.Digest(f.digest) == now.Digest
	}
	if f.have.IsZero() {
		return false
	}
	return f.have.Compare(now.Version) == coda.Equal || (now.Kind == coda.File && f.have.WeaklyEqual(now.Version))
}

// close lets go of what locate found.
func (f *fetch) close() {
	if f.data != nil {
		f.data.Close()
		f.data = nil
	}
	f.view.release()
}

// sendData sends contents piece by piece. Those in the store are sent from where they are.
func (s *Server) sendData(stream grpc.ServerStreamingServer[vicepb.FetchReply], data io.Reader, length uint64) error {
	send := func(piece []byte) error {
		return stream.Send(&vicepb.FetchReply{Part: &vicepb.FetchReply_Data{Data: piece}})
	}
	if stored, ok := data.(*storedContents); ok {
		for piece := range slices.Chunk(stored.rest, pieceSize) {
			if err := send(piece); err != nil {
				return err
			}
		}
		return nil
	}
	whole := s.pieces.Get().(*[]byte)
	defer s.pieces.Put(whole)
	buffer := (*whole)[:min(pieceSize, max(length, 1))]
	for {
		n, err := io.ReadFull(data, buffer)
		if n > 0 {
			if err := send(buffer[:n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return &coda.Error{Op: "read contents", Kind: coda.IO, Err: err}
		}
	}
}

func sendEntries(stream grpc.ServerStreamingServer[vicepb.FetchReply], f *fetch) error {
	var entries []coda.Entry
	size := 0
	flush := func() error {
		p := wire.EntriesToProto(entries)
		entries, size = entries[:0], 0
		return stream.Send(&vicepb.FetchReply{Part: &vicepb.FetchReply_Entries{Entries: p}})
	}
	err := scanEntries(f.view, f.fid, func(e coda.Entry) error {
		entries = append(entries, e)
		if size += len(e.Name) + 32; size < entriesBytes && len(entries) < wire.MaxEntries {
			return nil
		}
		return flush()
	})
	if err != nil || len(entries) == 0 {
		return err
	}
	return flush()
}

// unchangedSince reports whether v is still the newest view.
func (p *promises) unchangedSince(v *view) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current == v
}
