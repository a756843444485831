package coda

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Fid names an object for ever: a fid is never given to a second object.
// Directories have odd vnode numbers, files and symlinks even ones.
type Fid struct {
	Volume uint32
	Vnode  uint64
	Unique uint64
}

// RootNumber is the allocation number of every volume's root directory. Granted numbers are larger.
const RootNumber = 1

// NewFid makes the fid of a new object from a number that the server granted (AllocateVnodes). The number must not be 0.
func NewFid(volume uint32, number uint64, kind ObjectKind) Fid {
	vnode := 2 * number
	if kind == Directory {
		vnode--
	}
	return Fid{Volume: volume, Vnode: vnode, Unique: number}
}

// RootFid is the fid of a volume's root directory.
func RootFid(volume uint32) Fid { return NewFid(volume, RootNumber, Directory) }

// IsZero reports whether f names no object.
func (f Fid) IsZero() bool { return f == Fid{} }

// IsDirectory reports whether f is the fid of a directory, which its vnode number tells.
func (f Fid) IsDirectory() bool { return f.Vnode%2 == 1 }

// Number is the allocation number that NewFid made f from, or 0 if f was not made by NewFid.
func (f Fid) Number() uint64 {
	if f.Unique == 0 || (f.Vnode+1)/2 != f.Unique {
		return 0
	}
	return f.Unique
}

// Compare orders fids by volume, vnode and unique.
func (f Fid) Compare(g Fid) int {
	switch {
	case f.Volume != g.Volume:
		return order(uint64(f.Volume), uint64(g.Volume))
	case f.Vnode != g.Vnode:
		return order(f.Vnode, g.Vnode)
	default:
		return order(f.Unique, g.Unique)
	}
}

func order(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	default:
		return 0
	}
}

// String gives Coda's form: volume, vnode and unique in hexadecimal, joined by dots.
func (f Fid) String() string {
	return fmt.Sprintf("%x.%x.%x", f.Volume, f.Vnode, f.Unique)
}

// ParseFid reads what Fid.String wrote and nothing else. Its error has kind Invalid.
func ParseFid(s string) (Fid, error) {
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return Fid{}, Errorf("parse fid", Invalid, "%q: want three hexadecimal numbers joined by dots", s)
	}
	var n [3]uint64
	for i, bits := range [3]int{32, 64, 64} {
		v, err := strconv.ParseUint(parts[i], 16, bits)
		if err != nil {
			return Fid{}, &Error{Op: "parse fid", Kind: Invalid, Err: fmt.Errorf("%q: %w", s, err)}
		}
		n[i] = v
	}
	f := Fid{Volume: uint32(n[0]), Vnode: n[1], Unique: n[2]}
	if f.String() != s {
		return Fid{}, Errorf("parse fid", Invalid, "%q is not in its shortest lower-case form", s)
	}
	return f, nil
}

// ClientID names a client's cache. It is made at random when the cache is made.
type ClientID [16]byte

// IsZero reports whether c names no client.
func (c ClientID) IsZero() bool { return c == ClientID{} }

// String gives the id in hexadecimal.
func (c ClientID) String() string { return hex.EncodeToString(c[:]) }

// StoreID names one update, world-wide: the client that made it and the number of its record. The zero value names none.
type StoreID struct {
	Client ClientID
	Number uint64
}

// IsZero reports whether s names no update.
func (s StoreID) IsZero() bool { return s == StoreID{} }

// String gives the client's first four bytes and the number, for logs.
func (s StoreID) String() string {
	if s.IsZero() {
		return "-"
	}
	return fmt.Sprintf("%x:%d", s.Client[:4], s.Number)
}
