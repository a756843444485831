package vice

import (
	"bytes"
	"errors"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/codastress/codastress/system/coda"
)

// outcome is what a join leaves behind beside vnodes and entries.
type outcome struct {
	unsettled map[coda.Fid]unsettledRow // rows to be written
	quiet     map[coda.Fid]*object      // objects whose version alone has changed: nobody has to be told
	raised    map[coda.Fid]slots        // whose counts have been taken over from the other replica
	compare   map[coda.Fid]bool         // objects whose version is another one now, which no row about a batch will have compared
	behind    []coda.Fid                // settled objects of which the other replica has counted less
}

// finish gives what the join has made its versions, and works out the rows about what is unsettled.
func (j *join) finish() error {
	j.out = outcome{unsettled: map[coda.Fid]unsettledRow{}, quiet: map[coda.Fid]*object{}, raised: map[coda.Fid]slots{}, compare: map[coda.Fid]bool{}}
	theirs := j.updatesOf(j.remote.known, func(s coda.StoreID) bool { return j.news(s) })
	mine := j.updatesOf(j.local, func(s coda.StoreID) bool { return !j.known(s) })
	touched := map[coda.Fid]bool{}
	for _, b := range j.local.batches {
		for _, o := range b.objects {
			touched[o.fid] = true
		}
	}
	for _, b := range j.batches {
		for _, o := range b.objects {
			touched[o.fid] = true
		}
	}
	for _, f := range slices.SortedFunc(maps.Keys(j.after), coda.Fid.Compare) {
		if err := j.finishObject(f, mine[f], theirs[f], touched[f]); err != nil {
			return err
		}
	}
	j.countTaken()
	j.compareChanged()
	return nil
}

// compareChanged notes the objects whose versions have changed, and of which no batch that will be forgotten, as one that was joined, has others asked.
func (j *join) compareChanged() {
	for f := range j.after {
		if o := j.vnodes[f]; o.now != nil && o.now != o.before && o.now.status.Version.Slots != o.before.version().Slots {
			j.out.compare[f] = true
		}
	}
	for _, b := range j.batches {
		for _, o := range b.objects {
			delete(j.out.compare, o.fid)
		}
	}
}

// updatesOf lists, for each object, those of the updates of batches that are asked for.
func (j *join) updatesOf(k *knowledge, asked func(coda.StoreID) bool) map[coda.Fid][]coda.StoreID {
	list := map[coda.Fid][]coda.StoreID{}
	for _, b := range k.batches {
		for _, o := range b.objects {
			for _, n := range o.numbers {
				if s := (coda.StoreID{Client: b.client, Number: n}); asked(s) {
					list[o.fid] = append(list[o.fid], s)
				}
			}
		}
	}
	return list
}

func (j *join) finishObject(f coda.Fid, mine, theirs []coda.StoreID, touched bool) error {
	if _, err := j.lookup(f); err != nil {
		return err
	}
	row, _, err := getUnsettled(j.base, f)
	if err != nil {
		return err
	}
	o := j.vnodes[f]
	version := j.largest(f, row)
	acls := j.joinACLs(row.acls, j.remote.objects[f].acls)
	if o.now != nil {
		j.takeACL(f, acls)
		j.finishVersion(o, version, mine, theirs)
	}
	if !touched {
		if other := j.remote.objects[f].status; o.now != nil && other != nil && other.Version.Slots != o.now.status.Version.Slots {
			j.out.behind = append(j.out.behind, f)
		}
		return nil
	}
	next := unsettledRow{heads: row.heads, acls: acls}
	if heads, joined := j.heads[f]; joined {
		next.heads = heads
	}
	if f.IsDirectory() {
		next.attributes = j.attributesAfter(f, row.attributes)
	}
	if o.now == nil {
		next.removed, err = j.tombstoneOf(f, row, version)
	}
	j.out.unsettled[f] = next
	return err
}

// largest gives the version whose slots are the maxima of what both replicas have counted.
func (j *join) largest(f coda.Fid, row unsettledRow) (version coda.VersionVector) {
	version = j.vnodes[f].before.version()
	take := func(v coda.VersionVector) {
		for i, n := range v.Slots {
			if n > version.Slots[i] {
				version.Slots[i] = n
				j.out.raised[f] |= 1 << i
			}
		}
	}
	if row.removed != nil {
		version = row.removed.version
	}
	theirs := j.remote.objects[f]
	if theirs.status != nil {
		take(theirs.status.Version)
	}
	if theirs.removed != nil {
		take(theirs.removed.version)
	}
	return version
}

// finishVersion gives an object its version. Where the object is none of those that the versions which were joined stand for, that is an update of
// this replica.
func (j *join) finishVersion(o *object, version coda.VersionVector, mine, theirs []coda.StoreID) {
	f := o.fid()
	v := j.writable(f)
	s := &v.status
	s.Version.Slots = version.Slots
	if s.Kind == coda.Directory {
		s.Length = uint64(j.lengthOf(f))
		j.finishDirectory(o, mine, theirs)
	}
	other := j.remote.objects[f].status
	changed := o.before == nil || !sameContents(*s, o.before.status) || v.content != o.before.content || j.renamed(f)
	unlikeBefore := o.before != nil && changed && s.Version.Slots == o.before.status.Version.Slots
	unlikeOther := other != nil && s.Version.Slots == other.Version.Slots && !sameContents(*s, *other)
	if unlikeBefore || unlikeOther {
		s.Version.Slots[j.slot]++
	}
	switch {
	case o.before != nil && *v == *o.before:
		o.now = o.before
	case !changed:
		j.out.quiet[f] = o
	}
}

// sameContents reports whether two replicas of an object are the same apart from their versions. Of files that are inconsistent on both, each may have
// its own.
func sameContents(a, b coda.Status) bool {
	if a.Inconsistent && b.Inconsistent {
		b.Mode, b.Owner, b.Modified, b.Length, b.Digest = a.Mode, a.Owner, a.Modified, a.Length, a.Digest
	}
	a.Version, b.Version = coda.VersionVector{}, coda.VersionVector{}
	return a == b
}

// renamed reports whether names in a directory have changed.
func (j *join) renamed(dir coda.Fid) bool {
	for _, b := range j.entries[dir] {
		if b.now != b.before {
			return true
		}
	}
	return false
}

// finishDirectory works out which updates a directory has seen, and which one stands for the last: where one of the replicas has seen them all, the
// one that does there.
func (j *join) finishDirectory(o *object, mine, theirs []coda.StoreID) {
	s := &o.now.status
	other := j.remote.objects[s.Fid].status
	news, based := theirs, o.before != nil
	if !based || (j.remote.everything && other != nil) {
		if other != nil {
			s.Digest = other.Digest
		}
		news = mine
	}
	for _, u := range news {
		s.Digest = s.Digest.After(u)
	}
	for _, d := range j.derivations[s.Fid] {
		if theirs, ok := j.remote.names[d.at]; based || !ok || !bytes.Equal(theirs.shown(), d.row.shown()) {
			s.Digest = s.Digest.After(d.update())
		}
	}
	all, otherAll := based && s.Digest == o.before.status.Digest, other != nil && s.Digest == other.Digest
	switch {
	case all && otherAll:
		if compareUpdates(other.Version.Store, s.Version.Store) < 0 {
			s.Version.Store = other.Version.Store
		}
	case otherAll:
		s.Version.Store = other.Version.Store
	case !all:
		s.Version.Store = joinedStore(s.Digest)
	}
	if other != nil && len(mine) == 0 && len(theirs) == 0 && bytes.Compare(other.Digest[:], s.Digest[:]) > 0 {
		s.Digest, s.Version.Store = other.Digest, other.Version.Store // they have seen the same, whatever came of it
	}
}

// joinedStore is the store id of a directory that has been joined.
func joinedStore(d coda.Digest) coda.StoreID {
	return coda.StoreID{Client: coda.ClientID(d[:16]), Number: 1}
}

// tombstoneOf gives what is left of an object that is gone; nil for one that none of the replicas has seen from outside of the batch that made it.
func (j *join) tombstoneOf(f coda.Fid, row unsettledRow, version coda.VersionVector) (*tombstone, error) {
	at, update, err := j.lastPlace(f, row.removed, j.remote.objects[f].removed)
	if update.IsZero() {
		if j.vnodes[f].before == nil {
			return nil, nil
		}
		return nil, err
	}
	return &tombstone{version: version, update: update, dir: at.dir, name: at.name}, nil
}

// countTaken notes what of the other replicas' updates is counted now. The other replica's own updates are. Where its count of a third one's was taken
// over because it was larger, nobody can say which batches are in it: neither may a late COP2 count again what is, nor is certain that what was counted
// before still is. That third replica has to be joined. To count too few only costs that, to count too many would hide an update.
func (j *join) countTaken() {
	other, own := slots(1)<<j.remote.slot, slots(1)<<j.slot
	for id, mine := range j.local.batches {
		var third slots
		for _, o := range mine.objects {
			third |= j.out.raised[o.fid] &^ (other | own)
		}
		if _, both := j.batches[id]; both {
			continue
		}
		behind := mine.behind | third
		if mine.everywhere { // the other replica has forgotten it, and counts it
			behind &^= other
		}
		if behind != mine.behind {
			row := &heldBatch{id, mine.batchRow}
			row.behind = behind
			j.batches[id] = row
		}
	}
	for id, b := range j.batches {
		if j.local.batches[id] == nil {
			for i := range b.objects {
				b.objects[i].owed = 0
			}
			b.behind = (slots(1)<<j.replicas - 1) &^ (other | own)
			continue
		}
		if j.remote.known.batches[id] == nil {
			continue
		}
		b.behind &^= other
		for i := range b.objects {
			o := &b.objects[i]
			third := j.out.raised[o.fid] &^ (other | own)
			b.behind |= third
			o.owed &^= other | third
		}
	}
}

// writeRows puts into a batch of the store what the join has made of the rows about what is unsettled.
func (j *join) writeRows(b *pebble.Batch) error {
	var errs []error
	for f, o := range j.out.quiet {
		errs = append(errs, b.Set(vnodeKey(f), o.now.encode(), nil))
	}
	for f, row := range j.out.unsettled {
		errs = append(errs, setChanged(j.base, b, unsettledKey(f), row.encode()))
	}
	for p, row := range j.names {
		errs = append(errs, setChanged(j.base, b, renamedKey(p.dir, p.name), row.encode()))
	}
	for f := range j.out.compare {
		errs = append(errs, j.compareWithAll(j.base, b, f))
	}
	for id, row := range j.batches {
		row.joined = true
		errs = append(errs, setChanged(j.base, b, batchKey(id), row.encode()))
	}
	return errors.Join(errs...)
}

// setChanged sets a row that is not what it was.
func setChanged(r pebble.Reader, b *pebble.Batch, key, row []byte) error {
	same := false
	if _, err := get(r, key, func(old []byte) error {
		same = bytes.Equal(old, row)
		return nil
	}); err != nil || same {
		return err
	}
	return b.Set(key, row, nil)
}

// hush takes the objects out of the transaction of which nobody has to be told.
func (j *join) hush() {
	for f := range j.out.quiet {
		delete(j.vnodes, f)
	}
}
