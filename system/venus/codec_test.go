package venus

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
)

func version(n uint64) coda.VersionVector {
	v := coda.VersionVector{Store: coda.StoreID{Client: coda.ClientID{1}, Number: n}}
	v.Slots[0] = n
	return v
}

func objects() []storedObject {
	dir, file, link := coda.NewFid(7, 2, coda.Directory), coda.NewFid(7, 3, coda.File), coda.NewFid(7, 4, coda.Symlink)
	return []storedObject{
		{Status: coda.Status{Fid: dir, Kind: coda.Directory, Mode: 0o755, Links: 1, Version: version(1), Parent: coda.RootFid(7)}},
		{Status: coda.Status{Fid: dir, Kind: coda.Directory, Links: 1, Version: version(5), Parent: coda.RootFid(7)}, Complete: true, Entries: version(4)},
		{Status: coda.Status{Fid: dir, Kind: coda.Directory, Links: 1, Version: version(5), Parent: coda.RootFid(7)}, Complete: true},
		{Status: coda.Status{Fid: dir, Kind: coda.Directory, Links: 1, Version: version(5), Parent: coda.RootFid(7), ACL: "\x01"}},
		{Status: coda.Status{Fid: file, Kind: coda.File, Links: 2, Version: version(1), Parent: dir, Length: 9}, Container: "1-a"},
		{Status: coda.Status{Fid: link, Kind: coda.Symlink, Links: 1, Version: version(1), Parent: dir, Target: "x", Length: 1}},
	}
}

func records() []storedRecord {
	dir, file := coda.NewFid(7, 2, coda.Directory), coda.NewFid(7, 3, coda.File)
	return []storedRecord{
		{Record: coda.Record{Number: 1, Time: 5, Operation: coda.Create{Parent: dir, Name: "x", Fid: file, Mode: 0o600}}},
		{Record: coda.Record{Number: 2, Operation: coda.Store{Fid: file, Base: version(1), Length: 3}}, Container: "1-b", Synced: true},
		{Record: coda.Record{Number: 4, Operation: coda.Store{Fid: file, Length: 3}}, User: 1000, Container: "1-b", Digested: true},
		{Record: coda.Record{Number: 5, Operation: coda.SetACL{Fid: dir, ACL: "\x01"}}, User: 1 << 30},
		{Record: coda.Record{Number: 3, Operation: coda.Store{Fid: file, Base: version(1), Length: 3}}, Container: "1-b", Digested: true},
	}
}

func TestStoredValues(t *testing.T) {
	for _, o := range objects() {
		b, err := encodeObject(o)
		require.NoError(t, err)
		got, err := decodeObject(b)
		require.NoError(t, err)
		require.Equal(t, o, got)
	}
	for _, r := range records() {
		b, err := encodeRecord(r)
		require.NoError(t, err)
		got, err := decodeRecord(b)
		require.NoError(t, err)
		require.Equal(t, r, got)
	}
	e := coda.Entry{Name: "n", Fid: coda.NewFid(7, 3, coda.File), Kind: coda.Symlink}
	got, err := decodeEntry("n", encodeEntry(e))
	require.NoError(t, err)
	require.Equal(t, e, got)
}

func FuzzDecode(f *testing.F) {
	for _, o := range objects() {
		b, err := encodeObject(o)
		require.NoError(f, err)
		f.Add(b)
	}
	for _, r := range records() {
		b, err := encodeRecord(r)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Add(encodeEntry(coda.Entry{Fid: coda.NewFid(7, 3, coda.File), Kind: coda.File}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if o, err := decodeObject(b); err == nil {
			again, err := encodeObject(o)
			require.NoError(t, err)
			same, err := decodeObject(again)
			require.NoError(t, err)
			require.Equal(t, o, same)
		}
		if r, err := decodeRecord(b); err == nil {
			again, err := encodeRecord(r)
			require.NoError(t, err)
			same, err := decodeRecord(again)
			require.NoError(t, err)
			require.Equal(t, r, same)
		}
		if e, err := decodeEntry("x", b); err == nil {
			require.Equal(t, b, encodeEntry(e))
		}
	})
}
