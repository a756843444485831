package wire

import (
	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// invalid is the error of a message that breaks a rule.
func invalid(what, format string, args ...any) error {
	return coda.Errorf("decode "+what, coda.Invalid, format, args...)
}

// within says in which part of a message an error is.
func within(what string, err error) error {
	return &coda.Error{Op: "decode " + what, Kind: coda.KindOf(err), Err: err}
}

// FidToProto encodes a fid; the zero fid, which names nothing, becomes an absent message.
func FidToProto(f coda.Fid) *vicepb.Fid {
	if f.IsZero() {
		return nil
	}
	return &vicepb.Fid{Volume: f.Volume, Vnode: f.Vnode, Unique: f.Unique}
}

// FidFromProto decodes a fid that must be there.
func FidFromProto(p *vicepb.Fid) (coda.Fid, error) {
	if p == nil {
		return coda.Fid{}, invalid("fid", "it is missing")
	}
	f := coda.Fid{Volume: p.Volume, Vnode: p.Vnode, Unique: p.Unique}
	if f.Volume == 0 || f.Vnode == 0 || f.Unique == 0 {
		return coda.Fid{}, invalid("fid", "%v names nothing", f)
	}
	return f, nil
}

// OptionalFidFromProto decodes a fid that may be absent, which gives the zero fid.
func OptionalFidFromProto(p *vicepb.Fid) (coda.Fid, error) {
	if p == nil {
		return coda.Fid{}, nil
	}
	return FidFromProto(p)
}

// directoryFidFromProto decodes the fid of a directory.
func directoryFidFromProto(p *vicepb.Fid) (coda.Fid, error) {
	f, err := FidFromProto(p)
	if err == nil && !f.IsDirectory() {
		err = invalid("fid", "%v is not a directory's", f)
	}
	return f, err
}

// ClientIDToProto encodes a client's id.
func ClientIDToProto(c coda.ClientID) []byte {
	return append([]byte(nil), c[:]...)
}

// ClientIDFromProto decodes a client's id, which must not be zero.
func ClientIDFromProto(p []byte) (coda.ClientID, error) {
	var c coda.ClientID
	if len(p) != len(c) {
		return coda.ClientID{}, invalid("client id", "%d bytes, want %d", len(p), len(c))
	}
	copy(c[:], p)
	if c.IsZero() {
		return coda.ClientID{}, invalid("client id", "it is zero")
	}
	return c, nil
}

// VersionToProto encodes a version; the zero version becomes an absent message.
func VersionToProto(v coda.VersionVector) *vicepb.VersionVector {
	if v.IsZero() {
		return nil
	}
	used := 0
	for i, n := range v.Slots {
		if n != 0 {
			used = i + 1
		}
	}
	p := &vicepb.VersionVector{Slots: append([]uint64(nil), v.Slots[:used]...)}
	p.Store = StoreToProto(v.Store)
	return p
}

// StoreToProto encodes a store id; the zero one, which names nothing, becomes an absent message.
func StoreToProto(s coda.StoreID) *vicepb.StoreId {
	if s.IsZero() {
		return nil
	}
	return &vicepb.StoreId{Client: ClientIDToProto(s.Client), Number: s.Number}
}

// StoreFromProto decodes a store id; an absent one is the zero store id.
func StoreFromProto(p *vicepb.StoreId) (coda.StoreID, error) {
	if p == nil {
		return coda.StoreID{}, nil
	}
	c, err := ClientIDFromProto(p.Client)
	if err != nil {
		return coda.StoreID{}, within("store id", err)
	}
	if p.Number == 0 {
		return coda.StoreID{}, invalid("store id", "it has number 0")
	}
	return coda.StoreID{Client: c, Number: p.Number}, nil
}

// VersionFromProto decodes a version; an absent one is the zero version.
func VersionFromProto(p *vicepb.VersionVector) (coda.VersionVector, error) {
	var v coda.VersionVector
	if len(p.GetSlots()) > coda.VersionSlots {
		return v, invalid("version", "%d slots, at most %d are allowed", len(p.Slots), coda.VersionSlots)
	}
	copy(v.Slots[:], p.GetSlots())
	var err error
	if v.Store, err = StoreFromProto(p.GetStore()); err != nil {
		return coda.VersionVector{}, within("version", err)
	}
	return v, nil
}

// KindToProto encodes the kind of an object.
func KindToProto(k coda.ObjectKind) vicepb.ObjectKind { return vicepb.ObjectKind(k) }

// KindFromProto decodes the kind of an object and checks it against the object's fid.
func KindFromProto(p vicepb.ObjectKind, f coda.Fid) (coda.ObjectKind, error) {
	if p < vicepb.ObjectKind_OBJECT_KIND_FILE || p > vicepb.ObjectKind_OBJECT_KIND_SYMLINK {
		return 0, invalid("kind of object", "%d is none", int32(p))
	}
	k := coda.ObjectKind(p)
	if !k.Matches(f) {
		return 0, invalid("kind of object", "%v cannot be a %v", f, k)
	}
	return k, nil
}

// StatusToProto encodes a status.
func StatusToProto(s coda.Status) *vicepb.Status {
	p := &vicepb.Status{
		Fid:      FidToProto(s.Fid),
		Kind:     KindToProto(s.Kind),
		Mode:     s.Mode,
		Length:   s.Length,
		Links:    s.Links,
		Modified: int64(s.Modified),
		Owner:    s.Owner,
		Version:  VersionToProto(s.Version),
		Parent:   FidToProto(s.Parent),
		Target:   []byte(s.Target),

		Inconsistent: s.Inconsistent,
	}
	if s.ACL != "" {
		p.Acl = []byte(s.ACL)
	}
	if s.Kind == coda.File || !s.Digest.IsZero() {
		p.Digest = append([]byte(nil), s.Digest[:]...)
	}
	return p
}

// StatusFromProto decodes a status and checks that its parts fit together.
func StatusFromProto(p *vicepb.Status) (coda.Status, error) {
	if p == nil {
		return coda.Status{}, invalid("status", "it is missing")
	}
	s := coda.Status{
		Mode: p.Mode, Length: p.Length, Links: p.Links, Modified: coda.Time(p.Modified), Owner: p.Owner, Target: string(p.Target),
		Inconsistent: p.Inconsistent,
	}
	var err error
	if s.Fid, err = FidFromProto(p.Fid); err != nil {
		return coda.Status{}, within("status", err)
	}
	if s.Kind, err = KindFromProto(p.Kind, s.Fid); err != nil {
		return coda.Status{}, within("status", err)
	}
	if s.Version, err = VersionFromProto(p.Version); err != nil {
		return coda.Status{}, within("status", err)
	}
	if p.Parent != nil {
		if s.Parent, err = directoryFidFromProto(p.Parent); err != nil {
			return coda.Status{}, within("status", err)
		}
	}
	if s.Digest, err = digestFromProto(p.Digest, s.Kind); err != nil {
		return coda.Status{}, within("status", err)
	}
	if s.ACL, err = coda.DecodeACL(p.Acl); err != nil {
		return coda.Status{}, within("status", err)
	}
	return s, checkStatus(s)
}

// checkStatus checks the rules that tie the fields of a status together.
func checkStatus(s coda.Status) error {
	switch {
	case s.Mode&^coda.ModeMask != 0:
		return invalid("status", "mode %o has more than permission bits", s.Mode)
	case s.Links == 0:
		return invalid("status", "%v has no links", s.Fid)
	case s.Version.IsZero():
		return invalid("status", "%v has no version", s.Fid)
	case s.Parent.IsZero() != (s.Fid == coda.RootFid(s.Fid.Volume)):
		return invalid("status", "%v: only the root has no parent", s.Fid)
	case !s.Parent.IsZero() && s.Parent.Volume != s.Fid.Volume:
		return invalid("status", "%v has a parent in another volume", s.Fid)
	case s.Kind != coda.Directory && s.ACL != "":
		return invalid("status", "a %v has an ACL", s.Kind)
	case s.Kind != coda.Symlink && s.Target != "":
		return invalid("status", "a %v has a target", s.Kind)
	case s.Kind == coda.Symlink && s.Length != uint64(len(s.Target)):
		return invalid("status", "length %d of a symlink with a target of %d bytes", s.Length, len(s.Target))
	case s.Kind == coda.Symlink:
		return coda.ValidTarget(s.Target)
	default:
		return nil
	}
}

// digestFromProto decodes the digest of an object, which files must have, directories may have, and symlinks must not.
func digestFromProto(p []byte, kind coda.ObjectKind) (coda.Digest, error) {
	var d coda.Digest
	want := 0
	if kind == coda.File || (kind == coda.Directory && len(p) > 0) {
		want = len(d)
	}
	if len(p) != want {
		return d, invalid("digest", "%d bytes, want %d", len(p), want)
	}
	copy(d[:], p)
	return d, nil
}

// EntryToProto encodes a directory entry.
func EntryToProto(e coda.Entry) *vicepb.Entry {
	return &vicepb.Entry{Name: []byte(e.Name), Fid: FidToProto(e.Fid), Kind: KindToProto(e.Kind)}
}

// EntryFromProto decodes a directory entry.
func EntryFromProto(p *vicepb.Entry) (coda.Entry, error) {
	name, err := nameFromProto(p.GetName())
	if err != nil {
		return coda.Entry{}, within("entry", err)
	}
	f, err := FidFromProto(p.GetFid())
	if err != nil {
		return coda.Entry{}, within("entry", err)
	}
	kind, err := KindFromProto(p.GetKind(), f)
	if err != nil {
		return coda.Entry{}, within("entry", err)
	}
	return coda.Entry{Name: name, Fid: f, Kind: kind}, nil
}

// nameFromProto decodes the name of an entry.
func nameFromProto(p []byte) (string, error) {
	name := string(p)
	return name, coda.ValidName(name)
}
