package coda_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/codastress/codastress/system/coda"
)

var principals = rapid.SampledFrom([]coda.Principal{coda.AnyUser, coda.Administrators, -1001, -1002, 1000, 1001, 1 << 30, -1 << 31})

func drawRights(t *rapid.T) coda.Rights { return coda.Rights(rapid.IntRange(0, 127).Draw(t, "rights")) }

func drawEntries(t *rapid.T) []coda.ACLEntry {
	who := rapid.SliceOfNDistinct(principals, 0, 6, func(p coda.Principal) coda.Principal { return p }).Draw(t, "who")
	var list []coda.ACLEntry
	for _, p := range who {
		list = append(list, coda.ACLEntry{Who: p, Grants: drawRights(t), Denies: drawRights(t)})
	}
	return list
}

func drawACL(t *rapid.T) coda.ACL {
	a, err := coda.MakeACL(drawEntries(t))
	require.NoError(t, err)
	return a
}

func drawIdentity(t *rapid.T) *coda.Identity {
	who := rapid.SliceOfNDistinct(principals, 0, 4, func(p coda.Principal) coda.Principal { return p }).Draw(t, "groups")
	i := coda.Anonymous()
	for _, p := range who {
		if !i.Is(p) {
			i.Groups = append(i.Groups, p)
		}
		sortPrincipals(i.Groups)
	}
	return i
}

func sortPrincipals(list []coda.Principal) {
	for i := range list {
		for j := i; j > 0 && list[j] < list[j-1]; j-- {
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
}

// What somebody may do is what the entries about him say, worked out here in the plainest way.
func TestRightsAreWhatTheEntriesSay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries, who := drawEntries(t), drawIdentity(t)
		a, err := coda.MakeACL(entries)
		require.NoError(t, err)
		want := coda.Rights(0)
		for bit := coda.Read; bit <= coda.Administer; bit <<= 1 {
			granted, denied := false, false
			for _, e := range entries {
				for _, p := range who.Groups {
					granted = granted || p == e.Who && e.Grants&bit != 0
					denied = denied || p == e.Who && e.Denies&bit != 0
				}
			}
			always := who.Is(coda.Administrators) && (bit == coda.Lookup || bit == coda.Administer)
			if granted && !denied || always {
				want |= bit
			}
		}
		require.Equal(t, want, a.Rights(who))
		require.Equal(t, coda.AllRights, coda.ACL("").Rights(who))

		again, err := coda.DecodeACL([]byte(a))
		require.NoError(t, err)
		require.Equal(t, a, again)
		made, err := coda.MakeACL(a.Entries())
		require.NoError(t, err)
		require.Equal(t, a, made)
	})
}

// Changes of an ACL that did not see each other have one outcome, whoever joins them and how often, in which nobody has a right that one of them took.
func TestMeetIsThatOfALattice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c, who := drawACL(t), drawACL(t), drawACL(t), drawIdentity(t)
		require.Equal(t, a, a.Meet(a))
		require.Equal(t, a.Meet(b), b.Meet(a))
		require.Equal(t, a.Meet(b).Meet(c), a.Meet(b.Meet(c)))
		require.Equal(t, a.Meet(b), a.Meet(b).Meet(b))
		always := coda.ACL("\x01").Rights(who)
		require.Zero(t, a.Meet(b).Rights(who)&^always&^(a.Rights(who)&b.Rights(who)))
	})
}

func TestACLsAreChecked(t *testing.T) {
	for name, entries := range map[string][]coda.ACLEntry{
		"nobody":         {{Who: 0, Grants: coda.Read}},
		"twice":          {{Who: 7, Grants: coda.Read}, {Who: 7, Denies: coda.Read}},
		"unknown rights": {{Who: 7, Grants: 0x80}},
	} {
		_, err := coda.MakeACL(entries)
		require.ErrorIs(t, err, coda.Invalid, name)
	}
	var many []coda.ACLEntry
	for i := range 10 * coda.MaxACL {
		many = append(many, coda.ACLEntry{Who: coda.Principal(i + 1), Grants: coda.Read})
	}
	_, err := coda.MakeACL(many)
	require.ErrorIs(t, err, coda.Invalid)
	a, err := coda.MakeACL(many[:3])
	require.NoError(t, err)
	changed, err := a.With(coda.ACLEntry{Who: 2, Denies: coda.Write})
	require.NoError(t, err)
	require.Equal(t, []coda.ACLEntry{many[0], {Who: 2, Denies: coda.Write}, many[2]}, changed.Entries())
}

func TestRightsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRights(t)
		again, err := coda.ParseRights(r.String())
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
	for text, want := range map[string]coda.Rights{
		"all": coda.AllRights, "write": coda.AllRights &^ coda.Administer, "read": coda.Read | coda.Lookup, "lr": coda.Read | coda.Lookup,
	} {
		got, err := coda.ParseRights(text)
		require.NoError(t, err)
		require.Equal(t, want, got, text)
	}
	for _, bad := range []string{"", "x", "r l", "ALL"} {
		_, err := coda.ParseRights(bad)
		require.ErrorIs(t, err, coda.Invalid, bad)
	}
}

func FuzzACL(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1})
	f.Add([]byte{1, 0xc9, 1, 3, 0, 0xd0, 0x0f, 0x7f, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := coda.DecodeACL(b)
		if err != nil {
			_ = coda.ACL(b).Rights(coda.Anonymous()) // a row of a damaged disk is evaluated before fsck looks at it
			return
		}
		require.Equal(t, string(b), string(a))
		if a != "" {
			made, err := coda.MakeACL(a.Entries())
			require.NoError(t, err)
			require.Equal(t, a, made)
		}
	})
}

func BenchmarkRights(b *testing.B) {
	var entries []coda.ACLEntry
	for i := range 10 {
		entries = append(entries, coda.ACLEntry{Who: coda.Principal(1000 + i), Grants: coda.Read | coda.Lookup})
	}
	entries = append(entries, coda.ACLEntry{Who: coda.AnyUser, Grants: coda.Lookup}, coda.ACLEntry{Who: -1000, Grants: coda.AllRights, Denies: coda.Administer})
	a, err := coda.MakeACL(entries)
	if err != nil {
		b.Fatal(err)
	}
	who := &coda.Identity{User: 1005, Groups: []coda.Principal{-1000, coda.AnyUser, 1005}}
	b.Run("12 entries", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if a.Rights(who) == 0 {
				b.Fatal("no rights")
			}
		}
	})
	b.Run("none set", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if coda.ACL("").Rights(who) == 0 {
				b.Fatal("no rights")
			}
		}
	})
}
