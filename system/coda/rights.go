package coda

import (
	"slices"
	"strconv"
	"strings"
)

// Rights say what somebody may do in a directory: Coda's letters rlidwka.
type Rights uint8

// The rights, in the order of their letters.
const (
	Read       Rights = 1 << iota // r: fetch the contents of files
	Lookup                        // l: names in the directory, attributes of it and of what is in it, its ACL
	Insert                        // i: make something in it, or move something into it
	Delete                        // d: remove something from it, or move something out of it
	Write                         // w: store contents, and set attributes
	Lock                          // k: kept, and asked for by nothing
	Administer                    // a: set the ACL and owners
)

// AllRights are all of them.
const AllRights = Read | Lookup | Insert | Delete | Write | Lock | Administer

const rightsLetters = "rlidwka"

// String gives the letters, or "none".
func (r Rights) String() string {
	var b strings.Builder
	for i, letter := range rightsLetters {
		if r>>i&1 == 1 {
			b.WriteRune(letter)
		}
	}
	if b.Len() == 0 {
		return "none"
	}
	return b.String()
}

// ParseRights reads letters in any order, or one of the words all, read, write and none.
func ParseRights(s string) (Rights, error) {
	switch s {
	case "all":
		return AllRights, nil
	case "read":
		return Read | Lookup, nil
	case "write":
		return AllRights &^ Administer, nil
	case "none":
		return 0, nil
	}
	var r Rights
	for _, letter := range s {
		i := strings.IndexRune(rightsLetters, letter)
		if i < 0 {
			return 0, Errorf("read rights", Invalid, "%q: rights are letters of %s, or all, write, read or none", s, rightsLetters)
		}
		r |= 1 << i
	}
	if r == 0 {
		return 0, Errorf("read rights", Invalid, "there are none; say none to take them all")
	}
	return r, nil
}

// Principal is the number of a user, above 0, or of a group, below 0. 0 is nobody: a user without a token.
type Principal int32

// The groups that every cell has.
const (
	AnyUser        Principal = -101 // System:AnyUser: everybody, also without a token
	Administrators Principal = -204 // System:Administrators
)

// String gives the number.
func (p Principal) String() string { return strconv.Itoa(int(p)) }

// Identity is for whom something is done: a user, and all that he counts as. It must not be changed once it has been given away.
type Identity struct {
	User   Principal   // 0 for one without a token
	Name   string      // of the user
	Groups []Principal // he and all groups that he is in, System:AnyUser among them, rising
}

// Anonymous is the identity of those without a token.
func Anonymous() *Identity { return &Identity{Groups: []Principal{AnyUser}} }

// Is reports whether somebody counts as a user or group.
func (i *Identity) Is(p Principal) bool {
	_, found := slices.BinarySearch(i.Groups, p)
	return found
}

// String names the user.
func (i *Identity) String() string {
	if i.User == 0 {
		return "a user without a token"
	}
	return i.Name
}
