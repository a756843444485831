package venus

import (
	"context"
	"slices"

	"github.com/codastress/codastress/system/coda"
)

// What is in conflict shows as a symlink that leads nowhere, or, when it has been expanded, as a directory with the local and the global version. Both,
// and what was refused, have fids of their own, which no server gives out, so that the server's version keeps its own.

// The roles of the fids that are made up here, in the bits of the vnode number below the highest.
const (
	roleLink     = iota + 1 // of the symlink that stands for a conflict
	roleExpanded            // of the directory that stands for it
	roleLocal               // of an object as it is in the refused records

	roleShift = 61
	madeUp    = 1 << 63
	oddVnode  = 1 << 60 // the object of the conflict is a directory
)

// shadow is the fid of an object in a role.
func shadow(role uint64, f coda.Fid) coda.Fid {
	s := coda.Fid{Volume: f.Volume, Vnode: madeUp | role<<roleShift | f.Vnode&^1, Unique: f.Unique}
	if f.IsDirectory() {
		s.Vnode |= oddVnode
	}
	if role == roleExpanded || role == roleLocal && f.IsDirectory() {
		s.Vnode |= 1
	}
	return s
}

// unshadow is the inverse of shadow; the role of other fids is 0.
func unshadow(s coda.Fid) (role uint64, f coda.Fid) {
	if s.Vnode&madeUp == 0 {
		return 0, s
	}
	f = coda.Fid{Volume: s.Volume, Vnode: s.Vnode & (oddVnode - 1) &^ 1, Unique: s.Unique}
	if s.Vnode&oddVnode != 0 {
		f.Vnode |= 1
	}
	return s.Vnode >> roleShift & 3, f
}

// localName and globalName are what an expanded conflict holds.
const (
	localName  = "local"
	globalName = "global"
)

// entry finds what a name stands for in the local view, or the conflict that has taken its place.
func (v *Venus) entry(c *call, d *object, name string) (coda.Entry, bool) {
	e, ok := d.lookup(name)
	if c.repairs || d.madeUp {
		return e, ok
	}
	if len(v.conflicts.all) > 0 {
		if k := v.shown(place{d.fid, name}, e); k != nil {
			return k.entry(name), true
		}
	}
	if ok && v.inconsistent(e.Fid) {
		return linkFor(e), true
	}
	return e, ok
}

// inconsistent reports whether the servers have marked an object because its replicas were changed without seeing each other. The root is shown as it is:
// it cannot be a link.
func (v *Venus) inconsistent(f coda.Fid) bool {
	o := v.objects[f]
	return o != nil && o.word.marked && !isRoot(f)
}

// linkFor is the link that is shown in the place of an entry for something in conflict.
func linkFor(e coda.Entry) coda.Entry {
	return coda.Entry{Name: e.Name, Fid: shadow(roleLink, e.Fid), Kind: coda.Symlink}
}

// shown finds the conflict that shows at a name that stands for e otherwise, nil for none.
func (v *Venus) shown(at place, e coda.Entry) *conflict {
	if k := v.conflicts.all[e.Fid]; k != nil && !k.named() {
		return k
	}
	k := v.conflicts.places[at]
	if k == nil || k.named() {
		return k
	}
	if k.pinned.known() || k.removal() {
		return nil // it shows where the object is
	}
	return k
}

// entry is what stands for a conflict in a directory.
func (c *conflict) entry(name string) coda.Entry {
	if c.expanded {
		return coda.Entry{Name: name, Fid: shadow(roleExpanded, c.fid), Kind: coda.Directory}
	}
	return linkFor(coda.Entry{Name: name, Fid: c.fid})
}

// entriesOf gives the names in a directory, in order, with the conflicts that show there.
func (v *Venus) entriesOf(d *object) []coda.Entry {
	list := d.list()
	if d.madeUp {
		return list
	}
	if v.group.replicated() {
		for i, e := range list {
			if v.inconsistent(e.Fid) {
				list[i] = linkFor(e)
			}
		}
	}
	if len(v.conflicts.all) == 0 {
		return list
	}
	for i, e := range list {
		_, e.Fid = unshadow(e.Fid)
		if k := v.shown(place{d.fid, e.Name}, e); k != nil {
			list[i] = k.entry(e.Name)
		}
	}
	for at, k := range v.conflicts.places {
		if at.dir != d.fid {
			continue
		}
		if _, taken := d.lookup(at.name); !taken && v.shown(at, coda.Entry{}) == k {
			i := searchEntries(list, at.name)
			list = slices.Insert(list, i, k.entry(at.name))
		}
	}
	return list
}

// holdsConflict reports whether a conflict shows in a directory.
func (v *Venus) holdsConflict(d *object) bool {
	for at := range v.conflicts.places {
		if e, _ := d.lookup(at.name); at.dir == d.fid && v.shown(at, e) != nil {
			return true
		}
	}
	return false
}

// untouchable refuses to change what is made up here, and the server's version of an object in conflict: it has to be repaired first.
func (v *Venus) untouchable(c *call, o *object) error {
	if o.madeUp {
		return c.fail(coda.Conflict, "it stands for an object in conflict, which has to be repaired")
	}
	if k := v.conflicts.all[o.fid]; k != nil && !k.named() && !c.repairs {
		return c.fail(coda.Conflict, "%v is in conflict, which has to be repaired", o.fid)
	}
	if v.inconsistent(o.fid) && !c.repairs {
		return c.fail(coda.Conflict, "the replicas of %v are inconsistent, and have to be repaired", o.fid)
	}
	if volume, mounts := coda.MountedVolume(o.local().Target); mounts && !c.mounts && !c.repairs {
		return c.fail(coda.Busy, "volume %s is mounted here: see cfs rmmount", volume)
	}
	return nil
}

// imagine gives an object that is made up here, fit for a need. On success it returns with v.mu held.
func (v *Venus) imagine(ctx context.Context, c *call, f coda.Fid, n need) (*object, error) {
	v.mu.Lock()
	if role, of := unshadow(f); role == roleLocal && n == needContents && v.attributesOnly(of) {
		v.mu.Unlock()
		if _, err := v.ensure(ctx, c, of, n, siblings{}); err != nil {
			return nil, err
		}
	}
	o := v.imagined(f)
	switch {
	case v.closed:
		v.mu.Unlock()
		return nil, c.fail(coda.Closed, "venus is stopping")
	case o == nil:
		v.mu.Unlock()
		return nil, c.fail(coda.NotFound, "the conflict has been settled")
	case n == needContents && !o.has(n) && o.local().Kind == coda.File:
		v.mu.Unlock()
		return nil, c.fail(coda.TimedOut, "the contents are not cached")
	}
	return o, nil
}

func (v *Venus) imagined(f coda.Fid) *object {
	role, of := unshadow(f)
	if role == roleLocal {
		if k := v.conflicts.involved[of]; k != nil {
			return v.imagineLocal(k, of)
		}
		return nil
	}
	k := v.conflicts.all[of]
	if k == nil && role == roleLink && v.inconsistent(of) {
		return v.imagineInconsistent(v.objects[of])
	}
	if k == nil || k.expanded != (role == roleExpanded) {
		return nil
	}
	s := coda.Status{
		Fid: f, Kind: coda.Symlink, Mode: coda.ModeMask, Links: 1, Modified: k.last().Time, Owner: k.last().was.Owner, Target: coda.ConflictTarget(of),
	}
	s.Length = uint64(len(s.Target))
	if role == roleLink {
		return v.imagineAs(k, s, nil)
	}
	s.Kind, s.Mode, s.Target = coda.Directory, 0o555, ""
	var entries []coda.Entry
	for _, e := range []coda.Entry{v.globalEntry(k), v.localEntry(k)} {
		if !e.Fid.IsZero() && !v.above(e.Fid, k.place.dir) {
			entries = append(entries, e)
		}
	}
	return v.imagineAs(k, s, entries)
}

// above reports whether a directory is another one, or one that it is in, as far as the cache knows. What is in conflict does not lead there: nobody would
// come to the end of such a tree.
func (v *Venus) above(f, dir coda.Fid) bool {
	for range 1000 { // a bound, in case the parents go round in a circle
		if dir == f {
			return true
		}
		d := v.objects[dir]
		if d == nil || isRoot(dir) {
			return false
		}
		dir = d.local().Parent
	}
	return false
}

// imagineAs makes an object that is not part of the cache.
func (v *Venus) imagineAs(k *conflict, s coda.Status, entries []coda.Entry) *object {
	s.Parent = k.place.dir
	if s.Parent.IsZero() {
		s.Parent = coda.RootFid(k.fid.Volume)
	}
	s.Version = coda.VersionVector{Store: coda.StoreID{Client: v.id.Client, Number: k.last().Number}}
	o := &object{fid: s.Fid, word: wordOf(s), work: &work{local: s, exists: true}, names: &listing{complete: true}, madeUp: true}
	if s.Kind == coda.Directory {
		o.setBaseEntries(entries)
	}
	return o
}

// imagineInconsistent gives the link that stands for what the servers have marked.
func (v *Venus) imagineInconsistent(o *object) *object {
	was := o.base()
	s := coda.Status{
		Fid: shadow(roleLink, o.fid), Kind: coda.Symlink, Mode: coda.ModeMask, Links: 1, Modified: was.Modified, Owner: was.Owner,
		Target: coda.ConflictTarget(o.fid), Parent: was.Parent, Version: was.Version,
	}
	s.Length = uint64(len(s.Target))
	return &object{fid: s.Fid, word: wordOf(s), work: &work{local: s, exists: true}, names: &listing{complete: true}, madeUp: true}
}

// globalEntry is the server's version in an expanded conflict, zero where there is none.
func (v *Venus) globalEntry(k *conflict) coda.Entry {
	e := coda.Entry{Fid: k.fid, Kind: k.pinned.base().Kind}
	if k.named() {
		d := v.objects[k.place.dir]
		if d == nil {
			return coda.Entry{}
		}
		e, _ = d.lookup(k.place.name)
	} else if !k.pinned.known() {
		return coda.Entry{}
	}
	e.Name = globalName
	if e.Fid.IsZero() {
		return coda.Entry{}
	}
	return e
}

// localEntry is the local version in an expanded conflict, zero where the object was removed here.
func (v *Venus) localEntry(k *conflict) coda.Entry {
	if k.removal() {
		return coda.Entry{}
	}
	kind := k.last().was.Kind
	if k.nameOnly() {
		return coda.Entry{Name: localName, Fid: k.fid, Kind: k.pinned.base().Kind}
	}
	if !kind.Matches(k.fid) {
		return coda.Entry{}
	}
	return coda.Entry{Name: localName, Fid: shadow(roleLocal, k.fid), Kind: kind}
}

// attributesOnly reports whether nothing but the attributes of an object was refused, so that its contents are the server's.
func (v *Venus) attributesOnly(f coda.Fid) bool {
	k := v.conflicts.all[f]
	return k != nil && k.pinned.known() && k.attributeChanges() != nil
}

// imagineLocal gives an object as it is in the refused records of a conflict.
func (v *Venus) imagineLocal(k *conflict, f coda.Fid) *object {
	s, contents := k.was(f)
	if s.Links == 0 || !s.Kind.Matches(f) {
		return nil
	}
	if v.attributesOnly(f) {
		s.Length, s.Digest, contents = k.pinned.local().Length, k.pinned.local().Digest, k.pinned.current()
	}
	s.Fid, s.Links = shadow(roleLocal, f), 1
	var entries []coda.Entry
	if s.Kind == coda.Directory {
		entries = k.localEntries(f)
		s.Length = uint64(len(entries))
	}
	o := v.imagineAs(k, s, entries)
	o.contents, o.work.current = contents, contents
	return o
}

// localEntries lists the names in a directory as they are in the refused records.
func (c *conflict) localEntries(dir coda.Fid) []coda.Entry {
	names := map[string]coda.Entry{}
	for _, r := range c.records {
		for _, n := range namings(r.Operation) {
			switch {
			case n.dir != dir:
			case n.entry.Fid.IsZero():
				delete(names, n.name)
			default:
				e := n.entry
				if e.Kind == 0 {
					e.Kind = r.was.Kind
				}
				if c.has(e.Fid) {
					e.Fid = shadow(roleLocal, e.Fid)
				}
				names[n.name] = e
			}
		}
	}
	list := make([]coda.Entry, 0, len(names))
	for _, e := range names {
		if e.Kind.Matches(e.Fid) {
			list = append(list, e)
		}
	}
	return list
}
