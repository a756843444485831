package coda

import (
	"fmt"
	"strings"
)

// VersionSlots is the largest number of replicas of a volume (Coda's VSG_MEMBERS).
const VersionSlots = 8

// VersionVector counts the updates of an object that each replica has seen, and names the last one. See the package
// documentation for what each part decides.
type VersionVector struct {
	Slots [VersionSlots]uint64
	Store StoreID
}

// Comparison is the outcome of comparing two version vectors.
type Comparison int

// The outcomes of VersionVector.Compare.
const (
	Equal        Comparison = iota + 1 // all slots are equal
	Dominant                           // all slots are at least as large, one is larger
	Submissive                         // all slots are at most as large, one is smaller
	Inconsistent                       // some are larger and some smaller: updates that did not see each other
)

// String gives the outcome as a word.
func (c Comparison) String() string {
	switch c {
	case Equal:
		return "equal"
	case Dominant:
		return "dominant"
	case Submissive:
		return "submissive"
	case Inconsistent:
		return "inconsistent"
	default:
		return fmt.Sprintf("comparison %d", int(c))
	}
}

// Compare says how v stands to w, by the slots alone.
func (v VersionVector) Compare(w VersionVector) Comparison {
	var larger, smaller bool
	for i := range v.Slots {
		larger = larger || v.Slots[i] > w.Slots[i]
		smaller = smaller || v.Slots[i] < w.Slots[i]
	}
	switch {
	case larger && smaller:
		return Inconsistent
	case larger:
		return Dominant
	case smaller:
		return Submissive
	default:
		return Equal
	}
}

// WeaklyEqual reports whether both carry the StoreID of the same update, whatever their slots say.
// Versions without a StoreID are never weakly equal.
func (v VersionVector) WeaklyEqual(w VersionVector) bool {
	return !v.Store.IsZero() && v.Store == w.Store
}

// IsZero reports whether v is the version of nothing.
func (v VersionVector) IsZero() bool { return v == VersionVector{} }

// String gives the slots up to the last one in use and the store id, for logs.
func (v VersionVector) String() string {
	last := 0
	for i, n := range v.Slots {
		if n != 0 {
			last = i
		}
	}
	var b strings.Builder
	for i, n := range v.Slots[:last+1] {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprint(&b, n)
	}
	return "[" + b.String() + "]" + v.Store.String()
}
