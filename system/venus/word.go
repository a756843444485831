package venus

import (
	"unique"

	"github.com/codastress/codastress/system/coda"
)

// word is the server's word on an object: a coda.Status in half the space. There is one for each cached object, and what many of them have in
// common, such as the directory and the client that was at work last, is kept once. The zero word says that the server has not described the object.
type word struct {
	length   uint64
	modified coda.Time
	digest   coda.Digest
	target   string // of a symlink; of a directory its ACL
	parent   unique.Handle[coda.Fid]
	slot     uint64                       // of the version: the first, which is the only one where there are no replicas
	slots    unique.Handle[otherSlots]    // of the version: the others
	client   unique.Handle[coda.ClientID] // of the version's store id
	number   uint64                       // of the same
	owner    uint32
	links    uint32
	mode     uint32
	kind     coda.ObjectKind
	known    bool
	marked   bool // it is inconsistent
}

type otherSlots [coda.VersionSlots - 1]uint64

// wordOf gives the word that a status is; that of a zero fid is the zero word.
func wordOf(s coda.Status) word {
	if s.Fid.IsZero() {
		return word{}
	}
	target := s.Target
	if s.Kind == coda.Directory {
		target = string(s.ACL)
	}
	return word{
		length: s.Length, modified: s.Modified, digest: s.Digest, target: target, parent: unique.Make(s.Parent),
		slot: s.Version.Slots[0], slots: unique.Make(otherSlots(s.Version.Slots[1:])),
		client: unique.Make(s.Version.Store.Client), number: s.Version.Store.Number,
		owner: s.Owner, links: s.Links, mode: s.Mode, kind: s.Kind, known: true, marked: s.Inconsistent,
	}
}

// version is the version that the word is about.
func (w *word) version() (v coda.VersionVector) {
	if w.known {
		others := w.slots.Value()
		v.Slots[0] = w.slot
		copy(v.Slots[1:], others[:])
		v.Store = coda.StoreID{Client: w.client.Value(), Number: w.number}
	}
	return v
}

// status is the inverse of wordOf.
func (w *word) status(f coda.Fid) coda.Status {
	if !w.known {
		return coda.Status{}
	}
	s := coda.Status{
		Fid: f, Kind: w.kind, Mode: w.mode, Length: w.length, Links: w.links, Modified: w.modified, Owner: w.owner, Version: w.version(),
		Parent: w.parent.Value(), Digest: w.digest, Inconsistent: w.marked,
	}
	if w.kind == coda.Directory {
		s.ACL = coda.ACL(w.target)
	} else {
		s.Target = w.target
	}
	return s
}
