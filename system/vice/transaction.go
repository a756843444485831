package vice

import (
	"cmp"
	"errors"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/codastress/codastress/system/coda"
)

// transaction is what a batch changes, in memory, on top of the state before it.
type transaction struct {
	ground
	base    pebble.Reader
	batch   batchID        // that is applied; zero for none
	quota   Quota          // of its volume
	used    growth         // of that, with what has been applied so far
	client  coda.ClientID  // of the batch
	who     *coda.Identity // for whom the records are applied
	number  uint64         // of the record that is being applied
	vnodes  map[coda.Fid]*object
	entries map[coda.Fid]map[string]*binding
	touched map[coda.Fid]*touch // of a replicated volume
	refused []coda.Refusal      // of the batch
	applied bool                // a record, at least
	adopted *batchRow           // of a batch that came from another replica before
}

// ground is what a transaction has to know of the server.
type ground struct {
	next     uint64 // numbers of this server from here on were never granted
	slot     int    // of this server in version vectors
	replicas int

	restricted bool // some directory has an ACL
}

// ground is where the next transaction starts.
func (s *Server) ground() ground {
	r := s.cfg.Replication
	return ground{next: s.next.Load(), slot: r.Slot, replicas: r.replicas(), restricted: s.restricted.Load()}
}

// granted reports whether a server has granted a number, as far as this one can know: it knows its own grants only, since its store was made.
func (g ground) granted(number uint64) bool {
	if g.replicas == 1 {
		return number > coda.RootNumber && number < g.next
	}
	given, own := grantOf(number), grantOf(g.next)
	return given.count > coda.RootNumber && given.slot < g.replicas && (given.slot != own.slot || given.life != own.life || number < g.next)
}

// object is a vnode before the batch and now. Nil stands for no such object.
type object struct {
	before, now *vnode
}

// binding is what a name stands for before the batch and now. The zero entry stands for a free name.
type binding struct {
	before, now coda.Entry
	number      uint64 // of the last record that changed it; 0 for none
}

func newTransaction(base pebble.Reader, g ground, batch batchID, who *coda.Identity) *transaction {
	return &transaction{
		ground: g, base: base, batch: batch, client: batch.client, who: who,
		vnodes: map[coda.Fid]*object{}, entries: map[coda.Fid]map[string]*binding{}, touched: map[coda.Fid]*touch{},
	}
}

// lookup finds an object in its present state; nil when there is none. The result must not be changed.
func (t *transaction) lookup(f coda.Fid) (*vnode, error) {
	if o, ok := t.vnodes[f]; ok {
		return o.now, nil
	}
	v, err := getVnode(t.base, f)
	if err != nil {
		return nil, err
	}
	t.vnodes[f] = &object{before: v, now: v}
	return v, nil
}

// name finds what a name stands for; the zero entry when it is free.
func (t *transaction) name(dir coda.Fid, name string) (coda.Entry, error) {
	if b, ok := t.entries[dir][name]; ok {
		return b.now, nil
	}
	e, _, err := getEntry(t.base, dir, name)
	if err != nil {
		return coda.Entry{}, err
	}
	if t.entries[dir] == nil {
		t.entries[dir] = map[string]*binding{}
	}
	t.entries[dir][name] = &binding{before: e, now: e}
	return e, nil
}

// change gives an object that was looked up for changing, and counts the update.
func (t *transaction) change(f coda.Fid) *vnode {
	o := t.vnodes[f]
	if o.now == o.before {
		o.now = new(*o.before)
	}
	o.now.status.Version.Slots[t.slot]++
	if t.replicated() {
		t.touch(f)
		t.addToDigest(o.now)
	}
	return o.now
}

// update gives an object that was looked up for changing, and makes record number the update that its version names.
func (t *transaction) update(f coda.Fid, number uint64) *vnode {
	v := t.change(f)
	v.status.Version.Store = coda.StoreID{Client: t.client, Number: number}
	return v
}

// add makes an object whose fid was looked up and not found.
func (t *transaction) add(number uint64, s coda.Status) {
	s.Version = coda.VersionVector{Store: coda.StoreID{Client: t.client, Number: number}}
	s.Version.Slots[t.slot] = 1
	t.vnodes[s.Fid].now = &vnode{status: s}
	t.used.objects++
	if t.replicated() {
		t.touch(s.Fid)
		t.addToDigest(t.vnodes[s.Fid].now)
	}
}

// drop removes an object that was looked up and loses its last name.
func (t *transaction) drop(f coda.Fid, dir coda.Fid, name string) {
	t.buryAt(f, dir, name)
	t.used.objects--
	if v := t.vnodes[f].now; v.status.Kind == coda.File {
		t.used.bytes -= int64(v.status.Length)
	}
	t.vnodes[f].now = nil
}

// bind makes a name that was looked up stand for e, or frees it when e is zero. The directory must have been looked up.
func (t *transaction) bind(dir coda.Fid, name string, e coda.Entry, r coda.Record) {
	b := t.entries[dir][name]
	d := t.update(dir, r.Number)
	d.status.Modified = r.Time
	switch {
	case b.now.Fid.IsZero() && !e.Fid.IsZero():
		d.status.Length++
	case !b.now.Fid.IsZero() && e.Fid.IsZero():
		d.status.Length--
	}
	b.now = e
	b.number = r.Number
}

// changed lists the objects that are not what they were, in order of their fids.
func (t *transaction) changed() []*object {
	var list []*object
	for _, o := range t.vnodes {
		if o.now != o.before {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b *object) int { return a.fid().Compare(b.fid()) })
	return list
}

func (o *object) fid() coda.Fid { return o.any().status.Fid }

func (o *object) any() *vnode {
	if o.now != nil {
		return o.now
	}
	return o.before
}

func (v *vnode) version() (version coda.VersionVector) {
	if v != nil {
		version = v.status.Version
	}
	return version
}

// difference is the net change of the names in a directory, in order.
func (t *transaction) difference(dir coda.Fid) (removed []string, added []coda.Entry) {
	names := t.entries[dir]
	for _, name := range slices.SortedFunc(maps.Keys(names), cmp.Compare[string]) {
		b := names[name]
		switch {
		case b.now == b.before:
		case b.now.Fid.IsZero():
			removed = append(removed, name)
		default:
			added = append(added, b.now)
		}
	}
	return removed, added
}

// write puts the changes into a batch of the store, with those contents of arrived that they need. It returns the contents that objects
// take over and those that they do not need any more.
func (t *transaction) write(b *pebble.Batch, arrived map[uint64]upload) (taken map[uint64]upload, garbage []upload, err error) {
	kept := map[contentID]bool{}
	for _, o := range t.changed() {
		if o.now == nil {
			err = b.Delete(vnodeKey(o.fid()), nil)
		} else {
			err = b.Set(vnodeKey(o.fid()), o.now.encode(), nil)
			kept[o.now.content.id] = true
		}
		if err != nil {
			return nil, nil, err
		}
		if o.before != nil && (o.now == nil || o.now.content != o.before.content) {
			garbage = append(garbage, upload{fid: o.fid(), content: o.before.content})
		}
	}
	for _, g := range garbage {
		if g.content.place == inStore {
			if err := b.Delete(dataKey(g.content.id), nil); err != nil {
				return nil, nil, err
			}
		}
	}
	taken = map[uint64]upload{}
	for number, a := range arrived {
		if !kept[a.content.id] {
			continue
		}
		taken[number] = a
		if a.content.place == inStore {
			if err := b.Set(dataKey(a.content.id), a.inline, nil); err != nil {
				return nil, nil, err
			}
		}
	}
	return taken, garbage, errors.Join(t.writeEntries(b), t.writeUnsettled(b), t.writePending(b))
}

func (t *transaction) writeEntries(b *pebble.Batch) error {
	for dir, names := range t.entries {
		for name, n := range names {
			var err error
			switch {
			case n.now == n.before:
			case n.now.Fid.IsZero():
				err = b.Delete(entryKey(dir, name), nil)
			default:
				err = b.Set(entryKey(dir, name), encodeEntry(n.now), nil)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
