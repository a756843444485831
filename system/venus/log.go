package venus

import (
	"fmt"
	"slices"

	"github.com/codastress/codastress/system/coda"
)

// record is a record of the client modify log. Everything is guarded by Venus.mu.
type record struct {
	coda.Record
	contents *container // of a store
	synced   bool       // of a store: the contents survive a power loss
	digested bool       // of a store: length and digest are those of the contents
	session  *session   // of a store: the write session that may still change the contents, nil when they are final

	user coda.Principal // for whom it was made, 0 for nobody

	connected  bool          // a caller waits until the server has answered it
	answered   bool          // the server has
	refusal    *coda.Refusal // with no
	frozen     bool          // it is part of the batch that is under way: it is neither changed nor cancelled
	prev, next *record
}

// String names the record for those who look for a hang.
func (r *record) String() string {
	return fmt.Sprintf("%d (%v %v)", r.Number, r.Operation, r.Operation.Target())
}

// modifyLog holds the records in the order of their numbers.
type modifyLog struct {
	head, tail *record
	count      int
	next       uint64 // the number of the next record
	limit      uint64 // numbers below it may be used without writing a new limit first
}

func (l *modifyLog) push(r *record) {
	r.prev = l.tail
	if l.tail != nil {
		l.tail.next = r
	} else {
		l.head = r
	}
	l.tail = r
	l.count++
}

func (l *modifyLog) remove(r *record) {
	if r.prev != nil {
		r.prev.next = r.next
	} else {
		l.head = r.next
	}
	if r.next != nil {
		r.next.prev = r.prev
	} else {
		l.tail = r.prev
	}
	r.prev, r.next = nil, nil
	l.count--
}

// naming is a directory entry that an operation changes: the name stands for entry afterwards, or is free when that is zero.
type naming struct {
	dir   coda.Fid
	name  string
	entry coda.Entry
}

// namings lists what an operation does to names, in order.
func namings(op coda.Operation) []naming {
	bind := func(dir coda.Fid, name string, f coda.Fid, kind coda.ObjectKind) naming {
		return naming{dir, name, coda.Entry{Name: name, Fid: f, Kind: kind}}
	}
	switch op := op.(type) {
	case coda.Create:
		return []naming{bind(op.Parent, op.Name, op.Fid, coda.File)}
	case coda.MakeDirectory:
		return []naming{bind(op.Parent, op.Name, op.Fid, coda.Directory)}
	case coda.MakeSymlink:
		return []naming{bind(op.Parent, op.Name, op.Fid, coda.Symlink)}
	case coda.Link:
		return []naming{bind(op.Parent, op.Name, op.Fid, coda.File)}
	case coda.Remove:
		return []naming{{dir: op.Parent, name: op.Name}}
	case coda.RemoveDirectory:
		return []naming{{dir: op.Parent, name: op.Name}}
	case coda.Rename:
		return []naming{{dir: op.FromParent, name: op.FromName}, bind(op.ToParent, op.ToName, op.Fid, 0)}
	default:
		return nil
	}
}

// objectsOf lists the objects that an operation makes, changes or removes, apart from the directories whose names it changes.
func objectsOf(op coda.Operation) []coda.Fid {
	if rename, ok := op.(coda.Rename); ok && !rename.Replaced.IsZero() {
		return []coda.Fid{rename.Fid, rename.Replaced}
	}
	return []coda.Fid{op.Target()}
}

// attach makes a record part of the log and of the local view.
func (v *Venus) attach(r *record) {
	v.log.push(r)
	for _, f := range objectsOf(r.Operation) {
		o := v.object(f)
		w := o.begin(v.id.Client)
		w.pending = append(w.pending, r)
		if w.apply(f, r, v.id.Client); w.exists && w.local.Fid.IsZero() {
			w.local.Fid = f
		}
	}
	for _, n := range namings(r.Operation) {
		if n.entry.Kind == 0 && !n.entry.Fid.IsZero() {
			n.entry.Kind = v.object(n.entry.Fid).kind()
		}
		v.object(n.dir).addTouch(n.name, touch{record: r, entry: n.entry})
		if !n.entry.Fid.IsZero() {
			o := v.object(n.entry.Fid)
			o.saw(place{n.dir, n.name})
			o.mark = o.mark.include(v.object(n.dir).mark.childMark())
		}
	}
}

// detach takes a record out of the log and of the local view. Objects that nothing is known of any more are forgotten by the caller (tidy).
func (v *Venus) detach(t *tx, r *record) {
	v.log.remove(r)
	t.delete(numberKey(keyLog, r.Number))
	for _, f := range objectsOf(r.Operation) {
		o := v.object(f)
		w := o.begin(v.id.Client)
		w.pending = slices.DeleteFunc(w.pending, func(p *record) bool { return p == r })
		o.replay(v.id.Client)
	}
	for _, n := range namings(r.Operation) {
		v.object(n.dir).dropTouches(r, n.name)
	}
	if r.contents != nil {
		v.release(r.contents)
		r.contents = nil
	}
}

// writeRecord stores a record as it is now.
func (v *Venus) writeRecord(t *tx, r *record) {
	s := storedRecord{Record: r.Record, User: r.user, Synced: r.synced, Digested: r.digested}
	if r.contents != nil {
		s.Container = r.contents.name
	}
	b, err := encodeRecord(s)
	t.fail(err)
	t.set(numberKey(keyLog, r.Number), b)
}

// append logs an operation: it is in the local view when append returns, and survives a crash when t has been waited for.
func (v *Venus) append(t *tx, when coda.Time, op coda.Operation) *record {
	r := &record{Record: coda.Record{Number: v.nextNumber(t), Time: when, Operation: op}, user: t.user}
	v.attach(r)
	v.writeRecord(t, r)
	v.wakeReintegrator()
	return r
}

// appendStore logs new contents. The record takes over the caller's reference to the container.
func (v *Venus) appendStore(t *tx, when coda.Time, op coda.Store, r record) *record {
	r.Record = coda.Record{Number: v.nextNumber(t), Time: when, Operation: op}
	v.attach(&r)
	v.writeRecord(t, &r)
	v.wakeReintegrator()
	return &r
}

// nextNumber draws the number of a new record.
func (v *Venus) nextNumber(t *tx) uint64 {
	if v.log.next >= v.log.limit {
		v.log.limit = v.log.next + numberBlock
		t.meta(metaNumbers, numbers{Limit: v.log.limit})
	}
	n := v.log.next
	v.log.next++
	return n
}
