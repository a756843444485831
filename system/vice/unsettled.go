package vice

import (
	"bytes"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/codastress/codastress/system/coda"
)

// What a server of a replicated volume keeps beside the volume, durably and in the same commits: which batches it cannot know that all replicas have
// (batchRow), and what these did to objects (unsettledRow) and to names (nameRow). Objects and names of which there is no row are settled: every
// replica has them as this one does.

// batchID names a batch of records, all of them about one volume.
type batchID struct {
	volume      uint32
	client      coda.ClientID
	first, last uint64
}

// batchRow is what the server knows of a batch that it has.
type batchRow struct {
	everywhere bool     // all replicas have the batch
	joined     bool     // a join has written the row: counts of its updates may have been lost
	behind     slots    // replicas whose updates may be missing in the versions of the objects, and are found only by joining them; this one: the others lack its own
	refused    []uint64 // records that this replica does not have, because it has refused them, in order
	objects    []batchObject
}

// refusals are the answers to the records that were refused, as far as is known of a batch that another replica has answered.
func (b *batchRow) refusals() (list []coda.Refusal) {
	for _, n := range b.refused {
		list = append(list, coda.Refusal{Number: n, Kind: coda.Conflict, Why: "another replica has refused it"})
	}
	return list
}

// batchObject is what a batch did to an object.
type batchObject struct {
	fid     coda.Fid
	owed    slots    // of replicas whose update is not counted in the object's version yet
	count   uint64   // updates
	numbers []uint64 // of the records, in order
}

// unsettledRow says of an object that was changed how it came to be what it is.
type unsettledRow struct {
	attributes coda.StoreID   // of a directory: the update that set its mode or owner; zero for a settled one
	removed    *tombstone     // of an object that was removed
	acls       []aclUpdate    // of a directory: changes of its ACL, in the order of their updates
	heads      []coda.StoreID // the last updates, where they are not simply the one that the object is of: of a conflict, or of what is still to be had
}

// aclUpdate is a change of an ACL.
type aclUpdate struct {
	update coda.StoreID
	acl    coda.ACL
	seen   []coda.StoreID // other changes that were there when it was made, on a replica that applied it, in order
}

// compareRow says with which replicas the version of an object is to be compared once more, now that the batches that were joined are settled.
type compareRow struct {
	with  slots
	times uint64 // how often the row was written: who has compared knows by it whether another batch was settled meanwhile
}

// tombstone is what is left of an object.
type tombstone struct {
	version coda.VersionVector // the removal is counted, the store id is that of the last update before
	update  coda.StoreID       // the removal
	dir     coda.Fid           // where the last name was
	name    string
}

// nameRow says of a name that was changed how it came to stand for what it does.
type nameRow struct {
	update  coda.StoreID
	entry   coda.Entry   // what the name stands for; without a fid for nothing
	derived bool         // resolution has changed what the update did: of two rows of one update, this one knows more
	removal coda.StoreID // of a name that an object has got back: the removal that had not seen the update; otherwise zero
	also    []reason     // for which the object has the name as well: updates that did not see each other and did the same

	lost coda.Fid // the object from which the update has taken the name; zero for none

	// Of a name that resolution gave an object because another one kept the object's own name.
	originDir  coda.Fid
	originName string
}

// reason is why an object has a name: an update, and, of a name that the object has got back, the removal that had not seen the update.
type reason struct {
	update, removal coda.StoreID
}

// same reports whether two rows are.
func (n nameRow) same(m nameRow) bool { return bytes.Equal(n.encode(), m.encode()) }

// shown is what of a row can be seen from outside, as bytes.
func (n nameRow) shown() []byte {
	n.also = nil
	return n.encode()
}

// touch is what a transaction did to an object.
type touch struct {
	count      uint64      // updates
	numbers    []uint64    // of the records, in order
	digested   uint64      // of a directory: the record that its digest has counted last
	attributes uint64      // the record that made it or set its mode or owner last; 0 for none
	acls       []aclUpdate // of a directory: changes of its ACL, in order
	removed    *tombstone  // where it is not there any more
}

func (t *transaction) replicated() bool { return t.replicas > 1 }

// touch counts that the present record has updated an object.
func (t *transaction) touch(f coda.Fid) *touch {
	c := t.touched[f]
	if c == nil {
		c = &touch{}
		t.touched[f] = c
	}
	c.count++
	if n := len(c.numbers); n == 0 || c.numbers[n-1] != t.number {
		c.numbers = append(c.numbers, t.number)
	}
	return c
}

// addToDigest notes in a directory's digest that it has seen the present record. A record that changes two of its names counts once.
func (t *transaction) addToDigest(v *vnode) {
	if v.status.Kind != coda.Directory {
		return
	}
	c := t.touched[v.status.Fid]
	if c.digested != t.number {
		v.status.Digest = v.status.Digest.After(coda.StoreID{Client: t.client, Number: t.number})
		c.digested = t.number
	}
}

// attributes notes that the present record sets the mode or the owner of an object. One that sets only the time does not count: a replica that has it
// may have missed what set the mode before, and the later of two times is taken in any case.
func (t *transaction) attributes(f coda.Fid) {
	if t.replicated() {
		t.touched[f].attributes = t.number
	}
}

// buryAt notes that an object is removed with its last name.
func (t *transaction) buryAt(f coda.Fid, dir coda.Fid, name string) {
	if !t.replicated() {
		return
	}
	version := t.vnodes[f].now.status.Version
	version.Slots[t.slot]++
	t.touch(f).removed = &tombstone{version: version, update: coda.StoreID{Client: t.client, Number: t.number}, dir: dir, name: name}
}

// writeUnsettled puts into a batch of the store what the transaction did to objects and to names.
func (t *transaction) writeUnsettled(b *pebble.Batch) error {
	if !t.replicated() {
		return nil
	}
	var errs []error
	for f, c := range t.touched {
		row, _, err := getUnsettled(t.base, f)
		errs = append(errs, err)
		if c.attributes != 0 {
			row.attributes = coda.StoreID{Client: t.client, Number: c.attributes}
		}
		for _, a := range c.acls {
			row.acls = addACL(row.acls, a)
		}
		row.removed = c.removed
		if o := t.vnodes[f]; o.now != nil && (f.IsDirectory() && c.attributes != 0 || !f.IsDirectory() && o.now.status.Version.Store != o.before.version().Store) {
			row.heads = nil
		}
		errs = append(errs, b.Set(unsettledKey(f), row.encode(), nil))
	}
	for dir, names := range t.entries {
		for name, n := range names {
			if n.number == 0 {
				continue
			}
			row := nameRow{update: coda.StoreID{Client: t.client, Number: n.number}, entry: n.now, lost: n.before.Fid}
			errs = append(errs, b.Set(renamedKey(dir, name), row.encode(), nil))
		}
	}
	return errors.Join(errs...)
}

// writePending puts into a batch of the store that the batch waits for its COP2.
func (t *transaction) writePending(b *pebble.Batch) error {
	if t.adopted != nil {
		return b.Set(batchKey(t.batch), t.adopted.encode(), nil)
	}
	if !t.replicated() || !t.applied { // a batch that has changed nothing here may have changed something elsewhere
		return nil
	}
	row := batchRow{}
	for _, r := range t.refused {
		row.refused = append(row.refused, r.Number)
	}
	others := (slots(1)<<t.replicas - 1) &^ (1 << t.slot)
	for f, c := range t.touched {
		row.objects = append(row.objects, batchObject{fid: f, owed: others, count: c.count, numbers: c.numbers})
	}
	slices.SortFunc(row.objects, func(x, y batchObject) int { return x.fid.Compare(y.fid) })
	return b.Set(batchKey(t.batch), row.encode(), nil)
}

// getUnsettled reads what is unsettled of an object; a zero row and false where nothing is.
func getUnsettled(r pebble.Reader, f coda.Fid) (row unsettledRow, ok bool, err error) {
	ok, err = get(r, unsettledKey(f), func(b []byte) (err error) {
		row, err = decodeUnsettled(f.Volume, b)
		return err
	})
	return row, ok, err
}

// getBatch reads what the server knows of a batch; false where it knows nothing.
func getBatch(r pebble.Reader, id batchID) (row batchRow, ok bool, err error) {
	ok, err = get(r, batchKey(id), func(b []byte) (err error) {
		row, err = decodeBatch(id.volume, b)
		return err
	})
	return row, ok, err
}
