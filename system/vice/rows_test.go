package vice

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/peerpb"
	"github.com/codastress/codastress/system/wire/vicepb"
)

func drawVersion(t *rapid.T) (v coda.VersionVector) {
	copy(v.Slots[:], rapid.SliceOfN(rapid.Uint64(), 0, coda.VersionSlots).Draw(t, "slots"))
	if v.Store.Number = rapid.Uint64().Draw(t, "number"); v.Store.Number != 0 {
		copy(v.Store.Client[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "client"))
	}
	return v
}

func TestRowsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := coda.ObjectKind(rapid.IntRange(1, 3).Draw(t, "kind"))
		f := coda.NewFid(7, rapid.Uint64Range(2, 1<<40).Draw(t, "fid"), kind)
		v := &vnode{status: coda.Status{
			Fid: f, Kind: kind, Mode: rapid.Uint32().Draw(t, "mode"), Length: rapid.Uint64().Draw(t, "length"), Links: rapid.Uint32().Draw(t, "links"),
			Modified: coda.Time(rapid.Int64().Draw(t, "modified")), Owner: rapid.Uint32().Draw(t, "owner"), Version: drawVersion(t),
			Parent: coda.NewFid(7, 5, coda.Directory),
		}}
		switch kind {
		case coda.File:
			copy(v.status.Digest[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "digest"))
			v.content = content{place: inContainer, id: contentID{rapid.Uint64().Draw(t, "epoch"), rapid.Uint64().Draw(t, "sequence")}}
		case coda.Symlink:
			v.status.Target = rapid.String().Draw(t, "target")
		}
		acl, err := coda.MakeACL([]coda.ACLEntry{{Who: coda.Principal(rapid.Int32Min(1).Draw(t, "who")), Grants: coda.Read}})
		require.NoError(t, err)
		if kind == coda.Directory && rapid.Bool().Draw(t, "acl") {
			v.status.ACL = acl
		}
		if kind == coda.Directory && rapid.Bool().Draw(t, "replicated") {
			copy(v.status.Digest[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "digest"))
		}
		gotVnode, err := decodeVnode(f, v.encode())
		require.NoError(t, err)
		require.Equal(t, v, gotVnode)

		e := coda.Entry{Name: "x", Fid: f, Kind: kind}
		gotEntry, err := decodeEntry(coda.RootFid(7), "x", encodeEntry(e))
		require.NoError(t, err)
		require.Equal(t, e, gotEntry)

		r := replayRow{
			last: 9, first: 3, refusals: []coda.Refusal{{Number: 4, Kind: coda.Exists, Why: rapid.String().Draw(t, "why")}},
			changed: []replayChanged{{fid: f, before: drawVersion(t), after: drawVersion(t)}},
		}
		gotReplay, err := decodeReplay(7, r.encode())
		require.NoError(t, err)
		require.Equal(t, r, gotReplay)

		store := coda.StoreID{Client: coda.ClientID{7}, Number: rapid.Uint64Min(1).Draw(t, "store")}
		b := batchRow{
			everywhere: rapid.Bool().Draw(t, "everywhere"), joined: rapid.Bool().Draw(t, "joined"), behind: 5, refused: []uint64{3, 9},
			objects: []batchObject{{fid: f, owed: 6, count: 3, numbers: []uint64{1, 2, 8}}},
		}
		gotBatch, err := decodeBatch(7, b.encode())
		require.NoError(t, err)
		require.Equal(t, b, gotBatch)

		u := unsettledRow{attributes: store, removed: &tombstone{version: drawVersion(t), update: store, dir: coda.RootFid(7), name: "x"}, heads: []coda.StoreID{store}}
		if rapid.Bool().Draw(t, "acls") {
			u.acls = []aclUpdate{{store, acl, nil}, {store, acl, []coda.StoreID{store, store}}}
		}
		gotUnsettled, err := decodeUnsettled(7, u.encode())
		require.NoError(t, err)
		require.Equal(t, u, gotUnsettled)

		c := compareRow{with: 5, times: rapid.Uint64().Draw(t, "times")}
		gotCompare, err := decodeCompare(c.encode())
		require.NoError(t, err)
		require.Equal(t, c, gotCompare)

		n := nameRow{update: store, entry: e, derived: true, removal: store, lost: f, also: []reason{{update: store}}, originDir: coda.RootFid(7), originName: "y"}
		gotName, err := decodeName(coda.RootFid(7), "x", n.encode())
		require.NoError(t, err)
		require.Equal(t, n, gotName)
	})
}

// A damaged row is an error, never a panic, and what is accepted encodes to the same bytes or to shorter ones for the same value.
func FuzzRows(f *testing.F) {
	f.Add((&vnode{status: coda.Status{Fid: coda.NewFid(7, 2, coda.Symlink), Kind: coda.Symlink, Target: "x"}}).encode())
	f.Add(replayRow{last: 1, first: 1, refusals: []coda.Refusal{{Number: 1, Kind: 1}}, changed: make([]replayChanged, 1)}.encode())
	f.Add(batchRow{refused: []uint64{1, 2}, objects: []batchObject{{fid: coda.RootFid(7), owed: 2, count: 1, numbers: []uint64{3}}}}.encode())
	f.Add((&locations{version: 3, volumes: []Volume{{ID: rootVolume, Name: "home", Quota: Quota{Bytes: 1}}, {ID: 9, Name: "users", Locked: true}}}).encode())
	f.Add(unsettledRow{removed: &tombstone{dir: coda.RootFid(7), name: "x"}}.encode())
	f.Add(compareRow{with: 2, times: 3}.encode())
	f.Add(nameRow{originDir: coda.RootFid(7), originName: "y"}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, kind := range []coda.ObjectKind{coda.File, coda.Directory, coda.Symlink} {
			fid := coda.NewFid(7, 2, kind)
			if v, err := decodeVnode(fid, b); err == nil {
				again, err := decodeVnode(fid, v.encode())
				require.NoError(t, err)
				require.Equal(t, v, again)
			}
		}
		if r, err := decodeReplay(7, b); err == nil {
			again, err := decodeReplay(7, r.encode())
			require.NoError(t, err)
			require.Equal(t, r, again)
		}
		if r, err := decodeBatch(7, b); err == nil {
			again, err := decodeBatch(7, r.encode())
			require.NoError(t, err)
			require.Equal(t, r, again)
		}
		if r, err := decodeUnsettled(7, b); err == nil {
			again, err := decodeUnsettled(7, r.encode())
			require.NoError(t, err)
			require.Equal(t, r, again)
		}
		if r, err := decodeCompare(b); err == nil {
			again, err := decodeCompare(r.encode())
			require.NoError(t, err)
			require.Equal(t, r, again)
		}
		if r, err := decodeName(coda.RootFid(7), "x", b); err == nil {
			again, err := decodeName(coda.RootFid(7), "x", r.encode())
			require.NoError(t, err)
			require.Equal(t, r, again)
		}
		_, _ = decodeEntry(coda.RootFid(7), "x", b)
		_, _ = decodeServer(b)
		_, _ = decodeFilling(b)
		if l, err := decodeLocations(b); err == nil {
			again, err := decodeLocations(l.encode())
			require.NoError(t, err)
			require.Equal(t, l, again)
		}
	})
}

// What another server sends is either refused or understood: what is understood is sent on as it came.
func FuzzPeerState(f *testing.F) {
	dir := coda.RootFid(7)
	file := coda.NewFid(7, 2, coda.File)
	update := coda.StoreID{Client: coda.ClientID{1}, Number: 3}
	seeds := []*peerpb.UnsettledReply{
		{Part: &peerpb.UnsettledReply_Batch{Batch: batchToProto(&heldBatch{
			batchID{7, coda.ClientID{1}, 2, 9}, batchRow{refused: []uint64{5}, objects: []batchObject{{fid: dir, count: 2, numbers: []uint64{3, 4}}}},
		})}},
		{Part: &peerpb.UnsettledReply_Name{Name: nameToProto(location{dir, "x"}, nameRow{
			update: update, entry: coda.Entry{Name: "x", Fid: file, Kind: coda.File}, originDir: dir, originName: "y", also: []reason{{update: update}},
		})}},
		{Part: &peerpb.UnsettledReply_Object{Object: &peerpb.Object{
			Fid: wire.FidToProto(file), Heads: []*vicepb.StoreId{wire.StoreToProto(update)}, Acls: []*peerpb.ACLUpdate{{Update: wire.StoreToProto(update), Acl: []byte{1, 4, 1, 0}}},
			Removed: &peerpb.Tombstone{Update: wire.StoreToProto(update), Dir: wire.FidToProto(dir), Name: []byte("x")},
		}}},
	}
	for _, p := range seeds {
		b, err := proto.Marshal(p)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var reply peerpb.UnsettledReply
		if proto.Unmarshal(b, &reply) != nil {
			return
		}
		if p := reply.GetBatch(); p != nil {
			if held, err := batchFromProto(p); err == nil {
				again, err := batchFromProto(batchToProto(held))
				require.NoError(t, err)
				require.Equal(t, held, again)
				row, err := decodeBatch(held.volume, held.encode())
				require.NoError(t, err)
				require.Equal(t, held.encode(), row.encode())
			}
		}
		s := &peerState{names: map[location]nameRow{}, objects: map[coda.Fid]peerObject{}}
		if p := reply.GetName(); p != nil && s.addName(p) == nil {
			for at, row := range s.names {
				again := &peerState{names: map[location]nameRow{}}
				require.NoError(t, again.addName(nameToProto(at, row)))
				require.Equal(t, s.names, again.names)
				kept, err := decodeName(at.dir, at.name, row.encode())
				require.NoError(t, err)
				require.Equal(t, row, kept)
			}
		}
		if p := reply.GetObject(); p != nil {
			_ = s.addObject(p)
		}
	})
}
