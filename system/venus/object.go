package venus

import (
	"slices"

	"github.com/codastress/codastress/system/coda"
)

// object is what is known of one file, directory or symlink. Everything is guarded by Venus.mu.
type object struct {
	fid    coda.Fid
	madeUp bool // it stands for a conflict, or is a version of one (conflictview.go), and is not in the cache

	// The server's word. It survives restarts.
	base     coda.Status           // zero when the server has not described the object
	complete bool                  // of a directory: entries is all that it held at version at
	at       coda.VersionVector    // of a complete directory: zero when the entries are of no single version
	entries  map[string]coda.Entry // of a directory
	contents *container            // of a file: those of base.Digest, nil when they are not cached

	// What the server promised.
	promise   promise
	lastBreak uint64                 // number of the last break of it in the present session
	stash     []coda.DirectoryChange // changes that come after an own batch whose answer is still under way
	gone      bool                   // the server said that it does not have it
	foreign   uint64                 // counts the versions that others left
	departed  departed               // of an object that is gone while records about it are pending
	misses    uint                   // of a directory: how often the status of something in it had to be asked for

	// The local view: the server's word with the pending records applied.
	local     coda.Status
	exists    bool               // it has a name, as far as local knows
	pending   []*record          // records that make, change or remove it, in order
	touches   map[string][]touch // of a directory: what pending records do to names, in order
	names     int                // of a directory: number of names that the local view has
	lastTouch *record            // the last record in touches
	current   *container         // of a file: the contents that the next open sees, nil when they are not cached

	holders int           // of the object as locked by policies
	free    chan struct{} // closed and nil when there are none
	session *session      // of a file that is open for writing
	flight  *flight       // the request that is under way for it
	users   int           // handles and operations that need the object to stay in memory
	last    naming        // the name under which it was seen last, for those who read about it
	used    uint64        // when it was used last, on Venus.clock
	sorted  []coda.Entry  // of a directory: its names in order, nil when they have changed
}

// departed is what the server's word was on an object that it does not have any more. Zero for none.
type departed struct {
	status   coda.Status
	contents *container
}

// promise is the server's word that it will tell when an object changes.
type promise struct {
	session uint64 // 0 for none
	breaks  uint64 // the last break that had been sent when the promise was made
}

// touch is what a pending record does to a name.
type touch struct {
	record *record
	entry  coda.Entry // zero: the name is freed
}

// known reports whether the server has described the object.
func (o *object) known() bool { return !o.base.Fid.IsZero() }

// ours reports whether the object was made by a record that is still pending.
func (o *object) ours() bool {
	return !o.known() && len(o.pending) > 0 && makes(o.pending[0].Operation, o.fid)
}

// dirty reports whether pending records have made the contents or attributes, which then are served locally whatever the server says.
func (o *object) dirty() bool {
	for _, r := range o.pending {
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
	for _, r := range o.pending {
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
	if ts := o.touches[name]; len(ts) > 0 {
		e := ts[len(ts)-1].entry
		return e, !e.Fid.IsZero()
	}
	e, ok := o.entries[name]
	return e, ok
}

// list gives the names of the local view in order. The result is shared and must not be changed.
func (o *object) list() []coda.Entry {
	if o.sorted != nil {
		return o.sorted
	}
	list := make([]coda.Entry, 0, o.names)
	for name, e := range o.entries {
		if len(o.touches[name]) == 0 {
			list = append(list, e)
		}
	}
	for _, ts := range o.touches {
		if e := ts[len(ts)-1].entry; !e.Fid.IsZero() {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b coda.Entry) int {
		switch {
		case a.Name < b.Name:
			return -1
		case a.Name > b.Name:
			return 1
		default:
			return 0
		}
	})
	o.sorted = list
	return list
}

// rename changes what a name stands for and keeps the count of names.
func (o *object) rename(name string, change func()) {
	_, before := o.lookup(name)
	change()
	_, after := o.lookup(name)
	switch {
	case before && !after:
		o.names--
	case !before && after:
		o.names++
	}
	o.sorted = nil
}

// setBaseEntry changes the server's word about a name; the zero entry frees it.
func (o *object) setBaseEntry(name string, e coda.Entry) {
	o.rename(name, func() {
		if e.Fid.IsZero() {
			delete(o.entries, name)
			return
		}
		if o.entries == nil {
			o.entries = map[string]coda.Entry{}
		}
		o.entries[name] = e
	})
}

// setBaseEntries replaces the server's word about all names.
func (o *object) setBaseEntries(entries []coda.Entry) {
	o.entries = make(map[string]coda.Entry, len(entries))
	for _, e := range entries {
		o.entries[e.Name] = e
	}
	o.recount()
}

// recount counts the names of the local view.
func (o *object) recount() {
	o.sorted = nil
	o.names = len(o.entries)
	for name, ts := range o.touches {
		_, was := o.entries[name]
		is := !ts[len(ts)-1].entry.Fid.IsZero()
		switch {
		case was && !is:
			o.names--
		case !was && is:
			o.names++
		}
	}
}

func (o *object) addTouch(name string, t touch) {
	o.rename(name, func() {
		if o.touches == nil {
			o.touches = map[string][]touch{}
		}
		o.touches[name] = append(o.touches[name], t)
	})
	o.lastTouch = t.record
}

func (o *object) dropTouches(r *record, name string) {
	o.rename(name, func() {
		ts := slices.DeleteFunc(o.touches[name], func(t touch) bool { return t.record == r })
		if len(ts) == 0 {
			delete(o.touches, name)
			return
		}
		o.touches[name] = ts
	})
	if o.lastTouch == r {
		o.findLastTouch()
	}
}

// replay works out the local view from the server's word and the pending records.
func (o *object) replay(client coda.ClientID) {
	o.local, o.exists, o.current = o.base, o.known(), o.contents
	for _, r := range o.pending {
		o.apply(r, client)
	}
}

// apply adds one record to the local view.
func (o *object) apply(r *record, client coda.ClientID) {
	stamp := func() { o.local.Version.Store = coda.StoreID{Client: client, Number: r.Number} }
	switch op := r.Operation.(type) {
	case coda.Create:
		o.make(r, coda.Status{Kind: coda.File, Mode: op.Mode, Owner: op.Owner, Parent: op.Parent, Digest: coda.EmptyDigest()})
		stamp()
	case coda.MakeDirectory:
		o.make(r, coda.Status{Kind: coda.Directory, Mode: op.Mode, Owner: op.Owner, Parent: op.Parent})
		stamp()
	case coda.MakeSymlink:
		o.make(r, coda.Status{
			Kind: coda.Symlink, Mode: coda.ModeMask, Owner: op.Owner, Parent: op.Parent, Target: op.PointsTo, Length: uint64(len(op.PointsTo)),
		})
		stamp()
	case coda.Store:
		if r.contents != nil { // or they are lost
			o.local.Length, o.local.Digest, o.local.Modified, o.current = op.Length, op.Digest, r.Time, r.contents
		}
		stamp()
	case coda.SetAttributes:
		if op.Mode != nil {
			o.local.Mode = *op.Mode
		}
		if op.Owner != nil {
			o.local.Owner = *op.Owner
		}
		if op.Modified != nil {
			o.local.Modified = *op.Modified
		}
		stamp()
	case coda.Link:
		o.local.Links++
	case coda.Remove, coda.RemoveDirectory:
		o.unlink()
	case coda.Rename:
		if op.Fid == o.fid {
			o.local.Parent = op.ToParent
		}
		if op.Replaced == o.fid {
			o.unlink()
		}
	}
}

func (o *object) make(r *record, s coda.Status) {
	s.Fid, s.Links, s.Modified = o.fid, 1, r.Time
	o.local, o.exists = s, true
}

func (o *object) unlink() {
	if o.local.Links > 0 {
		o.local.Links--
	}
	if o.local.Links == 0 {
		o.exists = false
	}
}

// status is the local view of the attributes. Contents that a write session has not flushed yet count.
func (o *object) status() coda.Status {
	s := o.local
	switch {
	case s.Kind == coda.Directory:
		// An object that is known from elsewhere may be a directory whose entries are not cached: then only the server's count is known.
		if o.complete || o.ours() {
			s.Length = uint64(o.names)
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
	if o.lastTouch == nil {
		return 0, false
	}
	for _, r := range o.pending {
		if op, ok := r.Operation.(coda.SetAttributes); ok && op.Modified != nil && r.Number > o.lastTouch.Number {
			return 0, false
		}
	}
	return o.lastTouch.Time, true
}

// findLastTouch looks for the last pending record that changes a name of the directory.
func (o *object) findLastTouch() {
	o.lastTouch = nil
	for _, ts := range o.touches {
		if r := ts[len(ts)-1].record; o.lastTouch == nil || r.Number > o.lastTouch.Number {
			o.lastTouch = r
		}
	}
}
