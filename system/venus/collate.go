package venus

import (
	"github.com/codastress/codastress/system/coda"
)

// testimony is what one replica has said about an object.
type testimony struct {
	from     request
	stale    bool        // it has another version than the one that it was asked about
	gone     bool        // it does not have the object
	void     bool        // it is about a version that is not the cached one any more
	status   coda.Status // what it has
	promised bool        // it will tell when the object changes
	breaks   uint64      // the last break that it had sent then
}

// accord says how the testimonies of several replicas stand to each other.
type accord int

const (
	agreed  accord = iota // one version is newest, and the others are older
	absent                // none has the object
	divided               // there is no newest version, or some have the object and some say that it is gone
)

// collate finds the newest version that replicas have, with all updates counted that one of them counts, and those that have it. Replicas between the two
// phases of an update have versions that are weakly equal: each counts it for itself.
func collate(list []testimony) (newest coda.Status, holders replicas, a accord) {
	gone := 0
	for _, t := range list {
		if t.gone {
			gone++
		}
	}
	if gone > 0 {
		if gone == len(list) {
			return coda.Status{}, 0, absent
		}
		return coda.Status{}, 0, divided
	}
	for _, t := range list {
		if newest, holders, ok := newestOf(t.status, list); ok {
			return newest, holders, agreed
		}
	}
	return coda.Status{}, 0, divided
}

// newestOf is collate where a version is the newest; ok is false where it is not.
func newestOf(newest coda.Status, list []testimony) (coda.Status, replicas, bool) {
	var holders replicas
	for _, t := range list {
		switch compare(t.status, newest) {
		case coda.Equal:
			newest.Version = allCounted(newest.Version, t.status.Version)
			newest.Inconsistent = newest.Inconsistent || t.status.Inconsistent
			holders |= only(t.from.to.slot)
		case coda.Submissive:
			if weaklyEqual(t.status, newest) {
				holders |= only(t.from.to.slot)
			}
		default:
			return coda.Status{}, 0, false
		}
	}
	return newest, holders, true
}

// compare says how one version of an object stands to another. Weakly equal ones are equal; and so are those of which one is marked as inconsistent,
// where none is newer: neither is right.
func compare(a, b coda.Status) coda.Comparison {
	how := a.Version.Compare(b.Version)
	if how == coda.Inconsistent && (a.Inconsistent || b.Inconsistent || weaklyEqual(a, b)) {
		return coda.Equal
	}
	return how
}

// same reports whether two versions are of the same thing, whatever one of them counts that the other does not.
func same(a, b coda.Status) bool {
	return a.Version.Compare(b.Version) == coda.Equal || weaklyEqual(a, b)
}

// weaklyEqual reports whether two versions are the same thing, as replicas have it before they know of each other: the same update of a file, or
// a directory that has seen the same updates.
func weaklyEqual(a, b coda.Status) bool {
	if a.Kind == coda.Directory && b.Kind == coda.Directory {
		return !a.Digest.IsZero() && a.Digest == b.Digest
	}
	if !a.Version.WeaklyEqual(b.Version) {
		return false
	}
	a.Version, b.Version = coda.VersionVector{}, coda.VersionVector{}
	return a == b
}

// allCounted is a version with the updates counted that another one counts.
func allCounted(v, other coda.VersionVector) coda.VersionVector {
	for i, n := range other.Slots {
		v.Slots[i] = max(v.Slots[i], n)
	}
	return v
}
