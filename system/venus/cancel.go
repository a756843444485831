package venus

import (
	"github.com/codastress/codastress/system/coda"
)

// The rules by which a new record makes older ones needless. A frozen record is never touched: it may be on its way. Each function runs before the
// new record is logged, and leaves a log that gives the same tree once the new record is behind it.

// cancel takes a record out of the log. Whoever waits until it is sent waits for the new record instead: what the new one leaves
// behind is what the server must have then.
func (v *Venus) cancel(t *tx, r *record) {
	v.detach(t, r)
	for last := range v.forced {
		if r.Number <= *last {
			*last = max(*last, v.log.next)
		}
	}
}

// cancelStores takes the unsent stores of a file out of the log: new contents are about to be logged, or the file is about to go.
// It returns the version that a store in the place of the first cancelled one is based on; ok is false when none was cancelled.
func (v *Venus) cancelStores(t *tx, o *object) (base coda.VersionVector, ok bool) {
	for _, r := range append([]*record(nil), o.pending()...) {
		op, isStore := r.Operation.(coda.Store)
		if !isStore || r.frozen {
			continue
		}
		v.rethread(t, o, r.Number, op.Base)
		v.cancel(t, r)
		if !ok {
			base, ok = op.Base, true
		}
	}
	return base, ok
}

// cancelAttributes takes the unsent attribute changes of a file out of the log: the file is about to go.
func (v *Venus) cancelAttributes(t *tx, o *object) {
	for _, r := range append([]*record(nil), o.pending()...) {
		if op, ok := r.Operation.(coda.SetAttributes); ok && !r.frozen {
			v.rethread(t, o, r.Number, op.Base)
			v.cancel(t, r)
		}
	}
}

// rethread makes the records that are based on the update of a cancelled record based on what that was based on. Such as are under way
// there can be only where the record itself was lost, and then the server has not applied them.
func (v *Venus) rethread(t *tx, o *object, number uint64, base coda.VersionVector) {
	id := coda.StoreID{Client: v.id.Client, Number: number}
	for _, r := range o.pending() {
		if op, changed := rebase(r.Operation, o.fid, id, base); changed {
			r.Operation = op
			v.writeRecord(t, r)
		}
	}
}

// rebase gives an operation on f another base where its base is the update with this id.
func rebase(op coda.Operation, f coda.Fid, id coda.StoreID, base coda.VersionVector) (coda.Operation, bool) {
	switch op := op.(type) {
	case coda.Store:
		changed := op.Base.Store == id
		if changed {
			op.Base = base
		}
		return op, changed
	case coda.SetAttributes:
		changed := op.Base.Store == id
		if changed {
			op.Base = base
		}
		return op, changed
	case coda.Remove:
		changed := op.Base.Store == id
		if changed {
			op.Base = base
		}
		return op, changed
	case coda.Rename:
		changed := op.Replaced == f && op.ReplacedBase.Store == id
		if changed {
			op.ReplacedBase = base
		}
		return op, changed
	default:
		return op, false
	}
}

// mergeAttributes takes the last unsent attribute change of a file out of the log and gives its content, which the new change of
// attributes, op, is to carry on. Only the last record that stamps the file is merged, so nothing lies between the two.
func (v *Venus) mergeAttributes(t *tx, o *object, op coda.SetAttributes) coda.SetAttributes {
	if o.local().Kind == coda.Directory {
		return op // records that change its names lie between, and change its time
	}
	var last *record
	for _, r := range o.pending() {
		switch r.Operation.(type) {
		case coda.SetAttributes, coda.Store, coda.Create, coda.MakeSymlink:
			last = r
		}
	}
	if last == nil || last.frozen {
		return op
	}
	old, ok := last.Operation.(coda.SetAttributes)
	if !ok || op.Base.Store != (coda.StoreID{Client: v.id.Client, Number: last.Number}) {
		return op
	}
	v.cancel(t, last)
	op.Base = old.Base
	if op.Mode == nil {
		op.Mode = old.Mode
	}
	if op.Owner == nil {
		op.Owner = old.Owner
	}
	if op.Modified == nil {
		op.Modified = old.Modified
	}
	return op
}

// inheritance is what takes the place of an object that was cancelled altogether: the object, on the server, that its name still stands
// for there. Zero for none.
type inheritance struct {
	fid  coda.Fid
	base coda.VersionVector
}

// cancelLife takes all records of an object out of the log that is about to lose its last name, parent/name, when the object was made
// there and none of them has been sent. Where the object had replaced another one under that name by a rename, the caller has to
// remove that one instead.
func (v *Venus) cancelLife(t *tx, o *object, parent coda.Fid, name string) (heir inheritance, ok bool) {
	if !o.ours() || len(o.touches()) > 0 {
		return heir, false
	}
	for _, r := range o.pending() {
		if r.frozen {
			return heir, false
		}
		op, isRename := r.Operation.(coda.Rename)
		if !isRename || op.Replaced.IsZero() {
			continue
		}
		if op.Replaced == o.fid || !heir.fid.IsZero() || op.ToParent != parent || op.ToName != name {
			return inheritance{}, false
		}
		heir = inheritance{op.Replaced, op.ReplacedBase}
	}
	for len(o.pending()) > 0 {
		v.cancel(t, o.pending()[len(o.pending())-1])
	}
	return heir, true
}
