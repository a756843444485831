package coda

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"time"
)

// ObjectKind says what an object is. The zero value is no kind.
type ObjectKind uint8

// The kinds of objects.
const (
	File ObjectKind = iota + 1
	Directory
	Symlink
)

// String gives the kind as a word.
func (k ObjectKind) String() string {
	switch k {
	case File:
		return "file"
	case Directory:
		return "directory"
	case Symlink:
		return "symlink"
	default:
		return fmt.Sprintf("kind %d", uint8(k))
	}
}

// Matches reports whether f can be the fid of an object of this kind.
func (k ObjectKind) Matches(f Fid) bool {
	return k >= File && k <= Symlink && f.IsDirectory() == (k == Directory)
}

// Time is a moment in nanoseconds since 1970. It is a number so that statuses can be compared with ==.
type Time int64

// TimeOf converts from the standard library's form. Moments before the first one that a Time can be, in 1677, and after the last, in 2262, become
// those, as in other file systems.
func TimeOf(t time.Time) Time {
	switch {
	case t.Before(Time(math.MinInt64).Standard()):
		return math.MinInt64
	case t.After(Time(math.MaxInt64).Standard()):
		return math.MaxInt64
	default:
		return Time(t.UnixNano())
	}
}

// Standard converts to the standard library's form, in UTC.
func (t Time) Standard() time.Time { return time.Unix(0, int64(t)).UTC() }

// Digest is the SHA-256 of a file's contents. The zero value stands for objects without contents.
type Digest [sha256.Size]byte

// EmptyDigest is the digest of a file of length 0.
func EmptyDigest() Digest { return sha256.Sum256(nil) }

// IsZero reports whether d stands for no contents.
func (d Digest) IsZero() bool { return d == Digest{} }

// String gives the digest in hexadecimal.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// After gives the digest of a directory of a replicated volume after another update. It is the sum of the hashes of the updates, and so says
// which updates the directory has seen, in whatever order: the store id of the last alone does not say whether one before it is missing.
func (d Digest) After(update StoreID) Digest {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(update.Client[:], update.Number))
	carry := uint16(0)
	for i := range d {
		carry += uint16(d[i]) + uint16(sum[i])
		d[i] = byte(carry)
		carry >>= 8
	}
	return d
}

// ModeMask holds the mode bits that an object can have: the permission bits.
const ModeMask = 0o777

// Status describes an object. Statuses can be compared with ==.
type Status struct {
	Fid      Fid
	Kind     ObjectKind
	Mode     uint32        // permission bits only
	Length   uint64        // bytes of contents; of a directory its number of entries; of a symlink the bytes of its target
	Links    uint32        // names of a file or symlink; 1 for a directory
	Modified Time          // of the last store, change of entries or SetAttributes that set it
	Owner    uint32        // user number
	Version  VersionVector // see the package documentation
	Parent   Fid           // the directory that holds it (links stay in one directory); zero for a volume's root
	Target   string        // of a symlink
	Digest   Digest        // of a file; of a directory of a replicated volume, of the updates that it has seen; otherwise zero

	ACL          ACL  // of a directory: who may do what in it
	Inconsistent bool // replicas were changed without seeing each other, and only a person can say what is right
}

// Entry is one name in a directory.
type Entry struct {
	Name string
	Fid  Fid
	Kind ObjectKind
}

// DirectoryChange turns the directory at version From into the directory at version Status.Version: the names in Removed go
// first, then those in Added come or point elsewhere.
type DirectoryChange struct {
	From       VersionVector
	FromDigest Digest // of the directory at From: which updates it had seen, as Status.Digest has it
	Status     Status
	Removed    []string
	Added      []Entry
}

// MaxNameLength is the largest number of bytes in a name.
const MaxNameLength = 255

// MaxTargetLength is the largest number of bytes in a symlink's target.
const MaxTargetLength = 4095

// MaxLinks is the largest number of names that a file can have.
const MaxLinks = 65000

// ValidName says why a directory cannot hold an entry of this name: an error of kind Invalid or NameTooLong, or nil.
// Names are bytes: they need not be UTF-8.
func ValidName(name string) error {
	switch {
	case name == "":
		return Errorf("check name", Invalid, "the name is empty")
	case len(name) > MaxNameLength:
		return Errorf("check name", NameTooLong, "%d bytes, at most %d are allowed", len(name), MaxNameLength)
	case name == "." || name == "..":
		return Errorf("check name", Invalid, "%q has a meaning of its own", name)
	case strings.ContainsAny(name, "/\x00"):
		return Errorf("check name", Invalid, "%q holds a slash or a NUL", name)
	default:
		return nil
	}
}

// ValidTarget says why a symlink cannot have this target: an error of kind Invalid or NameTooLong, or nil.
func ValidTarget(target string) error {
	switch {
	case target == "":
		return Errorf("check symlink target", Invalid, "the target is empty")
	case len(target) > MaxTargetLength:
		return Errorf("check symlink target", NameTooLong, "%d bytes, at most %d are allowed", len(target), MaxTargetLength)
	case strings.Contains(target, "\x00"):
		return Errorf("check symlink target", Invalid, "%q holds a NUL", target)
	default:
		return nil
	}
}
