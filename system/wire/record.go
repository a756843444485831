package wire

import (
	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// RecordToProto encodes a record of the modify log.
func RecordToProto(r coda.Record) *vicepb.Record {
	p := &vicepb.Record{Number: r.Number, Time: int64(r.Time)}
	switch o := r.Operation.(type) {
	case coda.Store:
		p.Operation = &vicepb.Record_Store{Store: &vicepb.Store{
			Fid: FidToProto(o.Fid), Base: VersionToProto(o.Base), Length: o.Length, Digest: append([]byte(nil), o.Digest[:]...),
		}}
	case coda.Create:
		p.Operation = &vicepb.Record_Create{Create: &vicepb.Create{
			Parent: FidToProto(o.Parent), Name: []byte(o.Name), Fid: FidToProto(o.Fid), Mode: o.Mode, Owner: o.Owner,
		}}
	case coda.MakeDirectory:
		p.Operation = &vicepb.Record_MakeDirectory{MakeDirectory: &vicepb.MakeDirectory{
			Parent: FidToProto(o.Parent), Name: []byte(o.Name), Fid: FidToProto(o.Fid), Mode: o.Mode, Owner: o.Owner,
		}}
	case coda.MakeSymlink:
		p.Operation = &vicepb.Record_MakeSymlink{MakeSymlink: &vicepb.MakeSymlink{
			Parent: FidToProto(o.Parent), Name: []byte(o.Name), Fid: FidToProto(o.Fid), Target: []byte(o.PointsTo), Owner: o.Owner,
		}}
	case coda.Link:
		p.Operation = &vicepb.Record_Link{Link: &vicepb.Link{
			Parent: FidToProto(o.Parent), Name: []byte(o.Name), Fid: FidToProto(o.Fid),
		}}
	case coda.Remove:
		p.Operation = &vicepb.Record_Remove{Remove: &vicepb.Remove{
			Parent: FidToProto(o.Parent), Name: []byte(o.Name), Fid: FidToProto(o.Fid), Base: VersionToProto(o.Base),
		}}
	case coda.RemoveDirectory:
		p.Operation = &vicepb.Record_RemoveDirectory{RemoveDirectory: &vicepb.RemoveDirectory{
			Parent: FidToProto(o.Parent), Name: []byte(o.Name), Fid: FidToProto(o.Fid),
		}}
	case coda.Rename:
		p.Operation = &vicepb.Record_Rename{Rename: &vicepb.Rename{
			FromParent: FidToProto(o.FromParent), FromName: []byte(o.FromName), ToParent: FidToProto(o.ToParent), ToName: []byte(o.ToName),
			Fid: FidToProto(o.Fid), Replaced: FidToProto(o.Replaced), ReplacedBase: VersionToProto(o.ReplacedBase),
		}}
	case coda.SetAttributes:
		p.Operation = &vicepb.Record_SetAttributes{SetAttributes: &vicepb.SetAttributes{
			Fid: FidToProto(o.Fid), Base: VersionToProto(o.Base), Mode: o.Mode, Modified: (*int64)(o.Modified), Owner: o.Owner,
		}}
	case coda.SetACL:
		p.Operation = &vicepb.Record_SetAcl{SetAcl: &vicepb.SetACL{Fid: FidToProto(o.Fid), Acl: []byte(o.ACL), Was: []byte(o.Was)}}
	}
	return p
}

// RecordFromProto decodes a record of the modify log.
func RecordFromProto(p *vicepb.Record) (coda.Record, error) {
	if p == nil {
		return coda.Record{}, invalid("record", "it is missing")
	}
	if p.Number == 0 {
		return coda.Record{}, invalid("record", "it has number 0")
	}
	op, err := operationFromProto(p)
	if err != nil {
		return coda.Record{}, within("record", err)
	}
	return coda.Record{Number: p.Number, Time: coda.Time(p.Time), Operation: op}, nil
}

func operationFromProto(p *vicepb.Record) (coda.Operation, error) {
	switch o := p.Operation.(type) {
	case *vicepb.Record_Store:
		return storeFromProto(o.Store)
	case *vicepb.Record_Create:
		n, err := newObject(o.Create, coda.File, o.Create.GetMode())
		return coda.Create{Parent: n.parent, Name: n.name, Fid: n.fid, Mode: o.Create.GetMode(), Owner: o.Create.GetOwner()}, err
	case *vicepb.Record_MakeDirectory:
		n, err := newObject(o.MakeDirectory, coda.Directory, o.MakeDirectory.GetMode())
		return coda.MakeDirectory{Parent: n.parent, Name: n.name, Fid: n.fid, Mode: o.MakeDirectory.GetMode(), Owner: o.MakeDirectory.GetOwner()}, err
	case *vicepb.Record_MakeSymlink:
		n, err := newObject(o.MakeSymlink, coda.Symlink, 0)
		if err == nil {
			err = coda.ValidTarget(string(o.MakeSymlink.Target))
		}
		return coda.MakeSymlink{Parent: n.parent, Name: n.name, Fid: n.fid, PointsTo: string(o.MakeSymlink.GetTarget()), Owner: o.MakeSymlink.GetOwner()}, err
	case *vicepb.Record_Link:
		n, err := nameOf(o.Link)
		return coda.Link{Parent: n.parent, Name: n.name, Fid: n.fid}, err
	case *vicepb.Record_Remove:
		n, err := nameOf(o.Remove)
		if err != nil {
			return nil, err
		}
		base, err := VersionFromProto(o.Remove.Base)
		return coda.Remove{Parent: n.parent, Name: n.name, Fid: n.fid, Base: base}, err
	case *vicepb.Record_RemoveDirectory:
		n, err := nameOf(o.RemoveDirectory)
		return coda.RemoveDirectory{Parent: n.parent, Name: n.name, Fid: n.fid}, err
	case *vicepb.Record_Rename:
		return renameFromProto(o.Rename)
	case *vicepb.Record_SetAttributes:
		return setAttributesFromProto(o.SetAttributes)
	case *vicepb.Record_SetAcl:
		return setACLFromProto(o.SetAcl)
	default:
		return nil, invalid("operation", "it is missing or of a kind that this version does not know")
	}
}

// named is what most operations carry: an object and its name in a directory. The generated messages give it; their getters accept nil.
type named interface {
	GetParent() *vicepb.Fid
	GetName() []byte
	GetFid() *vicepb.Fid
}

type nameAndFid struct {
	parent coda.Fid
	name   string
	fid    coda.Fid
}

// nameOf decodes a name in a directory and the object that it is about, which must be in one volume.
func nameOf(p named) (n nameAndFid, err error) {
	if n.parent, err = directoryFidFromProto(p.GetParent()); err != nil {
		return nameAndFid{}, err
	}
	if n.name, err = nameFromProto(p.GetName()); err != nil {
		return nameAndFid{}, err
	}
	if n.fid, err = FidFromProto(p.GetFid()); err != nil {
		return nameAndFid{}, err
	}
	if n.parent.Volume != n.fid.Volume {
		return nameAndFid{}, invalid("operation", "%v and %v are in two volumes", n.parent, n.fid)
	}
	return n, nil
}

// newObject decodes the name of an object that is being made.
func newObject(p named, kind coda.ObjectKind, mode uint32) (nameAndFid, error) {
	n, err := nameOf(p)
	switch {
	case err != nil:
		return nameAndFid{}, err
	case !kind.Matches(n.fid):
		return nameAndFid{}, invalid("operation", "%v cannot be a %v", n.fid, kind)
	case mode&^coda.ModeMask != 0:
		return nameAndFid{}, invalid("operation", "mode %o has more than permission bits", mode)
	}
	return n, nil
}

func storeFromProto(p *vicepb.Store) (coda.Operation, error) {
	f, err := FidFromProto(p.GetFid())
	if err != nil {
		return nil, err
	}
	if f.IsDirectory() {
		return nil, invalid("store", "%v is a directory", f)
	}
	base, err := VersionFromProto(p.Base)
	if err != nil {
		return nil, err
	}
	digest, err := digestFromProto(p.Digest, coda.File)
	if err != nil {
		return nil, err
	}
	return coda.Store{Fid: f, Base: base, Length: p.Length, Digest: digest}, nil
}

func renameFromProto(p *vicepb.Rename) (coda.Operation, error) {
	var o coda.Rename
	var err error
	if o.FromParent, err = directoryFidFromProto(p.GetFromParent()); err != nil {
		return nil, err
	}
	if o.FromName, err = nameFromProto(p.FromName); err != nil {
		return nil, err
	}
	if o.ToParent, err = directoryFidFromProto(p.ToParent); err != nil {
		return nil, err
	}
	if o.ToName, err = nameFromProto(p.ToName); err != nil {
		return nil, err
	}
	if o.Fid, err = FidFromProto(p.Fid); err != nil {
		return nil, err
	}
	if o.Replaced, err = OptionalFidFromProto(p.Replaced); err != nil {
		return nil, err
	}
	if o.ReplacedBase, err = VersionFromProto(p.ReplacedBase); err != nil {
		return nil, err
	}
	v := o.Fid.Volume
	if o.FromParent.Volume != v || o.ToParent.Volume != v || (!o.Replaced.IsZero() && o.Replaced.Volume != v) {
		return nil, invalid("rename", "it spans volumes")
	}
	return o, nil
}

func setAttributesFromProto(p *vicepb.SetAttributes) (coda.Operation, error) {
	f, err := FidFromProto(p.GetFid())
	if err != nil {
		return nil, err
	}
	base, err := VersionFromProto(p.Base)
	if err != nil {
		return nil, err
	}
	if p.Mode != nil && *p.Mode&^coda.ModeMask != 0 {
		return nil, invalid("set attributes", "mode %o has more than permission bits", *p.Mode)
	}
	return coda.SetAttributes{Fid: f, Base: base, Mode: p.Mode, Modified: (*coda.Time)(p.Modified), Owner: p.Owner}, nil
}

func setACLFromProto(p *vicepb.SetACL) (coda.Operation, error) {
	f, err := directoryFidFromProto(p.GetFid())
	if err != nil {
		return nil, err
	}
	a, err := coda.DecodeACL(p.GetAcl())
	if err != nil {
		return nil, within("set an ACL", err)
	}
	if n := len(a.Entries()); a == "" || n > coda.MaxACL {
		return nil, invalid("set an ACL", "%d entries", n)
	}
	was, err := coda.DecodeACL(p.GetWas())
	if err != nil {
		return nil, within("set an ACL", err)
	}
	return coda.SetACL{Fid: f, Was: was, ACL: a}, nil
}
