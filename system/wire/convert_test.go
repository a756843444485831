package wire_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

const volume = 9

func drawName(t *rapid.T) string {
	return string(rapid.SliceOfN(rapid.ByteRange('a', 0xff), 1, 255).Draw(t, "name"))
}

func drawFid(t *rapid.T, kind coda.ObjectKind) coda.Fid {
	return coda.NewFid(volume, rapid.Uint64Range(2, math.MaxUint64/2).Draw(t, "number"), kind)
}

func drawKind(t *rapid.T) coda.ObjectKind {
	return coda.ObjectKind(rapid.IntRange(1, 3).Draw(t, "kind"))
}

func drawStoreID(t *rapid.T) coda.StoreID {
	if rapid.Bool().Draw(t, "no store id") {
		return coda.StoreID{}
	}
	s := coda.StoreID{Number: rapid.Uint64Min(1).Draw(t, "store number")}
	copy(s.Client[:], rapid.SliceOfN(rapid.ByteRange(1, 255), 16, 16).Draw(t, "client"))
	return s
}

func drawVersion(t *rapid.T) coda.VersionVector {
	v := coda.VersionVector{Store: drawStoreID(t)}
	copy(v.Slots[:], rapid.SliceOfN(rapid.Uint64(), 0, 8).Draw(t, "slots"))
	return v
}

func drawDigest(t *rapid.T) (d coda.Digest) {
	copy(d[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "digest"))
	return d
}

func drawStatus(t *rapid.T, kind coda.ObjectKind) coda.Status {
	s := coda.Status{
		Fid: drawFid(t, kind), Kind: kind, Mode: rapid.Uint32Range(0, 0o777).Draw(t, "mode"), Length: rapid.Uint64().Draw(t, "length"),
		Links: rapid.Uint32Min(1).Draw(t, "links"), Modified: coda.Time(rapid.Int64().Draw(t, "modified")), Owner: rapid.Uint32().Draw(t, "owner"),
		Version: drawVersion(t), Parent: drawFid(t, coda.Directory),

		Inconsistent: rapid.Bool().Draw(t, "inconsistent"),
	}
	s.Version.Slots[0] |= 1
	switch kind {
	case coda.File:
		s.Digest = drawDigest(t)
	case coda.Directory:
		if rapid.Bool().Draw(t, "has an ACL") {
			s.ACL = drawACL(t)
		}
	case coda.Symlink:
		s.Target = drawName(t)
		s.Length = uint64(len(s.Target))
	}
	return s
}

func drawACL(t *rapid.T) coda.ACL {
	a, err := coda.MakeACL([]coda.ACLEntry{
		{Who: coda.AnyUser, Grants: coda.Rights(rapid.IntRange(0, 127).Draw(t, "grants"))},
		{Who: coda.Principal(rapid.Int32Min(1).Draw(t, "who")), Denies: coda.Rights(rapid.IntRange(0, 127).Draw(t, "denies"))},
	})
	require.NoError(t, err)
	return a
}

func drawOperation(t *rapid.T) coda.Operation {
	dir, name := drawFid(t, coda.Directory), drawName(t)
	mode, owner := rapid.Uint32Range(0, 0o777).Draw(t, "mode"), rapid.Uint32().Draw(t, "owner")
	switch rapid.IntRange(0, 9).Draw(t, "operation") {
	case 0:
		return coda.Store{Fid: drawFid(t, coda.File), Base: drawVersion(t), Length: rapid.Uint64().Draw(t, "length"), Digest: drawDigest(t)}
	case 1:
		return coda.Create{Parent: dir, Name: name, Fid: drawFid(t, coda.File), Mode: mode, Owner: owner}
	case 2:
		return coda.MakeDirectory{Parent: dir, Name: name, Fid: drawFid(t, coda.Directory), Mode: mode, Owner: owner}
	case 3:
		return coda.MakeSymlink{Parent: dir, Name: name, Fid: drawFid(t, coda.Symlink), PointsTo: drawName(t), Owner: owner}
	case 4:
		return coda.Link{Parent: dir, Name: name, Fid: drawFid(t, coda.File)}
	case 5:
		return coda.Remove{Parent: dir, Name: name, Fid: drawFid(t, coda.File), Base: drawVersion(t)}
	case 6:
		return coda.RemoveDirectory{Parent: dir, Name: name, Fid: drawFid(t, coda.Directory)}
	case 7:
		r := coda.Rename{FromParent: dir, FromName: name, ToParent: drawFid(t, coda.Directory), ToName: drawName(t), Fid: drawFid(t, drawKind(t))}
		if rapid.Bool().Draw(t, "replaces") {
			r.Replaced, r.ReplacedBase = drawFid(t, drawKind(t)), drawVersion(t)
		}
		return r
	case 8:
		return coda.SetACL{Fid: dir, Was: rapid.SampledFrom([]coda.ACL{"", drawACL(t)}).Draw(t, "was"), ACL: drawACL(t)}
	default:
		o := coda.SetAttributes{Fid: drawFid(t, drawKind(t)), Base: drawVersion(t)}
		if rapid.Bool().Draw(t, "set mode") {
			o.Mode = &mode
		}
		if rapid.Bool().Draw(t, "set modified") {
			o.Modified = new(coda.Time(rapid.Int64().Draw(t, "modified")))
		}
		if rapid.Bool().Draw(t, "set owner") {
			o.Owner = &owner
		}
		return o
	}
}

// throughBytes sends a message through its encoded form.
func throughBytes[M proto.Message](t require.TestingT, in, out M) M {
	b, err := proto.Marshal(in)
	require.NoError(t, err)
	require.NoError(t, proto.Unmarshal(b, out))
	return out
}

func TestEverythingSurvivesTheWire(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := coda.Record{Number: rapid.Uint64Min(1).Draw(t, "number"), Time: coda.Time(rapid.Int64().Draw(t, "time")), Operation: drawOperation(t)}
		gotRecord, err := wire.RecordFromProto(throughBytes(t, wire.RecordToProto(r), new(vicepb.Record)))
		require.NoError(t, err)
		require.Equal(t, r, gotRecord)

		s := drawStatus(t, drawKind(t))
		gotStatus, err := wire.StatusFromProto(throughBytes(t, wire.StatusToProto(s), new(vicepb.Status)))
		require.NoError(t, err)
		require.Equal(t, s, gotStatus)

		d := drawStatus(t, coda.Directory)
		kind := drawKind(t)
		b := wire.Break{Number: 3, Fid: d.Fid, Change: &coda.DirectoryChange{
			From: drawVersion(t), FromDigest: drawStatus(t, coda.Directory).Digest, Status: d,
			Removed: []string{drawName(t)}, Added: []coda.Entry{{Name: drawName(t), Kind: kind, Fid: drawFid(t, kind)}},
		}}
		gotBreak, err := wire.BreakFromProto(throughBytes(t, wire.BreakToProto(b), new(vicepb.Break)))
		require.NoError(t, err)
		require.Equal(t, b, gotBreak)

		a := wire.Answer{Done: 7, Refusals: []coda.Refusal{{Number: 3, Kind: coda.Conflict, Why: "x"}, {Number: 5, Kind: coda.Exists}}, Changed: []wire.Changed{{Status: s, Before: drawVersion(t), Promised: true}, {Status: d}}, Breaks: 8}
		a.Room = &coda.Room{Volume: volume, Number: 1, QuotaBytes: 2, QuotaObjects: 3, UsedBytes: 4, UsedObjects: 5, Counted: 6}
		gotAnswer, err := wire.AnswerFromProto(throughBytes(t, wire.AnswerToProto(a), new(vicepb.ReintegrateReply)))
		require.NoError(t, err)
		require.Equal(t, a, gotAnswer)

		v := wire.Validity{Answer: vicepb.ValidateResult_ANSWER_STALE, Promised: true, Status: s}
		gotValidity, err := wire.ValidityFromProto(throughBytes(t, wire.ValidityToProto(v), new(vicepb.ValidateResult)), s.Fid)
		require.NoError(t, err)
		require.Equal(t, v, gotValidity)
	})
}

func TestHostileMessages(t *testing.T) {
	fid := &vicepb.Fid{Volume: volume, Vnode: 4, Unique: 2}
	dir := &vicepb.Fid{Volume: volume, Vnode: 1, Unique: 1}
	client := make([]byte, 16)
	record := func(o *vicepb.Record) error {
		o.Number = 1
		_, err := wire.RecordFromProto(o)
		return err
	}
	create := func(c *vicepb.Create) error {
		return record(&vicepb.Record{Operation: &vicepb.Record_Create{Create: c}})
	}
	status := func(s *vicepb.Status) error { _, err := wire.StatusFromProto(s); return err }
	version := func(v *vicepb.VersionVector) error { _, err := wire.VersionFromProto(v); return err }
	batch := func(h *vicepb.ReintegrateHead) error { _, err := wire.BatchFromProto(h); return err }
	cases := map[string]error{
		"no operation":           record(&vicepb.Record{}),
		"nil operation":          create(nil),
		"no parent":              create(&vicepb.Create{Name: []byte("a"), Fid: fid}),
		"parent is a file":       create(&vicepb.Create{Parent: fid, Name: []byte("a"), Fid: fid}),
		"slash":                  create(&vicepb.Create{Parent: dir, Name: []byte("a/b"), Fid: fid}),
		"dot dot":                create(&vicepb.Create{Parent: dir, Name: []byte(".."), Fid: fid}),
		"no name":                create(&vicepb.Create{Parent: dir, Fid: fid}),
		"no fid":                 create(&vicepb.Create{Parent: dir, Name: []byte("a")}),
		"fid of a directory":     create(&vicepb.Create{Parent: dir, Name: []byte("a"), Fid: dir}),
		"mode":                   create(&vicepb.Create{Parent: dir, Name: []byte("a"), Fid: fid, Mode: 0o4777}),
		"two volumes":            create(&vicepb.Create{Parent: &vicepb.Fid{Volume: 1, Vnode: 1, Unique: 1}, Name: []byte("a"), Fid: fid}),
		"nil record":             func() error { _, err := wire.RecordFromProto(nil); return err }(),
		"short digest":           record(&vicepb.Record{Operation: &vicepb.Record_Store{Store: &vicepb.Store{Fid: fid, Digest: []byte{1}}}}),
		"store to a directory":   record(&vicepb.Record{Operation: &vicepb.Record_Store{Store: &vicepb.Store{Fid: dir, Digest: make([]byte, 32)}}}),
		"empty rename":           record(&vicepb.Record{Operation: &vicepb.Record_Rename{Rename: &vicepb.Rename{}}}),
		"nine slots":             version(&vicepb.VersionVector{Slots: make([]uint64, 9)}),
		"long client":            version(&vicepb.VersionVector{Store: &vicepb.StoreId{Client: make([]byte, 17), Number: 1}}),
		"zero client":            version(&vicepb.VersionVector{Store: &vicepb.StoreId{Client: client, Number: 1}}),
		"empty status":           status(&vicepb.Status{}),
		"nil status":             status(nil),
		"status without kind":    status(&vicepb.Status{Fid: fid}),
		"status without parent":  status(&vicepb.Status{Fid: fid, Kind: 1, Links: 1, Digest: make([]byte, 32), Version: &vicepb.VersionVector{Slots: []uint64{1}}}),
		"status without version": status(&vicepb.Status{Fid: fid, Kind: 1, Links: 1, Digest: make([]byte, 32), Parent: dir}),
		"batch backwards":        batch(&vicepb.ReintegrateHead{Client: []byte("0123456789abcdef"), Volume: 1, First: 3, Last: 2}),
		"batch without client":   batch(&vicepb.ReintegrateHead{Volume: 1, First: 1, Last: 2}),
		"nil batch":              batch(nil),
	}
	for name, err := range cases {
		require.ErrorIs(t, err, coda.Invalid, name)
	}
	long := create(&vicepb.Create{Parent: dir, Name: make([]byte, 300), Fid: fid})
	require.ErrorIs(t, long, coda.NameTooLong)
}

// fuzz checks that decoding never panics and that what it accepts comes back unchanged.
func fuzz[P proto.Message, V any](f *testing.F, fresh func() P, from func(P) (V, error), to func(V) P) {
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		p := fresh()
		if proto.Unmarshal(b, p) != nil {
			return
		}
		v, err := from(p)
		if err != nil {
			kind := coda.KindOf(err)
			require.True(t, kind == coda.Invalid || kind == coda.NameTooLong, "%v", err)
			return
		}
		again, err := from(to(v))
		require.NoError(t, err)
		require.Equal(t, v, again)
	})
}

func FuzzRecord(f *testing.F) {
	for i := range 40 {
		b, err := proto.Marshal(wire.RecordToProto(coda.Record{Number: 1, Operation: rapid.Custom(drawOperation).Example(i)}))
		require.NoError(f, err)
		f.Add(b)
	}
	fuzz(f, func() *vicepb.Record { return new(vicepb.Record) }, wire.RecordFromProto, wire.RecordToProto)
}

func FuzzAnswer(f *testing.F) {
	fuzz(f, func() *vicepb.ReintegrateReply { return new(vicepb.ReintegrateReply) }, wire.AnswerFromProto, wire.AnswerToProto)
}

func FuzzBreak(f *testing.F) {
	fuzz(f, func() *vicepb.Break { return new(vicepb.Break) }, wire.BreakFromProto, wire.BreakToProto)
}

func FuzzBatch(f *testing.F) {
	fuzz(f, func() *vicepb.ReintegrateHead { return new(vicepb.ReintegrateHead) }, wire.BatchFromProto, wire.BatchToProto)
}
