package vice

import (
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
)

// dumpMagic begins every dump. Its number is that of the form.
const dumpMagic = "codastress volume dump 1\n"

// Dump writes a volume as it is at one moment, while the server goes on. Volumes that are mounted in it are not in the dump; their mount links are. A file whose
// contents are rotten ends the dump with an error.
func (s *Server) Dump(ctx context.Context, volume string, to io.Writer) error {
	at, err := s.locations.Load().existing(volume)
	if err != nil {
		return err
	}
	release := s.store.containers.keep()
	defer func() {
		if err := release(); err != nil {
			s.cfg.Log.Warn("remove containers after a dump", "err", err)
		}
	}()
	v, _, _ := s.promises.read(0)
	defer v.release()
	d := &dump{ctx: ctx, store: s.store, view: v, to: to, sum: sha256.New(), named: map[coda.Fid]bool{}, buffer: make([]byte, pieceSize)}
	if err := d.volume(*at); err != nil {
		return fmt.Errorf("dump volume %s: %w", volume, err)
	}
	return nil
}

// dump is a dump that is being written.
type dump struct {
	ctx     context.Context
	store   *store
	view    *view
	to      io.Writer
	sum     hash.Hash         // of what was written
	named   map[coda.Fid]bool // objects with several names, of which one was written
	objects uint64
	buffer  []byte
}

// Write implements io.Writer.
func (d *dump) Write(p []byte) (int, error) {
	d.sum.Write(p)
	return d.to.Write(p)
}

func (d *dump) put(part *dumppb.Part) error {
	if err := d.ctx.Err(); err != nil {
		return err
	}
	_, err := protodelim.MarshalTo(d, part)
	return err
}

func (d *dump) volume(l Volume) error {
	root, err := getVnode(d.view, coda.RootFid(l.ID))
	if err == nil && root == nil {
		err = coda.Errorf("read the root", coda.NotFound, "the volume has just been purged")
	}
	if err != nil {
		return err
	}
	if _, err := io.WriteString(d, dumpMagic); err != nil {
		return err
	}
	head := &dumppb.Head{Volume: l.Name, Root: wire.StatusToProto(root.status), QuotaBytes: l.Quota.Bytes, QuotaObjects: l.Quota.Objects}
	if err := d.put(&dumppb.Part{Part: &dumppb.Part_Head{Head: head}}); err != nil {
		return err
	}
	if err := d.directory(root.status.Fid); err != nil {
		return err
	}
	return d.put(&dumppb.Part{Part: &dumppb.Part_End{End: &dumppb.End{Objects: d.objects, Digest: d.sum.Sum(nil)}}})
}

func (d *dump) directory(f coda.Fid) error {
	return scanEntries(d.view, f, func(e coda.Entry) error {
		v, err := getVnode(d.view, e.Fid)
		switch {
		case err != nil:
			return err
		case v == nil:
			return coda.Errorf("read "+e.Fid.String(), coda.IO, "it has the name %q and is missing", e.Name)
		case d.named[e.Fid]:
			name := &dumppb.Name{Fid: wire.FidToProto(e.Fid), Parent: wire.FidToProto(f), Name: []byte(e.Name)}
			return d.put(&dumppb.Part{Part: &dumppb.Part_Name{Name: name}})
		}
		if v.status.Links > 1 && v.status.Kind != coda.Directory {
			d.named[e.Fid] = true
		}
		d.objects++
		object := &dumppb.Object{Status: wire.StatusToProto(v.status), Name: []byte(e.Name)}
		if err := d.put(&dumppb.Part{Part: &dumppb.Part_Object{Object: object}}); err != nil {
			return err
		}
		switch v.status.Kind {
		case coda.Directory:
			return d.directory(e.Fid)
		case coda.File:
			return d.contents(v)
		default:
			return nil
		}
	})
}

// contents writes those of a file.
func (d *dump) contents(v *vnode) error {
	data, err := d.store.openContents(d.view, v)
	if err != nil {
		return fmt.Errorf("%v: %w", v.status.Fid, err)
	}
	defer data.Close()
	sum := sha256.New()
	for {
		n, err := data.Read(d.buffer)
		sum.Write(d.buffer[:n])
		if n > 0 {
			if err := d.put(&dumppb.Part{Part: &dumppb.Part_Data{Data: d.buffer[:n]}}); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return diskError(fmt.Sprintf("read contents of %v", v.status.Fid), err)
		}
	}
	if coda.Digest(sum.Sum(nil)) != v.status.Digest {
		return coda.Errorf("dump "+v.status.Fid.String(), coda.IO, "the contents do not have its digest: see volutil salvage")
	}
	return nil
}
