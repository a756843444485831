package vice

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"google.golang.org/grpc"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/peerpb"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// location is where a name is.
type location struct {
	dir  coda.Fid
	name string
}

func (p location) compare(q location) int {
	return cmp.Or(p.dir.Compare(q.dir), cmp.Compare(p.name, q.name))
}

// peerState is what another replica has at one moment and cannot know that all have.
type peerState struct {
	slot       int
	everything bool // settled objects and names are in it as well
	filling    bool // the replica has not everything itself that is settled
	locations  *locations
	known      *knowledge
	names      map[location]nameRow
	objects    map[coda.Fid]peerObject
}

// peerObject is an object of another replica, or what is left of it.
type peerObject struct {
	status     *coda.Status // nil where it does not have the object
	attributes coda.StoreID
	removed    *tombstone
	heads      []coda.StoreID
	acls       []aclUpdate
}

// maxAlso is the largest number of settled objects that can be asked for.
const maxAlso = 1000

// Unsettled sends what this replica cannot know that all have.
func (p *peerService) Unsettled(request *peerpb.UnsettledRequest, stream grpc.ServerStreamingServer[peerpb.UnsettledReply]) error {
	also, err := fidsFromProto(request.Also, maxAlso)
	if err != nil {
		return err
	}
	v, _, _ := p.s.promises.read(0)
	defer v.release()
	d := &description{base: v, locations: p.s.locations.Load(), stream: stream, fids: map[coda.Fid]bool{}}
	for _, f := range also {
		d.fids[f] = true
	}
	return d.send(request.Everything)
}

// description sends a replica's state.
type description struct {
	base      pebble.Reader
	locations *locations // not older than the view, and so perhaps without a volume that is in it
	stream    grpc.ServerStreamingServer[peerpb.UnsettledReply]
	fids      map[coda.Fid]bool // objects to be described
}

func (d *description) send(everything bool) error {
	_, filling, err := getFilling(d.base)
	if err != nil {
		return err
	}
	if err := d.stream.Send(&peerpb.UnsettledReply{Part: &peerpb.UnsettledReply_Head{Head: &peerpb.Head{Filling: filling, Locations: d.locations.encode()}}}); err != nil {
		return err
	}
	batches, err := readBatches(d.base)
	if err != nil {
		return err
	}
	for _, b := range batches {
		if err := d.stream.Send(&peerpb.UnsettledReply{Part: &peerpb.UnsettledReply_Batch{Batch: batchToProto(b)}}); err != nil {
			return err
		}
		for _, o := range b.objects {
			d.fids[o.fid] = true
		}
	}
	names := map[location]bool{}
	err = scanNames(d.base, func(p location, row nameRow) error {
		names[p] = everything
		return d.sendName(p, row)
	})
	if err == nil && everything {
		err = d.sendSettled(names)
	}
	if err != nil {
		return err
	}
	for _, f := range slices.SortedFunc(maps.Keys(d.fids), coda.Fid.Compare) {
		if err := d.sendObject(f); err != nil {
			return err
		}
	}
	return nil
}

func (d *description) sendName(p location, row nameRow) error {
	if !row.entry.Fid.IsZero() {
		d.fids[row.entry.Fid] = true
	}
	d.fids[p.dir] = true
	return d.stream.Send(&peerpb.UnsettledReply{Part: &peerpb.UnsettledReply_Name{Name: nameToProto(p, row)}})
}

// sendSettled sends the names that have not been sent, and has all objects described.
func (d *description) sendSettled(sent map[location]bool) error {
	err := scanVnodes(d.base, []byte{vnodePrefix}, func(v *vnode) error {
		d.fids[v.status.Fid] = true
		return nil
	})
	if err != nil {
		return err
	}
	return scan(d.base, []byte{entryPrefix}, func(key, value []byte) error {
		dir, err := fidOf(key)
		if err != nil {
			return &coda.Error{Op: "read an entry", Kind: coda.IO, Err: err}
		}
		p := location{dir, string(key[1+fidSize:])}
		e, err := decodeEntry(dir, p.name, value)
		if err != nil || sent[p] {
			return err
		}
		return d.sendName(p, nameRow{entry: e})
	})
}

func (d *description) sendObject(f coda.Fid) error {
	v, err := getVnode(d.base, f)
	if err != nil {
		return err
	}
	row, _, err := getUnsettled(d.base, f)
	if err != nil {
		return err
	}
	o := &peerpb.Object{Fid: wire.FidToProto(f), Attributes: wire.StoreToProto(row.attributes)}
	if v != nil {
		o.Status = wire.StatusToProto(v.status)
	}
	for _, h := range row.heads {
		o.Heads = append(o.Heads, wire.StoreToProto(h))
	}
	for _, a := range row.acls {
		p := &peerpb.ACLUpdate{Update: wire.StoreToProto(a.update), Acl: []byte(a.acl)}
		for _, s := range a.seen {
			p.Seen = append(p.Seen, wire.StoreToProto(s))
		}
		o.Acls = append(o.Acls, p)
	}
	if t := row.removed; t != nil {
		o.Removed = &peerpb.Tombstone{
			Version: wire.VersionToProto(t.version), Update: wire.StoreToProto(t.update), Dir: wire.FidToProto(t.dir), Name: []byte(t.name),
		}
	}
	return d.stream.Send(&peerpb.UnsettledReply{Part: &peerpb.UnsettledReply_Object{Object: o}})
}

// scanNames calls each for every name that is unsettled.
func scanNames(r pebble.Reader, each func(location, nameRow) error) error {
	return scan(r, []byte{renamedPrefix}, func(key, value []byte) error {
		dir, err := fidOf(key)
		if err != nil {
			return &coda.Error{Op: "read an unsettled name", Kind: coda.IO, Err: err}
		}
		p := location{dir, string(key[1+fidSize:])}
		row, err := decodeName(dir, p.name, value)
		if err != nil {
			return &coda.Error{Op: "read an unsettled name", Kind: coda.IO, Err: err}
		}
		return each(p, row)
	})
}

// receiveState reads what another replica sends.
func receiveState(ctx context.Context, peer peerpb.PeerClient, slot int, request *peerpb.UnsettledRequest) (*peerState, error) {
	stream, err := peer.Unsettled(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("ask for what is unsettled: %w", err)
	}
	s := &peerState{slot: slot, everything: request.Everything, names: map[location]nameRow{}, objects: map[coda.Fid]peerObject{}}
	var batches []*heldBatch
	for {
		reply, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			if s.locations == nil {
				return nil, coda.Errorf("receive what is unsettled", coda.Invalid, "there is no head")
			}
			s.known = newKnowledge(batches)
			return s, nil
		}
		if err != nil {
			return nil, fmt.Errorf("receive what is unsettled: %w", err)
		}
		switch part := reply.Part.(type) {
		case *peerpb.UnsettledReply_Head:
			s.filling = part.Head.GetFilling()
			s.locations, err = decodeLocations(part.Head.GetLocations())
		case *peerpb.UnsettledReply_Batch:
			var b *heldBatch
			if b, err = batchFromProto(part.Batch); err == nil {
				batches = append(batches, b)
			}
		case *peerpb.UnsettledReply_Name:
			err = s.addName(part.Name)
		case *peerpb.UnsettledReply_Object:
			err = s.addObject(part.Object)
		default:
			err = coda.Errorf("receive what is unsettled", coda.Invalid, "a %T", part)
		}
		if err != nil {
			return nil, err
		}
	}
}

// within leaves out what is about volumes that are not in a database: they were purged. The other replica will do the same.
func (s *peerState) within(l *locations) {
	var left []*heldBatch
	for id, b := range s.known.batches {
		if l.find(id.volume) != nil {
			left = append(left, b)
		}
	}
	if len(left) < len(s.known.batches) {
		s.known = newKnowledge(left)
	}
	maps.DeleteFunc(s.names, func(p location, _ nameRow) bool { return l.find(p.dir.Volume) == nil })
	maps.DeleteFunc(s.objects, func(f coda.Fid, _ peerObject) bool { return l.find(f.Volume) == nil })
}

func batchToProto(b *heldBatch) *peerpb.Batch {
	p := &peerpb.Batch{Volume: b.volume, Client: wire.ClientIDToProto(b.client), First: b.first, Last: b.last, Everywhere: b.everywhere, Refused: b.refused}
	for _, o := range b.objects {
		p.Updates = append(p.Updates, &peerpb.Update{Fid: wire.FidToProto(o.fid), Count: o.count, Numbers: o.numbers})
	}
	return p
}

func batchFromProto(p *peerpb.Batch) (*heldBatch, error) {
	c, err := wire.ClientIDFromProto(p.GetClient())
	if err != nil {
		return nil, err
	}
	b := &heldBatch{batchID{p.Volume, c, p.First, p.Last}, batchRow{everywhere: p.Everywhere, refused: p.Refused}}
	if b.first == 0 || b.first > b.last || !rising(b.refused) {
		return nil, coda.Errorf("decode a batch", coda.Invalid, "records %d to %d without %v", b.first, b.last, b.refused)
	}
	for i, u := range p.Updates {
		f, err := fidIn(p.Volume, u.GetFid())
		if err != nil {
			return nil, err
		}
		if u.Count == 0 || len(u.Numbers) == 0 || !rising(u.Numbers) || (i > 0 && b.objects[i-1].fid.Compare(f) >= 0) {
			return nil, coda.Errorf("decode a batch", coda.Invalid, "%d updates of %v by records %v", u.Count, f, u.Numbers)
		}
		for _, n := range u.Numbers {
			if !b.has(coda.StoreID{Client: c, Number: n}) {
				return nil, coda.Errorf("decode a batch", coda.Invalid, "%v was changed by record %d", f, n)
			}
		}
		b.objects = append(b.objects, batchObject{fid: f, count: u.Count, numbers: u.Numbers})
	}
	return b, nil
}

// rising reports whether each number is larger than the one before it, and the first is not 0.
func rising(numbers []uint64) bool {
	last := uint64(0)
	for _, n := range numbers {
		if n <= last {
			return false
		}
		last = n
	}
	return true
}

func nameToProto(p location, row nameRow) *peerpb.Name {
	n := &peerpb.Name{
		Dir: wire.FidToProto(p.dir), Name: []byte(p.name), Update: wire.StoreToProto(row.update), Fid: wire.FidToProto(row.entry.Fid),
		Derived: row.derived, Removal: wire.StoreToProto(row.removal), Lost: wire.FidToProto(row.lost), OriginDir: wire.FidToProto(row.originDir),
	}
	if !row.entry.Fid.IsZero() {
		n.Kind = wire.KindToProto(row.entry.Kind)
	}
	for _, a := range row.also {
		n.Also = append(n.Also, &peerpb.Reason{Update: wire.StoreToProto(a.update), Removal: wire.StoreToProto(a.removal)})
	}
	if !row.originDir.IsZero() {
		n.OriginName = []byte(row.originName)
	}
	return n
}

func (s *peerState) addName(n *peerpb.Name) error {
	volume := n.GetDir().GetVolume()
	p, err := placeIn(volume, n.GetDir(), n.GetName())
	if err != nil {
		return err
	}
	row := nameRow{derived: n.Derived}
	if row.update, err = wire.StoreFromProto(n.Update); err != nil {
		return err
	}
	if row.removal, err = wire.StoreFromProto(n.Removal); err != nil {
		return err
	}
	if n.Fid != nil {
		f, err := fidIn(volume, n.Fid)
		if err != nil {
			return err
		}
		kind, err := wire.KindFromProto(n.Kind, f)
		if err != nil {
			return err
		}
		row.entry = coda.Entry{Name: p.name, Fid: f, Kind: kind}
	}
	if n.Lost != nil {
		if row.lost, err = fidIn(volume, n.Lost); err != nil {
			return err
		}
	}
	for _, p := range n.Also {
		update, err := wire.StoreFromProto(p.GetUpdate())
		if err != nil {
			return err
		}
		removal, err := wire.StoreFromProto(p.GetRemoval())
		if err != nil {
			return err
		}
		row.also = append(row.also, reason{update, removal})
	}
	if n.OriginDir != nil {
		origin, err := placeIn(volume, n.OriginDir, n.OriginName)
		if err != nil {
			return err
		}
		row.originDir, row.originName = origin.dir, origin.name
	}
	s.names[p] = row
	return nil
}

func (s *peerState) addObject(p *peerpb.Object) error {
	f, err := wire.FidFromProto(p.GetFid())
	if err != nil {
		return err
	}
	var o peerObject
	if o.attributes, err = wire.StoreFromProto(p.Attributes); err != nil {
		return err
	}
	if p.Status != nil {
		status, err := wire.StatusFromProto(p.Status)
		if err != nil {
			return err
		}
		if status.Fid != f {
			return coda.Errorf("decode an object", coda.Invalid, "%v with the status of %v", f, status.Fid)
		}
		o.status = &status
	}
	for _, h := range p.Heads {
		s, err := wire.StoreFromProto(h)
		if err != nil {
			return err
		}
		o.heads = append(o.heads, s)
	}
	if o.acls, err = aclsFromProto(p.Acls, f); err != nil {
		return err
	}
	if t := p.Removed; t != nil {
		at, err := placeIn(f.Volume, t.Dir, t.Name)
		if err != nil {
			return err
		}
		o.removed = &tombstone{dir: at.dir, name: at.name}
		if o.removed.version, err = wire.VersionFromProto(t.Version); err != nil {
			return err
		}
		if o.removed.update, err = wire.StoreFromProto(t.Update); err != nil {
			return err
		}
	}
	s.objects[f] = o
	return nil
}

// aclsFromProto decodes changes of the ACL of a directory, which must be in the order of their updates.
func aclsFromProto(list []*peerpb.ACLUpdate, f coda.Fid) (acls []aclUpdate, err error) {
	for i, p := range list {
		var a aclUpdate
		if a.update, err = wire.StoreFromProto(p.GetUpdate()); err != nil {
			return nil, err
		}
		if a.acl, err = coda.DecodeACL(p.GetAcl()); err != nil {
			return nil, err
		}
		for _, s := range p.GetSeen() {
			seen, err := wire.StoreFromProto(s)
			if err != nil {
				return nil, err
			}
			a.seen = append(a.seen, seen)
		}
		if !slices.IsSortedFunc(a.seen, compareUpdates) {
			return nil, coda.Errorf("decode changes of an ACL", coda.Invalid, "%v has seen %v", a.update, a.seen)
		}
		if !f.IsDirectory() || a.acl == "" || a.update.IsZero() || i > 0 && compareUpdates(acls[i-1].update, a.update) >= 0 {
			return nil, coda.Errorf("decode changes of an ACL", coda.Invalid, "%v of %v", a.update, f)
		}
		acls = append(acls, a)
	}
	return acls, nil
}

// fidIn decodes the fid of an object of a volume.
func fidIn(volume uint32, p *vicepb.Fid) (coda.Fid, error) {
	f, err := wire.FidFromProto(p)
	if err == nil && f.Volume != volume {
		err = coda.Errorf("decode a fid", coda.Invalid, "%v is in another volume", f)
	}
	return f, err
}

func fidsFromProto(list []*vicepb.Fid, limit int) ([]coda.Fid, error) {
	if len(list) > limit {
		return nil, coda.Errorf("decode fids", coda.Invalid, "%d of them, at most %d are allowed", len(list), limit)
	}
	fids := make([]coda.Fid, len(list))
	for i, p := range list {
		var err error
		if fids[i], err = wire.FidFromProto(p); err != nil {
			return nil, err
		}
	}
	return fids, nil
}

// placeIn decodes a place in a volume.
func placeIn(volume uint32, dir *vicepb.Fid, name []byte) (location, error) {
	f, err := fidIn(volume, dir)
	if err != nil {
		return location{}, err
	}
	if !f.IsDirectory() {
		return location{}, coda.Errorf("decode a place", coda.Invalid, "%v is no directory", f)
	}
	return location{f, string(name)}, coda.ValidName(string(name))
}
