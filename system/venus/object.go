package venus

import (
	"slices"
	"unique"

	"github.com/codastress/codastress/system/coda"
)

// object is what is known of one file, directory or symlink. Everything is guarded by Venus.mu.
//
// A cache has many objects, and hardly anything is going on with most of them. So an object is small, and what only some need is behind pointers
// that are nil for others.
type object struct {
	fid coda.Fid

	// The server's word. It survives restarts.
	word     word
	contents *container // of a file: those of the word's digest, nil when they are not cached

	used     uint64   // when it was used last, on Venus.clock
	seen     lastName // the name under which it was seen last, for those who read about it
	work     *work    // nil where nothing is pending
	names    *listing // of a directory, nil where nothing is known of its names
	session  *session // of a file that is open for writing
	flight   *flight  // the request that is under way for it
	mark     mark     // whether it is hoarded
	users    int32    // handles and operations that need the object to stay in memory
	foreign  uint32   // counts the versions that others left
	promised replicas // those that will tell when the object changes
	gone     bool     // the server said that it does not have it
	madeUp   bool     // it stands for a conflict, or is a version of one (conflictview.go), and is not in the cache
}

// work is what is going on with an object that this client has changed, or that is locked. The local view is the server's word with the pending records
// applied.
type work struct {
	pending  []*record // that make, change or remove the object, in order
	local    coda.Status
	exists   bool          // it has a name, as far as local knows
	current  *container    // of a file: the contents that the next open sees, nil when they are not cached
	departed departed      // of an object that is gone while records about it are pending
	holders  int           // of the object as locked by policies
	free     chan struct{} // closed and nil when there are none
}

// listing is what is known of the names in a directory.
type listing struct {
	complete bool                // entries is all that the directory held at version at
	at       coda.VersionVector  // zero when the entries are of no single version
	entries  map[string]standing // the server's word
	touches  map[string][]touch  // what pending records do to names, in order
	count    int                 // of the names of the local view
	last     *record             // the last record in touches
	sorted   []string            // the names of the local view in order, nil when they have changed
	stash    []stashed           // changes that come after an own batch whose answer is still under way
	past     []coda.Digest       // of versions that the directory had before, the last ones, where there are several replicas
	misses   uint                // how often the status of something in the directory had to be asked for
}

// standing is what a name stands for.
type standing struct {
	vnode, unique uint64
	volume        uint32
	kind          coda.ObjectKind
}

func standingOf(e coda.Entry) standing {
	return standing{vnode: e.Fid.Vnode, unique: e.Fid.Unique, volume: e.Fid.Volume, kind: e.Kind}
}

func (s standing) fid() coda.Fid { return coda.Fid{Volume: s.volume, Vnode: s.vnode, Unique: s.unique} }

func (s standing) entry(name string) coda.Entry {
	return coda.Entry{Name: name, Fid: s.fid(), Kind: s.kind}
}

// lastName is a place in half the space.
type lastName struct {
	dir  unique.Handle[coda.Fid]
	name string // "" for none
}

// saw notes under which name an object was seen.
func (o *object) saw(at place) { o.seen = lastName{unique.Make(at.dir), at.name} }

// place is where the object was seen last, zero for nowhere.
func (o *object) place() place {
	if o.seen.name == "" {
		return place{}
	}
	return place{o.seen.dir.Value(), o.seen.name}
}

// base is the server's word, zero when the server has not described the object.
func (o *object) base() coda.Status { return o.word.status(o.fid) }

// local is the local view of the attributes.
func (o *object) local() coda.Status {
	if o.work != nil {
		return o.work.local
	}
	return o.base()
}

// kind is the kind that the object has in the local view, 0 when that is not known.
func (o *object) kind() coda.ObjectKind {
	if o.work != nil {
		return o.work.local.Kind
	}
	return o.word.kind
}

// exists reports whether the object has a name in the local view.
func (o *object) exists() bool {
	if o.work != nil {
		return o.work.exists
	}
	return o.known()
}

// current is the contents that the next open sees, nil when they are not cached.
func (o *object) current() *container {
	if o.work != nil {
		return o.work.current
	}
	return o.contents
}

// pending lists the records that make, change or remove the object, in order.
func (o *object) pending() []*record {
	if o.work == nil {
		return nil
	}
	return o.work.pending
}

// begin gives the object's work, and makes it where there was none.
func (o *object) begin(client coda.ClientID) *work {
	if o.work == nil {
		o.work = &work{}
		o.replay(client)
	}
	return o.work
}

// rest drops the object's work when nothing is going on any more: then the local view is the server's word.
func (o *object) rest() {
	if w := o.work; w != nil && len(w.pending) == 0 && w.departed == (departed{}) && w.free == nil && !o.madeUp {
		o.work = nil
	}
}

// locked is closed when the lock of the object is free, nil where it is free now.
func (o *object) locked() chan struct{} {
	if o.work == nil {
		return nil
	}
	return o.work.free
}

// listing gives what is known of the names in a directory, to be changed.
func (o *object) listing() *listing {
	if o.names == nil {
		o.names = &listing{}
	}
	return o.names
}

// complete reports whether all names are known that a directory had at version at.
func (o *object) complete() bool { return o.names != nil && o.names.complete }

// at is the version that the names are of, zero when they are of no single one.
func (o *object) at() coda.VersionVector {
	if o.names == nil {
		return coda.VersionVector{}
	}
	return o.names.at
}

// touches is what pending records do to names.
func (o *object) touches() map[string][]touch {
	if o.names == nil {
		return nil
	}
	return o.names.touches
}

// entries is the server's word about names.
func (o *object) entries() map[string]standing {
	if o.names == nil {
		return nil
	}
	return o.names.entries
}

// count is the number of names that a directory has in the local view.
func (o *object) count() int {
	if o.names == nil {
		return 0
	}
	return o.names.count
}

// stashed is a change of a directory that a replica has told of.
type stashed struct {
	from   *replica
	change coda.DirectoryChange
}

// maxPast is how many versions of a directory are known again. A replica that is further behind the others is asked.
const maxPast = 16

// pass notes that a directory is about to leave its version behind.
func (o *object) pass(g *storageGroup) {
	if !g.replicated() || o.word.digest.IsZero() {
		return
	}
	l := o.listing()
	if len(l.past) >= maxPast {
		l.past = slices.Delete(l.past, 0, 1)
	}
	l.past = append(l.past, o.word.digest)
}

// passed reports whether a directory has, or had, seen just the updates that a digest is of.
func (o *object) passed(digest coda.Digest) bool {
	return !digest.IsZero() && (digest == o.word.digest || o.names != nil && slices.Contains(o.names.past, digest))
}

// unstash takes the changes that were put off.
func (o *object) unstash() (stash []stashed) {
	if o.names != nil {
		stash, o.names.stash = o.names.stash, nil
	}
	return stash
}

// departed is what the server's word was on an object that it does not have any more. Zero for none.
type departed struct {
	status   coda.Status
	contents *container
}

// touch is what a pending record does to a name.
type touch struct {
	record *record
	entry  coda.Entry // zero: the name is freed
}

// known reports whether the server has described the object.
func (o *object) known() bool { return o.word.known }

// ours reports whether the object was made by a record that is still pending.
func (o *object) ours() bool {
	return !o.known() && len(o.pending()) > 0 && makes(o.pending()[0].Operation, o.fid)
}

// dirty reports whether pending records have made the contents or attributes, which then are served locally whatever the server says.
func (o *object) dirty() bool {
	for _, r := range o.pending() {
		switch r.Operation.(type) {
		case coda.Store, coda.SetAttributes, coda.Create, coda.MakeSymlink, coda.MakeDirectory:
			return true
		}
	}
	return false
}

// inFlight reports whether the batch that is under way changes the object. What the server says about it meanwhile may have the batch in it
// already, so that the pending records cannot be added to it; the answer to the batch will say more.
func (o *object) inFlight() bool {
	for _, r := range o.pending() {
		if r.frozen {
			return true
		}
	}
	return false
}

// makes reports whether op makes the object f.
func makes(op coda.Operation, f coda.Fid) bool {
	switch op.(type) {
	case coda.Create, coda.MakeDirectory, coda.MakeSymlink:
		return op.Target() == f
	default:
		return false
	}
}

// lookup finds what a name stands for in the local view.
func (o *object) lookup(name string) (coda.Entry, bool) {
	if ts := o.touches()[name]; len(ts) > 0 {
		e := ts[len(ts)-1].entry
		return e, !e.Fid.IsZero()
	}
	e, ok := o.entries()[name]
	if !ok {
		return coda.Entry{}, false
	}
	return e.entry(name), true
}

// list gives what the local view has in a directory, in the order of names.
func (o *object) list() []coda.Entry {
	names := o.sorted()
	list := make([]coda.Entry, len(names))
	for i, name := range names {
		list[i], _ = o.lookup(name)
	}
	return list
}

// sorted gives the names of the local view in order. The result is shared and must not be changed.
func (o *object) sorted() []string {
	l := o.names
	if l == nil {
		return nil
	}
	if l.sorted != nil {
		return l.sorted
	}
	list := make([]string, 0, l.count)
	for name := range l.entries {
		if len(l.touches[name]) == 0 {
			list = append(list, name)
		}
	}
	for name, ts := range l.touches {
		if !ts[len(ts)-1].entry.Fid.IsZero() {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	l.sorted = list
	return list
}

// rename changes what a name stands for and keeps the count of names.
func (o *object) rename(name string, change func(l *listing)) {
	l := o.listing()
	_, before := o.lookup(name)
	change(l)
	_, after := o.lookup(name)
	switch {
	case before && !after:
		l.count--
	case !before && after:
		l.count++
	}
	l.sorted = nil
}

// setBaseEntry changes the server's word about a name; the zero entry frees it.
func (o *object) setBaseEntry(name string, e coda.Entry) {
	o.rename(name, func(l *listing) {
		if e.Fid.IsZero() {
			delete(l.entries, name)
			return
		}
		if l.entries == nil {
			l.entries = map[string]standing{}
		}
		l.entries[name] = standingOf(e)
	})
}

// setBaseEntries replaces the server's word about all names.
func (o *object) setBaseEntries(entries []coda.Entry) {
	l := o.listing()
	l.entries = make(map[string]standing, len(entries))
	for _, e := range entries {
		l.entries[e.Name] = standingOf(e)
	}
	l.recount()
}

// recount counts the names of the local view.
func (l *listing) recount() {
	l.sorted = nil
	l.count = len(l.entries)
	for name, ts := range l.touches {
		_, was := l.entries[name]
		is := !ts[len(ts)-1].entry.Fid.IsZero()
		switch {
		case was && !is:
			l.count--
		case !was && is:
			l.count++
		}
	}
}

func (o *object) addTouch(name string, t touch) {
	o.rename(name, func(l *listing) {
		if l.touches == nil {
			l.touches = map[string][]touch{}
		}
		l.touches[name] = append(l.touches[name], t)
		l.last = t.record
	})
}

func (o *object) dropTouches(r *record, name string) {
	o.rename(name, func(l *listing) {
		ts := slices.DeleteFunc(l.touches[name], func(t touch) bool { return t.record == r })
		if len(ts) > 0 {
			l.touches[name] = ts
			return
		}
		delete(l.touches, name)
		if len(l.touches) == 0 {
			l.touches = nil // or it would go on taking the space that it once needed
		}
	})
	if o.names.last == r {
		o.names.findLast()
	}
}

// replay works out the local view from the server's word and the pending records.
func (o *object) replay(client coda.ClientID) {
	w := o.work
	if w == nil {
		return
	}
	w.local, w.exists, w.current = o.base(), o.known(), o.contents
	for _, r := range w.pending {
		w.apply(o.fid, r, client)
	}
}

// apply adds one record to the local view.
func (w *work) apply(f coda.Fid, r *record, client coda.ClientID) {
	stamp := func() { w.local.Version.Store = coda.StoreID{Client: client, Number: r.Number} }
	switch op := r.Operation.(type) {
	case coda.Create:
		w.make(f, r, coda.Status{Kind: coda.File, Mode: op.Mode, Owner: op.Owner, Parent: op.Parent, Digest: coda.EmptyDigest()})
		stamp()
	case coda.MakeDirectory:
		w.make(f, r, coda.Status{Kind: coda.Directory, Mode: op.Mode, Owner: op.Owner, Parent: op.Parent})
		stamp()
	case coda.MakeSymlink:
		w.make(f, r, coda.Status{
			Kind: coda.Symlink, Mode: coda.ModeMask, Owner: op.Owner, Parent: op.Parent, Target: op.PointsTo, Length: uint64(len(op.PointsTo)),
		})
		stamp()
	case coda.Store:
		if r.contents != nil { // or they are lost
			w.local.Length, w.local.Digest, w.local.Modified, w.current = op.Length, op.Digest, r.Time, r.contents
		}
		stamp()
	case coda.SetAttributes:
		if op.Mode != nil {
			w.local.Mode = *op.Mode
		}
		if op.Owner != nil {
			w.local.Owner = *op.Owner
		}
		if op.Modified != nil {
			w.local.Modified = *op.Modified
		}
		stamp()
	case coda.SetACL:
		w.local.ACL = op.ACL
		stamp()
	case coda.Link:
		w.local.Links++
	case coda.Remove, coda.RemoveDirectory:
		w.unlink()
	case coda.Rename:
		if op.Fid == f {
			w.local.Parent = op.ToParent
		}
		if op.Replaced == f {
			w.unlink()
		}
	}
}

func (w *work) make(f coda.Fid, r *record, s coda.Status) {
	s.Fid, s.Links, s.Modified = f, 1, r.Time
	w.local, w.exists = s, true
}

func (w *work) unlink() {
	if w.local.Links > 0 {
		w.local.Links--
	}
	if w.local.Links == 0 {
		w.exists = false
	}
}

// status is the local view of the attributes. Contents that a write session has not flushed yet count.
func (o *object) status() coda.Status {
	s := o.local()
	switch {
	case s.Kind == coda.Directory:
		// An object that is known from elsewhere may be a directory whose entries are not cached: then only the server's count is known.
		if o.complete() || o.ours() {
			s.Length = uint64(o.count())
		}
		if at, ok := o.touched(); ok {
			s.Modified = at // also where it is earlier than what another client's clock has left, or an application set: so it will be at the server
		}
	case o.session != nil:
		if length, modified, ok, err := o.session.unflushed(); ok && err == nil {
			s.Length, s.Modified, s.Digest = length, modified, coda.Digest{}
		}
	}
	return s
}

// touched is when the last pending record changed a name of the directory, unless its time was set after that.
func (o *object) touched() (at coda.Time, ok bool) {
	if o.names == nil || o.names.last == nil {
		return 0, false
	}
	last := o.names.last
	for _, r := range o.pending() {
		if op, ok := r.Operation.(coda.SetAttributes); ok && op.Modified != nil && r.Number > last.Number {
			return 0, false
		}
	}
	return last.Time, true
}

// findLast looks for the last pending record that changes a name.
func (l *listing) findLast() {
	l.last = nil
	for _, ts := range l.touches {
		if r := ts[len(ts)-1].record; l.last == nil || r.Number > l.last.Number {
			l.last = r
		}
	}
}
