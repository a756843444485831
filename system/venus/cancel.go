package venus

import (
	"slices"

	"github.com/codastress/codastress/system/coda"
)

// The rules by which a new record makes older ones needless, which are Coda's:
//
//   - A store does so to earlier stores of the file, unless the owner was changed in between, and to times that were set earlier.
//   - A change of the time or the owner does so to earlier ones, and one of the mode to earlier ones unless a store lies in between, which may need the
//     old mode.
//   - The removal of a last name, also by a rename to it, does so to stores and changes of attributes. Where nothing of the object is on the server it does
//     so to all records of its life, and is not logged itself.
//
// Of a change of several attributes what is not set anew is left. Besides, a change of the attributes of a file that follows another one directly takes its
// place.
//
// A record that is part of the batch under way is never touched: it may have been applied. Where the server rejects the batch, what would have been
// made needless meanwhile is made up for.
//
// All but the last run before the new record is logged, and leave a log that gives the same tree once that is behind it.

// keeps reports whether a record must stay as it is.
func (v *Venus) keeps(r *record) bool { return r.frozen || v.wholeLog }

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

// cancelChange takes a record out of the log on whose update others may be based.
func (v *Venus) cancelChange(t *tx, o *object, r *record, base coda.VersionVector) {
	v.rethread(t, o, r.Number, base)
	v.cancel(t, r)
}

// supersedeStores takes the stores of a file out of the log that newer ones make needless; next says that another one is about to be logged, of a session.
// What a session wrote to its container before is never kept, since it is not there any more.
func (v *Venus) supersedeStores(t *tx, o *object, next bool, session *session) {
	superseded := next // a later store follows, and no change of owner before it
	for _, r := range slices.Backward(slices.Clone(o.pending())) {
		switch op := r.Operation.(type) {
		case coda.SetAttributes:
			superseded = superseded && op.Owner == nil
		case coda.Store:
			rewritten := session != nil && r.contents == session.w
			if rewritten || superseded && !v.keeps(r) {
				v.cancelChange(t, o, r, op.Base)
			} else {
				superseded = true
			}
		}
	}
}

// cancelChanges takes the unsent stores and changes of attributes of an object out of the log: it is about to go.
func (v *Venus) cancelChanges(t *tx, o *object) {
	for _, r := range slices.Clone(o.pending()) {
		if v.keeps(r) {
			continue
		}
		switch op := r.Operation.(type) {
		case coda.Store:
			v.cancelChange(t, o, r, op.Base)
		case coda.SetAttributes:
			v.cancelChange(t, o, r, op.Base)
		}
	}
}

// overwritten are the attributes that later records set anew.
type overwritten struct{ mode, owner, modified bool }

// add notes what a record sets.
func (w *overwritten) add(op coda.Operation) {
	switch op := op.(type) {
	case coda.SetAttributes:
		w.mode, w.owner, w.modified = w.mode || op.Mode != nil, w.owner || op.Owner != nil, w.modified || op.Modified != nil
	case coda.Store:
		w.mode, w.modified = false, true
	}
}

// strip gives what is left of a change, and reports whether that is less than there was.
func (w overwritten) strip(op coda.SetAttributes) (left coda.SetAttributes, less bool) {
	left = op
	if w.mode {
		left.Mode = nil
	}
	if w.owner {
		left.Owner = nil
	}
	if w.modified {
		left.Modified = nil
	}
	return left, left != op
}

// dropOverwritten takes out of the unsent changes of an object's attributes what later records set anew, the next one included, which is nil for none.
func (v *Venus) dropOverwritten(t *tx, o *object, next coda.Operation) {
	var later overwritten
	later.add(next)
	for _, r := range slices.Backward(slices.Clone(o.pending())) {
		op, ok := r.Operation.(coda.SetAttributes)
		if left, less := later.strip(op); ok && less && !v.keeps(r) {
			if left.Mode == nil && left.Owner == nil && left.Modified == nil {
				v.cancelChange(t, o, r, op.Base)
				continue
			}
			r.Operation = left
			v.writeRecord(t, r)
			o.replay(v.id.Client)
		}
		later.add(r.Operation)
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
	if o.kind() == coda.Directory {
		return op // records that change its names lie between, and change its time
	}
	var last *record
	for _, r := range o.pending() {
		switch r.Operation.(type) {
		case coda.SetAttributes, coda.Store, coda.Create, coda.MakeSymlink:
			last = r
		}
	}
	if last == nil || v.keeps(last) || last.user != t.user {
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
		if v.keeps(r) {
			return heir, false
		}
		op, isRename := r.Operation.(coda.Rename)
		if !isRename || op.Replaced.IsZero() {
			continue
		}
		if op.Replaced == o.fid || !heir.fid.IsZero() || op.ToParent != parent || op.ToName != name {
			return inheritance{}, false
		}
		if replaced := v.objects[op.Replaced]; replaced != nil && (replaced.exists() || replaced.changedAfter(r)) {
			return inheritance{}, false // it has or had another name: what was done to it since builds on it having lost this one
		}
		heir = inheritance{op.Replaced, op.ReplacedBase}
	}
	for len(o.pending()) > 0 {
		v.cancel(t, o.pending()[len(o.pending())-1])
	}
	return heir, true
}

// changedAfter says whether the log has something that was done to an object after a record.
func (o *object) changedAfter(r *record) bool {
	return slices.ContainsFunc(o.pending(), func(later *record) bool { return later.Number > r.Number })
}

// makeUp applies the rules to the records of a batch that the server has rejected, as they would have been if these had not been under way.
func (v *Venus) makeUp(t *tx, batch []*record) {
	for _, r := range batch {
		for _, f := range objectsOf(r.Operation) {
			o := v.objects[f]
			if o == nil || slices.ContainsFunc(o.pending(), func(r *record) bool { return r.connected }) {
				continue // somebody waits for the answer
			}
			v.makeUpFor(t, o)
			v.tidy(o)
		}
	}
}

func (v *Venus) makeUpFor(t *tx, o *object) {
	records := o.pending()
	if len(records) == 0 {
		return
	}
	last := records[len(records)-1]
	switch {
	case o.exists():
		v.dropOverwritten(t, o, nil)
		v.supersedeStores(t, o, false, nil)
		v.dropOverwritten(t, o, nil) // modes that no store needs any more
	case v.wasInVain(o, last):
		for len(o.pending()) > 0 {
			v.cancel(t, o.pending()[len(o.pending())-1])
		}
	default:
		v.cancelChanges(t, o)
	}
}

// wasInVain reports whether the records of an object make and remove it, none has been sent, and they do nothing to any other.
func (v *Venus) wasInVain(o *object, last *record) bool {
	switch last.Operation.(type) {
	case coda.Remove, coda.RemoveDirectory:
	default:
		return false
	}
	return o.ours() && len(o.touches()) == 0 && !slices.ContainsFunc(o.pending(), func(r *record) bool {
		rename, ok := r.Operation.(coda.Rename)
		return v.keeps(r) || ok && !rename.Replaced.IsZero()
	})
}
