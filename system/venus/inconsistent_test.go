package venus

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk/simdisk"
)

// What the servers have marked as inconsistent shows as a link that leads nowhere, until it is repaired, and cannot be changed; the rest goes on.
func TestInconsistentObjectsAreLinks(t *testing.T) {
	v, err := Open(t.Context(), Config{
		Dir: "cache", Disk: simdisk.New(), Servers: []Server{{Address: "0"}, {Address: "1"}}, Volume: "home",
		Dial: func(context.Context, string) (net.Conn, error) { return nil, net.ErrClosed },
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, v.Close(context.Background())) })
	root, f, other := coda.RootFid(7), coda.NewFid(7, 5, coda.File), coda.NewFid(7, 6, coda.File)
	version := func(slots ...uint64) (w coda.VersionVector) {
		copy(w.Slots[:], slots)
		return w
	}
	file := func(f coda.Fid, w coda.VersionVector, marked bool) coda.Status {
		return coda.Status{Fid: f, Kind: coda.File, Links: 1, Version: w, Parent: root, Digest: coda.EmptyDigest(), Inconsistent: marked}
	}
	set := func(s coda.Status) {
		t := v.store.begin()
		v.mu.Lock()
		v.setBase(t, v.object(s.Fid), s)
		t.enqueue()
		v.mu.Unlock()
	}
	set(coda.Status{Fid: root, Kind: coda.Directory, Links: 1, Length: 2, Version: version(2, 2)})
	change := v.store.begin()
	v.mu.Lock()
	v.volume = volumeInfo{ID: 7, Root: root}
	v.setEntries(change, v.object(root), []coda.Entry{{Name: "other", Fid: other, Kind: coda.File}, {Name: "x", Fid: f, Kind: coda.File}})
	v.object(root).listing().at = version(2, 2)
	change.enqueue()
	v.mu.Unlock()
	set(file(f, version(1, 1), false))
	set(file(other, version(1, 1), false))
	look := func() coda.Status {
		s, err := v.Lookup(t.Context(), root, "x")
		require.NoError(t, err)
		list, err := v.ReadDirectory(t.Context(), root)
		require.NoError(t, err)
		require.Len(t, list, 2)
		require.Equal(t, coda.Entry{Name: "x", Fid: s.Fid, Kind: s.Kind}, list[1])
		return s
	}
	require.Equal(t, f, look().Fid)

	set(file(f, version(2, 1), true))
	link := look()
	require.Equal(t, coda.Symlink, link.Kind)
	target, err := v.ReadLink(t.Context(), link.Fid)
	require.NoError(t, err)
	require.Equal(t, coda.ConflictTarget(f), target)
	require.ErrorIs(t, v.Remove(t.Context(), root, "x"), coda.Conflict)
	require.ErrorIs(t, v.Expand(t.Context(), "x"), coda.Unsupported)
	require.ErrorIs(t, v.Collapse(t.Context(), "x"), coda.Unsupported)
	_, err = v.Repair(t.Context(), "x", KeepGlobal)
	require.ErrorIs(t, err, coda.Unsupported)
	mode := uint32(0o600)
	_, err = v.SetAttributes(t.Context(), f, Changes{Mode: &mode})
	require.ErrorIs(t, err, coda.Conflict, "by those who knew it before")
	require.NoError(t, v.Remove(t.Context(), root, "other"))
	s, err := v.Root(t.Context())
	require.NoError(t, err)
	require.Equal(t, root, s.Fid)
	require.EqualValues(t, 1, s.Length)
	_, err = v.MakeSymlink(t.Context(), root, "x", "y", 0)
	require.ErrorIs(t, err, coda.Exists)

	set(file(f, version(3, 3), false))
	s, err = v.Lookup(t.Context(), root, "x")
	require.NoError(t, err)
	require.Equal(t, f, s.Fid)
}

// The collation of what replicas say does not hang on their order.
func TestCollation(t *testing.T) {
	store := func(n uint64) coda.StoreID { return coda.StoreID{Client: coda.ClientID{1}, Number: n} }
	say := func(number uint64, slots ...uint64) coda.Status {
		s := coda.Status{Fid: coda.NewFid(7, 5, coda.File), Kind: coda.File, Links: 1, Version: coda.VersionVector{Store: store(number)}}
		s.Digest[0] = byte(number)
		copy(s.Version.Slots[:], slots)
		return s
	}
	marked := func(s coda.Status) coda.Status {
		s.Inconsistent = true
		return s
	}
	gone := coda.Status{}
	for name, test := range map[string]struct {
		said    []coda.Status // by slot; a zero one says that the object is gone
		accord  accord
		newest  coda.Status
		holders replicas
	}{
		"equal":                  {[]coda.Status{say(1, 1, 1), say(1, 1, 1)}, agreed, say(1, 1, 1), 0b11},
		"between the phases":     {[]coda.Status{say(1, 1), say(1, 0, 1), say(1, 0, 0, 1)}, agreed, say(1, 1, 1, 1), 0b111},
		"one knows":              {[]coda.Status{say(1, 1, 1), say(1, 0, 1)}, agreed, say(1, 1, 1), 0b11},
		"one has missed it":      {[]coda.Status{say(2, 2, 2, 1), say(2, 2, 2, 1), say(1, 1, 1, 1)}, agreed, say(2, 2, 2, 1), 0b011},
		"the newest of all":      {[]coda.Status{say(1, 1), say(2, 0, 1), say(3, 1, 1, 1)}, agreed, say(3, 1, 1, 1), 0b100},
		"two updates":            {[]coda.Status{say(1, 1), say(2, 0, 1)}, divided, coda.Status{}, 0},
		"marked":                 {[]coda.Status{marked(say(1, 1)), marked(say(2, 0, 1))}, agreed, marked(say(1, 1, 1)), 0b11},
		"the mark is on its way": {[]coda.Status{say(1, 1), marked(say(2, 0, 1))}, agreed, marked(say(1, 1, 1)), 0b11},
		"repaired":               {[]coda.Status{marked(say(1, 1)), say(3, 2, 2)}, agreed, say(3, 2, 2), 0b10},
		"gone":                   {[]coda.Status{gone, gone}, absent, coda.Status{}, 0},
		"gone on one":            {[]coda.Status{say(1, 1), gone}, divided, coda.Status{}, 0},
	} {
		var list []testimony
		for slot, s := range test.said {
			list = append(list, testimony{from: request{to: &replica{slot: slot}}, status: s, gone: s.Fid.IsZero()})
		}
		for range list {
			newest, holders, accord := collate(list)
			require.Equal(t, test.accord, accord, name)
			require.Equal(t, test.holders, holders, name)
			require.Equal(t, test.newest.Version.Slots, newest.Version.Slots, name)
			if !newest.Inconsistent { // none of the versions is right
				require.Equal(t, test.newest.Version.Store, newest.Version.Store, name)
			}
			require.Equal(t, test.newest.Inconsistent, newest.Inconsistent, name)
			list = append(list[1:], list[0])
		}
	}
}
