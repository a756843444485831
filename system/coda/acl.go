package coda

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// ACL says who has which rights in a directory. It is a string in a form of its own, so that statuses can be compared with ==, and equal ACLs are equal
// strings. The zero value is the ACL of a volume that says nothing about rights: everybody has all.
type ACL string

// ACLEntry is what an ACL says about a user or group.
type ACLEntry struct {
	Who    Principal
	Grants Rights
	Denies Rights // whatever else grants them
}

// MaxACL is the largest number of entries that an ACL can be set to. One that has come of several by Meet can have more.
const (
	MaxACL  = 200
	mostACL = 8 * MaxACL
)

// aclVersion starts every ACL but the zero one.
const aclVersion = 1

// MakeACL makes an ACL. Entries that say nothing are left out; there must not be two about the same user or group.
func MakeACL(entries []ACLEntry) (ACL, error) {
	list := slices.Clone(entries)
	slices.SortFunc(list, func(a, b ACLEntry) int { return cmp.Compare(a.Who, b.Who) })
	b := []byte{aclVersion}
	for i, e := range list {
		switch {
		case i > 0 && e.Who == list[i-1].Who:
			return "", Errorf("make an ACL", Invalid, "two entries about %v", e.Who)
		case e.Who == 0:
			return "", Errorf("make an ACL", Invalid, "an entry about nobody")
		case (e.Grants|e.Denies)&^AllRights != 0:
			return "", Errorf("make an ACL", Invalid, "unknown rights of %v", e.Who)
		case e.Grants|e.Denies == 0:
			continue
		}
		b = append(binary.AppendVarint(b, int64(e.Who)), byte(e.Grants), byte(e.Denies))
	}
	a := ACL(b)
	if n := len(a.Entries()); n > mostACL {
		return "", Errorf("make an ACL", Invalid, "%d entries, at most %d are allowed", n, mostACL)
	}
	return a, nil
}

// DecodeACL checks what another daemon or the disk says is an ACL.
func DecodeACL(b []byte) (ACL, error) {
	if len(b) == 0 {
		return "", nil
	}
	a := ACL(b)
	entries := a.Entries()
	if len(b) > 1+(mostACL*(binary.MaxVarintLen32+2)) || b[0] != aclVersion {
		return "", Errorf("decode an ACL", Invalid, "%d bytes of form %d", len(b), b[0])
	}
	made, err := MakeACL(entries)
	if err != nil {
		return "", &Error{Op: "decode an ACL", Kind: Invalid, Err: err}
	}
	if made != a {
		return "", Errorf("decode an ACL", Invalid, "%x is not in its one form", b)
	}
	return a, nil
}

// each calls f for every entry. It allocates nothing: rights are asked for at each request.
func (a ACL) each(f func(ACLEntry)) {
	if a == "" {
		return
	}
	for rest := a[1:]; len(rest) > 0; {
		n, used := varint(rest)
		if used <= 0 || len(rest) < used+2 {
			return
		}
		f(ACLEntry{Who: Principal(n), Grants: Rights(rest[used]), Denies: Rights(rest[used+1])})
		rest = rest[used+2:]
	}
}

// varint is binary.Varint of a string; used is 0 where that is damaged or too large for a Principal.
func varint(s ACL) (n int32, used int) {
	var u uint64
	for i := range min(len(s), binary.MaxVarintLen32) {
		u |= uint64(s[i]&0x7f) << (7 * i)
		if s[i] < 0x80 {
			n := int64(u>>1) ^ -int64(u&1)
			if int64(int32(n)) != n {
				return 0, 0
			}
			return int32(n), i + 1
		}
	}
	return 0, 0
}

// Entries lists what the ACL says, in the order of principals. The zero ACL says it of System:AnyUser.
func (a ACL) Entries() []ACLEntry {
	if a == "" {
		return []ACLEntry{{Who: AnyUser, Grants: AllRights}}
	}
	var list []ACLEntry
	a.each(func(e ACLEntry) { list = append(list, e) })
	return list
}

// Rights are what somebody may do: what entries about him and his groups grant, without what any of them denies. System:Administrators can always look
// up and administer, or an ACL could lock everybody out for good.
func (a ACL) Rights(who *Identity) Rights {
	if a == "" {
		return AllRights
	}
	var grants, denies Rights
	a.each(func(e ACLEntry) {
		if who.Is(e.Who) {
			grants |= e.Grants
			denies |= e.Denies
		}
	})
	r := grants &^ denies
	if who.Is(Administrators) {
		r |= Lookup | Administer
	}
	return r
}

// Meet is the ACL that grants what both grant and denies what one of them denies. It is what becomes of two changes of an ACL that did not see each other:
// nobody keeps a right that one of them took from him. The order does not matter, nor does how often it is done.
func (a ACL) Meet(b ACL) ACL {
	if a == b {
		return a
	}
	mine, theirs := map[Principal]ACLEntry{}, map[Principal]ACLEntry{}
	for _, e := range a.Entries() {
		mine[e.Who] = e
	}
	for _, e := range b.Entries() {
		theirs[e.Who] = e
	}
	var list []ACLEntry
	for who, e := range mine {
		other := theirs[who]
		list = append(list, ACLEntry{Who: who, Grants: e.Grants & other.Grants, Denies: e.Denies | other.Denies})
	}
	for who, e := range theirs {
		if _, both := mine[who]; !both {
			list = append(list, ACLEntry{Who: who, Denies: e.Denies})
		}
	}
	met, err := MakeACL(list)
	if err != nil { // more entries than an ACL can have
		return ACL([]byte{aclVersion})
	}
	return met
}

// With gives the ACL with another entry in the place of that about the same user or group.
func (a ACL) With(e ACLEntry) (ACL, error) {
	list := slices.DeleteFunc(a.Entries(), func(old ACLEntry) bool { return old.Who == e.Who })
	return MakeACL(append(list, e))
}
