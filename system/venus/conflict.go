package venus

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk"
)

// refused is a record that the server refused. It is not part of the local view any more, and stays in the cache until somebody has decided what
// becomes of it (repair.go). It does not change, apart from its place in the list of its conflict.
type refused struct {
	record
	kind  coda.ErrorKind
	why   string
	path  string      // as it was known; quoted where it is not UTF-8
	was   coda.Status // what its target was here, with everything that had been logged; no links when it was removed
	place place       // the name of its target here, zero where none was known
}

// place is a name in a directory.
type place struct {
	dir  coda.Fid
	name string
}

// conflict is what is kept of one object: the refused records about it, and about what these had made. Everything is guarded by Venus.mu.
type conflict struct {
	fid      coda.Fid
	place    place      // where the object was seen last on this client
	records  []*refused // in order
	expanded bool       // it shows as a directory of both versions rather than as a link
	pinned   *object    // what the cache knows of the object, which must not be forgotten
}

// conflicts are all of them. Everything is guarded by Venus.mu.
type conflicts struct {
	all      map[coda.Fid]*conflict // by the object
	involved map[coda.Fid]*conflict // by the object, and by those that refused records had made
	places   map[place]*conflict
	records  int
}

func newConflicts() conflicts {
	return conflicts{all: map[coda.Fid]*conflict{}, involved: map[coda.Fid]*conflict{}, places: map[place]*conflict{}}
}

// root is the record that the others of the conflict depend on.
func (c *conflict) root() *refused { return c.records[0] }

// last is the last record about the object itself.
func (c *conflict) last() *refused {
	for _, r := range slices.Backward(c.records) {
		if r.Operation.Target() == c.fid {
			return r
		}
	}
	return c.root()
}

// removal reports whether the object was removed here.
func (c *conflict) removal() bool { return c.last().was.Links == 0 }

// made reports whether the server refused to have the object made.
func (c *conflict) made() bool { return makes(c.root().Operation, c.fid) }

// named reports whether the conflict is about a name, and not about an object that the server may have under any name.
func (c *conflict) named() bool {
	switch c.root().Operation.(type) {
	case coda.Link, coda.Rename:
		return true
	default:
		return c.made()
	}
}

// nameOnly reports whether a name of an object was refused that the server has, or the removal of one of its names and nothing else: then the local version is the
// object as it is.
func (c *conflict) nameOnly() bool {
	if c.made() || !c.pinned.known() {
		return false
	}
	return c.named() || !c.removal() && !slices.ContainsFunc(c.records, func(r *refused) bool {
		_, remove := r.Operation.(coda.Remove)
		return r.Operation.Target() == c.fid && !remove
	})
}

// Conflict describes a change that the server refused because it conflicts with what others had done, or because it depends on one that was.
type Conflict struct {
	Record    uint64
	Operation string
	Path      string
	Why       string
	Kept      string // the file with the contents that were to be stored, "" where there are none
	Head      []byte // its first bytes, at most 4096
	DependsOn uint64 // the record that the conflict began with, 0 where it is this one
	OverQuota bool   // what it began with was refused since the volume had no room for it
}

// Conflicts lists the changes that the server refused, oldest first.
func (v *Venus) Conflicts() ([]Conflict, error) {
	v.mu.Lock()
	list := make([]Conflict, 0, v.conflicts.records)
	for _, c := range v.conflicts.all {
		for _, r := range c.records {
			one := Conflict{Record: r.Number, Operation: r.Operation.String(), Path: v.pathOfRefused(r), Why: fmt.Sprintf("%v: %s", r.kind, r.why), OverQuota: c.root().kind == coda.QuotaExceeded}
			if _, isStore := r.Operation.(coda.Store); isStore && r.contents != nil {
				one.Kept = r.contents.path()
			}
			if r != c.root() {
				one.DependsOn = c.root().Number
			}
			list = append(list, one)
		}
	}
	v.mu.Unlock()
	slices.SortFunc(list, func(a, b Conflict) int { return cmp.Compare(a.Record, b.Record) })
	for i := range list {
		if list[i].Kept == "" {
			continue
		}
		head, err := readHead(v.cfg.Disk, list[i].Kept)
		if err != nil {
			return nil, err
		}
		list[i].Head = head
	}
	return list, nil
}

func readHead(on disk.FS, path string) ([]byte, error) {
	f, err := on.OpenFile(path, os.O_RDONLY)
	if err != nil {
		return nil, containerError("open kept contents", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return nil, containerError("read kept contents", err)
	}
	return b, nil
}

// syncRefused makes the contents of refused stores survive a loss of power: once the server has been told to forget what it had refused before, nobody
// else has them any more.
func (v *Venus) syncRefused(batch []*record, refused map[uint64]coda.Refusal) error {
	for _, r := range batch {
		if _, ok := refused[r.Number]; !ok || r.contents == nil {
			continue
		}
		f, err := r.contents.open(v.cfg.Disk)
		if err != nil {
			return err
		}
		err = v.syncContainer(f)
		r.contents.close()
		if err != nil {
			return err
		}
	}
	return nil
}

// leavesName reports whether an object still has a name that it was given here, and that was refused before, when h is refused, too: then it was not removed
// here, although nothing stands for it any more. c may be nil.
func (c *conflict) leavesName(h *refused) bool {
	if c == nil {
		return false
	}
	f := h.Operation.Target()
	given := map[place]bool{}
	for _, r := range append(slices.Clone(c.records), h) {
		if r.Operation.Target() != f {
			continue
		}
		for _, n := range namings(r.Operation) {
			if at := (place{n.dir, n.name}); n.entry.Fid == f {
				given[at] = true
			} else {
				delete(given, at)
			}
		}
	}
	return len(given) > 0
}

// hold keeps a record that the server has refused. v.mu is held, and the record is still part of the local view.
func (v *Venus) hold(t *tx, r *record, refusal coda.Refusal) {
	was, exists, current := v.here(v.object(r.Operation.Target()))
	h := &refused{record: *r, kind: refusal.Kind, why: refusal.Why, path: v.pathOfRecord(r), was: was, place: v.placeOf(r)}
	h.prev, h.next, h.frozen, h.session = nil, nil, false, nil
	switch {
	case exists:
	case v.stands(was.Fid):
		// The server has taken other names of it than this client has: what is to be had by a name was not removed here.
		exists, h.was.Links = true, 1
	case v.conflicts.involved[was.Fid].leavesName(h):
		h.was.Links = 1
	default:
		h.was.Links = 0
	}
	if _, isStore := r.Operation.(coda.Store); !isStore && exists {
		h.contents = current // what it was about may be gone on the server
	}
	if h.contents != nil {
		v.retain(h.contents)
		_, isStore := r.Operation.(coda.Store)
		h.contents.synced = h.contents.synced || isStore // so its file goes only when the store does not need it any more
	}
	v.logger.Warn("the server refused a change", "record", h.Number, "operation", h.Operation.String(), "path", h.path, "why", h.why)
	v.writeRefused(t, h)
	v.involve(t, h)
}

// here is an object as it is on this client, also when the server does not have it any more.
func (v *Venus) here(o *object) (s coda.Status, exists bool, current *container) {
	if o.known() || o.ours() {
		return o.local(), o.exists(), o.current()
	}
	past := &object{fid: o.fid, work: &work{pending: o.pending()}}
	if o.work != nil {
		past.word, past.contents = wordOf(o.work.departed.status), o.work.departed.contents
	}
	if k := v.conflicts.involved[o.fid]; k != nil && !past.known() {
		was, contents := k.was(o.fid)
		past.word, past.contents = wordOf(was), contents
	}
	past.replay(v.id.Client)
	s, exists = past.local(), past.exists()
	if s.Kind == 0 {
		// Nothing is known of it but the records.
		s.Kind, s.Mode, s.Links, exists = kindOf(o), 0o644, 1, true
		for _, r := range o.pending() {
			switch r.Operation.(type) {
			case coda.Remove, coda.RemoveDirectory:
				exists = false
			}
		}
	}
	return s, exists, past.current()
}

// placeOf is the name that the target of a record has here, or had last.
func (v *Venus) placeOf(r *record) place {
	if names := namings(r.Operation); len(names) > 0 {
		n := names[len(names)-1]
		return place{n.dir, n.name}
	}
	if dir, name, ok := v.nameOf(r.Operation.Target()); ok {
		return place{dir, name}
	}
	return place{}
}

// involve makes a refused record part of the conflict that it depends on, or of one of its own.
func (v *Venus) involve(t *tx, h *refused) {
	all := &v.conflicts
	target := h.Operation.Target()
	c := all.involved[target]
	for _, n := range namings(h.Operation) {
		// What was to be put into a directory that was refused depends on that.
		if c == nil && all.involved[n.dir] != nil && all.involved[n.dir].has(n.dir) {
			c = all.involved[n.dir]
		}
	}
	if c == nil {
		c = &conflict{fid: target, pinned: v.object(target)}
		c.pinned.users++
		all.all[target] = c
	}
	c.records = append(c.records, h)
	all.records++
	all.involved[target] = c
	if target == c.fid && !h.place.dir.IsZero() {
		v.unplace(c)
		c.place = h.place
		all.places[c.place] = c
	}
	if c.vain() {
		v.settleConflict(t, c, c.records) // nothing is left of it on any side
		return
	}
	v.noticeConflict(c)
}

// vain reports whether the object was made and removed here, and did nothing to any other.
func (c *conflict) vain() bool {
	return c.made() && c.removal() && !slices.ContainsFunc(c.records, func(r *refused) bool {
		rename, ok := r.Operation.(coda.Rename)
		return ok && !rename.Replaced.IsZero()
	})
}

// was gives an object as the last refused record about it left it.
func (c *conflict) was(f coda.Fid) (s coda.Status, contents *container) {
	for _, r := range c.records {
		if r.Operation.Target() != f {
			continue
		}
		s = r.was
		if r.contents != nil {
			contents = r.contents
		}
	}
	return s, contents
}

// has reports whether a refused record of the conflict had made an object.
func (c *conflict) has(f coda.Fid) bool {
	return slices.ContainsFunc(c.records, func(r *refused) bool { return makes(r.Operation, f) })
}

// settleConflict forgets refused records of a conflict, because what they were about is settled.
func (v *Venus) settleConflict(t *tx, c *conflict, records []*refused) {
	v.noticeConflict(c)
	all := &v.conflicts
	for _, r := range records {
		t.delete(numberKey(keyConflict, r.Number))
		if r.contents != nil {
			v.release(r.contents)
		}
		if f := r.Operation.Target(); all.involved[f] == c {
			delete(all.involved, f)
		}
	}
	all.records -= len(records)
	c.records = slices.DeleteFunc(slices.Clone(c.records), func(r *refused) bool { return slices.Contains(records, r) })
	for _, r := range c.records {
		all.involved[r.Operation.Target()] = c // it was refused while the others were being settled
	}
	if len(c.records) > 0 {
		return
	}
	v.unplace(c)
	delete(all.all, c.fid)
	c.pinned.users--
	v.tidy(c.pinned)
}

// unplace takes a conflict from the place where it shows, for which it may have hidden another one.
func (v *Venus) unplace(c *conflict) {
	all := &v.conflicts
	if all.places[c.place] != c {
		return
	}
	delete(all.places, c.place)
	for _, other := range all.all {
		now := all.places[c.place]
		if other != c && other.place == c.place && (now == nil || other.root().Number < now.root().Number) {
			all.places[c.place] = other
		}
	}
}

// noticeConflict has the front end look at the names again at which a conflict shows, or may have shown.
func (v *Venus) noticeConflict(c *conflict) {
	names := []place{c.place}
	if dir, name, ok := v.nameOf(c.fid); ok {
		names = append(names, place{dir, name})
	}
	if d := v.objects[c.pinned.base().Parent]; d != nil && c.pinned.base().Links > 1 {
		for name, e := range d.entries() {
			if e.fid() == c.fid {
				names = append(names, place{d.fid, name})
			}
		}
	}
	for _, p := range names {
		if !p.dir.IsZero() {
			v.notices.entry(p.dir, p.name)
			v.notices.object(p.dir)
		}
	}
}

// writeRefused stores a refused record.
func (v *Venus) writeRefused(t *tx, r *refused) {
	b, err := encodeRefused(r)
	t.fail(err)
	t.set(numberKey(keyConflict, r.Number), b)
}

// checkConflict asks the server what has become of an object in conflict, when that is not known. v.mu is held.
func (v *Venus) checkConflict(f coda.Fid) {
	c := v.conflicts.all[f]
	if c == nil || c.made() || v.closed || v.group.state != linkUp || v.valid(c.pinned) {
		return
	}
	v.takeOff(c.pinned, needStatus, siblings{}, v.background())
}

// agreed settles the conflict about an object that was removed here, when the server does not have it any more either.
func (v *Venus) agreed(t *tx, o *object) {
	if c := v.conflicts.all[o.fid]; c != nil && !c.named() && c.removal() {
		v.settleConflict(t, c, c.records)
	}
}

// pathOfRecord names what a record is about, as far as the cache knows.
func (v *Venus) pathOfRecord(r *record) string {
	if names := namings(r.Operation); len(names) > 0 {
		n := names[len(names)-1]
		return printablePath(v.pathOf(n.dir), n.name)
	}
	return v.pathOf(r.Operation.Target())
}

// pathOfRefused names what a refused record is about. Where the cache did not know its place when it was refused, as after a loss of power, it may know it by now.
func (v *Venus) pathOfRefused(r *refused) string {
	if strings.HasPrefix(r.path, "[") {
		if path := v.pathOfRecord(&r.record); !strings.HasPrefix(path, "[") {
			return path
		}
	}
	return r.path
}

// pathOf gives the path of an object from the root, as far as the cache knows: it begins with a fid in brackets where it does not reach the
// root, and the root itself is "".
func (v *Venus) pathOf(f coda.Fid) string {
	var names []string
	for range 1000 { // a bound, in case the parents go round in a circle
		if f == v.volume.Root {
			return strings.Join(names, "/")
		}
		parent, name, ok := v.nameOf(f)
		if isRoot(f) {
			parent, name, ok = v.mounts.place(f.Volume)
		}
		if !ok {
			break
		}
		names = slices.Insert(names, 0, printablePath("", name))
		f = parent
	}
	return strings.Join(append([]string{"[" + f.String() + "]"}, names...), "/")
}

// nameOf finds a name of an object: one that it has, or else the one under which it was seen last.
func (v *Venus) nameOf(f coda.Fid) (parent coda.Fid, name string, ok bool) {
	o := v.objects[f]
	if o == nil {
		return coda.Fid{}, "", false
	}
	if d := v.objects[o.local().Parent]; d != nil {
		if e, ok := d.lookup(o.seen.name); ok && e.Fid == f {
			return d.fid, o.seen.name, true
		}
		if name, ok := d.nameOf(f); ok {
			return d.fid, name, true
		}
	}
	at := o.place()
	return at.dir, at.name, at.name != ""
}

// stands reports whether a name stands for an object in the local view. One that is counted as gone may have one: what other clients have taken from it is
// counted together with what this one has.
func (v *Venus) stands(f coda.Fid) bool {
	dir, name, ok := v.nameOf(f)
	if !ok {
		return false
	}
	d := v.objects[dir]
	if d == nil {
		return false
	}
	e, ok := d.lookup(name)
	return ok && e.Fid == f
}

// nameOf finds a name that stands for f.
func (o *object) nameOf(f coda.Fid) (string, bool) {
	for _, ts := range o.touches() {
		if e := ts[len(ts)-1].entry; e.Fid == f {
			return e.Name, true
		}
	}
	for name, e := range o.entries() {
		if e.fid() == f && len(o.touches()[name]) == 0 {
			return name, true
		}
	}
	return "", false
}

// printablePath joins a printable path and a name, which is quoted where it is not UTF-8.
func printablePath(dir, name string) string {
	if strings.ToValidUTF8(name, "") != name {
		name = fmt.Sprintf("%q", name)
	}
	if dir == "" {
		return name
	}
	return dir + "/" + name
}
