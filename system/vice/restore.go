package vice

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"google.golang.org/protobuf/encoding/protodelim"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/dumppb"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// Restored is what Server.Restore has made.
type Restored struct {
	Objects uint64 // the root not counted
	Bytes   uint64 // of the contents of files
}

// Restore makes a volume of what Dump has written, with objects of its own: the volume that was dumped may still be there. On a server of several it is that in
// slot 0, and the others get the volume as they get what clients do. The volume is locked until it is whole. One that cannot be made whole is purged; after
// a crash that is left to who looks after the server.
func (s *Server) Restore(ctx context.Context, volume string, from io.Reader) (Restored, error) {
	r := &restore{ctx: ctx, s: s, name: volume, fids: map[coda.Fid]coda.Fid{}, sum: sha256.New()}
	r.from = bufio.NewReaderSize(from, pieceSize)
	if err := r.begin(); err != nil {
		return Restored{}, fmt.Errorf("restore volume %s: %w", volume, err)
	}
	err := r.all()
	if err == nil {
		err = s.finishRestore(ctx, volume, Quota{Bytes: r.head.QuotaBytes, Objects: r.head.QuotaObjects})
	}
	if err != nil {
		cleaning, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Timing.Request)
		defer cancel()
		return Restored{}, errors.Join(fmt.Errorf("restore volume %s: %w", volume, err), r.up.discard(), s.PurgeVolume(cleaning, volume))
	}
	return r.done, nil
}

// finishRestore gives a volume that is whole to clients.
func (s *Server) finishRestore(ctx context.Context, name string, q Quota) error {
	return s.changeVolumes(ctx, func(l *locations) (*locations, error) {
		return l.change(name, func(v *Volume) { v.Quota, v.Locked = q, false })
	})
}

// restore is a restore that is under way. It works as a client does that reintegrates: in batches of records, each a transaction.
type restore struct {
	ctx  context.Context
	s    *Server
	name string
	from *bufio.Reader
	sum  hash.Hash // of what was read
	head *dumppb.Head
	id   uint32 // of the new volume

	client  coda.ClientID         // drawn, for the store ids of the records
	fids    map[coda.Fid]coda.Fid // new ones by those in the dump
	numbers *vicepb.AllocateVnodesReply
	last    uint64        // number of the last record
	records []coda.Record // of the next batch
	up      *uploads
	times   []coda.Record // that set those of directories, when everything is in them
	done    Restored
	open    bool // the last object is a file whose contents are being read
}

// restoreBatch is about how many records go into one transaction.
const restoreBatch = 1000

// next reads the next part. The digest is that of what came before it.
func (r *restore) next() (part *dumppb.Part, before []byte, err error) {
	if err := r.ctx.Err(); err != nil {
		return nil, nil, err
	}
	before = r.sum.Sum(nil)
	part = &dumppb.Part{}
	err = protodelim.UnmarshalOptions{MaxSize: 1 << 20}.UnmarshalFrom(summing{r}, part)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		err = coda.Errorf("read the dump", coda.Invalid, "it is not whole: %w", err)
	}
	return part, before, err
}

// summing reads from the dump and adds what was read to its digest.
type summing struct{ r *restore }

func (s summing) Read(p []byte) (int, error) {
	n, err := s.r.from.Read(p)
	s.r.sum.Write(p[:n])
	return n, err
}

func (s summing) ReadByte() (byte, error) {
	b, err := s.r.from.ReadByte()
	if err == nil {
		s.r.sum.Write([]byte{b})
	}
	return b, err
}

// begin reads the head and makes the volume.
func (r *restore) begin() error {
	magic := make([]byte, len(dumpMagic))
	if _, err := io.ReadFull(summing{r}, magic); err != nil || !bytes.Equal(magic, []byte(dumpMagic)) {
		return coda.Errorf("read the dump", coda.Invalid, "it is none, or of another version")
	}
	part, _, err := r.next()
	if err != nil {
		return err
	}
	if r.head = part.GetHead(); r.head == nil {
		return coda.Errorf("read the dump", coda.Invalid, "it begins with a %T", part.Part)
	}
	root, err := wire.StatusFromProto(r.head.Root)
	if err != nil {
		return err
	}
	if root.Kind != coda.Directory || root.Fid != coda.RootFid(root.Fid.Volume) {
		return coda.Errorf("read the dump", coda.Invalid, "its root is %v", root.Fid)
	}
	if _, err := io.ReadFull(r.s.cfg.Entropy, r.client[:]); err != nil {
		return err
	}
	err = r.s.changeVolumes(r.ctx, func(l *locations) (*locations, error) {
		next, err := l.create(r.name, root.ACL, r.s.cfg.Entropy)
		if err == nil {
			made := next.named(r.name)
			made.Locked, r.id = true, made.ID
		}
		return next, err
	})
	if err != nil {
		return err
	}
	r.fids[root.Fid] = coda.RootFid(r.id)
	r.up = newUploads(r.s.store, r.s.row.epoch, &r.s.contents, r.s.cfg.Limits)
	r.attributesLater(coda.RootFid(r.id), root)
	return nil
}

// all reads everything that follows the head.
func (r *restore) all() error {
	for {
		part, before, err := r.next()
		if err != nil {
			return err
		}
		data, isData := part.Part.(*dumppb.Part_Data)
		if !isData {
			if err := r.endContents(); err != nil {
				return err
			}
		}
		switch p := part.Part.(type) {
		case *dumppb.Part_Data:
			err = r.up.write(data.Data)
			r.done.Bytes += uint64(len(data.Data))
		case *dumppb.Part_Object:
			err = r.object(p.Object)
		case *dumppb.Part_Name:
			err = r.another(p.Name)
		case *dumppb.Part_End:
			return r.end(p.End, before)
		default:
			err = coda.Errorf("read the dump", coda.Invalid, "a %T among the objects", part.Part)
		}
		if err != nil {
			return err
		}
	}
}

// endContents ends those of the last object, and the batch where it is large enough.
func (r *restore) endContents() error {
	if r.open {
		r.open = false
		if err := r.up.end(); err != nil {
			return err
		}
	}
	if len(r.records) >= restoreBatch || r.up.memory >= r.s.cfg.Limits.InlineBatch/2 {
		return r.flush()
	}
	return nil
}

// object makes an object.
func (r *restore) object(p *dumppb.Object) error {
	s, err := wire.StatusFromProto(p.GetStatus())
	if err != nil {
		return err
	}
	dir, ok := r.fids[s.Parent]
	if _, twice := r.fids[s.Fid]; !ok || twice || !dir.IsDirectory() {
		return coda.Errorf("read the dump", coda.Invalid, "%v in %v is out of order", s.Fid, s.Parent)
	}
	f, err := r.newFid(s.Kind)
	if err != nil {
		return err
	}
	r.fids[s.Fid] = f
	r.done.Objects++
	name := string(p.Name)
	switch s.Kind {
	case coda.Directory:
		r.add(s.Modified, coda.MakeDirectory{Parent: dir, Name: name, Fid: f, Mode: s.Mode, Owner: s.Owner})
		if s.ACL != "" {
			r.add(s.Modified, coda.SetACL{Fid: f, ACL: s.ACL})
		}
		r.attributesLater(f, s)
	case coda.Symlink:
		r.add(s.Modified, coda.MakeSymlink{Parent: dir, Name: name, Fid: f, PointsTo: s.Target, Owner: s.Owner})
	case coda.File:
		made := r.add(s.Modified, coda.Create{Parent: dir, Name: name, Fid: f, Mode: s.Mode, Owner: s.Owner})
		if s.Length > 0 {
			base := coda.VersionVector{Store: coda.StoreID{Client: r.client, Number: made}}
			store := coda.Store{Fid: f, Base: base, Length: s.Length, Digest: s.Digest}
			r.open = true
			return r.up.begin(r.add(s.Modified, store), store)
		}
	}
	return nil
}

// attributesLater sets those of a directory that making names in it changes.
func (r *restore) attributesLater(f coda.Fid, s coda.Status) {
	r.times = append(r.times, coda.Record{Operation: coda.SetAttributes{Fid: f, Mode: new(s.Mode), Modified: new(s.Modified), Owner: new(s.Owner)}})
}

// another gives an object another name.
func (r *restore) another(p *dumppb.Name) error {
	f, err := wire.FidFromProto(p.GetFid())
	if err != nil {
		return err
	}
	parent, err := wire.FidFromProto(p.GetParent())
	if err != nil {
		return err
	}
	object, ok := r.fids[f]
	dir, known := r.fids[parent]
	if !ok || !known || object.IsDirectory() {
		return coda.Errorf("read the dump", coda.Invalid, "another name of %v in %v is out of order", f, parent)
	}
	r.add(0, coda.Link{Parent: dir, Name: string(p.Name), Fid: object})
	return nil
}

// end checks that the dump is whole, and commits what is left.
func (r *restore) end(p *dumppb.End, digest []byte) error {
	if p.Objects != r.done.Objects || !bytes.Equal(p.Digest, digest) {
		return coda.Errorf("read the dump", coda.Invalid, "it has %d objects and should have %d, or is damaged", r.done.Objects, p.Objects)
	}
	for _, t := range r.times {
		r.add(0, t.Operation)
		if err := r.endContents(); err != nil {
			return err
		}
	}
	return r.flush()
}

func (r *restore) add(at coda.Time, op coda.Operation) (number uint64) {
	r.last++
	r.records = append(r.records, coda.Record{Number: r.last, Time: at, Operation: op})
	return r.last
}

func (r *restore) newFid(kind coda.ObjectKind) (coda.Fid, error) {
	if r.numbers.GetCount() == 0 {
		granted, err := r.s.AllocateVnodes(r.ctx, &vicepb.AllocateVnodesRequest{Volume: r.id, Count: restoreBatch})
		if err != nil {
			return coda.Fid{}, err
		}
		r.numbers = granted
	}
	f := coda.NewFid(r.id, r.numbers.First, kind)
	r.numbers.First++
	r.numbers.Count--
	return f, nil
}

// flush commits the records so far. A refusal ends the restore.
func (r *restore) flush() error {
	if len(r.records) == 0 {
		return nil
	}
	if err := r.up.sync(); err != nil {
		return err
	}
	batch := wire.Batch{Client: r.client, Volume: r.id, First: r.records[0].Number, Last: r.last}
	itself := func(context.Context) (*coda.Identity, error) { return nil, nil }
	answer, err := r.s.commit(r.ctx, itself, batch, r.records, r.up)
	if err != nil {
		return err
	}
	if len(answer.Refusals) > 0 {
		refused := answer.Refusals[0]
		return coda.Errorf("make what is in the dump", refused.Kind, "%s", refused.Why)
	}
	if err := r.up.discard(); err != nil {
		return err
	}
	r.records = nil
	r.up = newUploads(r.s.store, r.s.row.epoch, &r.s.contents, r.s.cfg.Limits)
	return nil
}
