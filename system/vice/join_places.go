package vice

import (
	"maps"
	"slices"

	"github.com/codastress/codastress/system/coda"
)

// settlePlaces gives each object one directory, takes away those that nobody needs any more, and gives those a name again that were removed by
// somebody who had not seen what happened to them.
func (j *join) settlePlaces() error {
	nameless := map[coda.Fid]bool{}
	for _, f := range slices.SortedFunc(maps.Keys(j.after), coda.Fid.Compare) {
		if f == coda.RootFid(f.Volume) {
			continue
		}
		left, err := j.settlePlace(f)
		if err != nil {
			return err
		}
		if !left {
			nameless[f] = true
		}
	}
	return j.settleNameless(nameless)
}

// settlePlace makes an object that has names, and reports whether it has some.
func (j *join) settlePlace(f coda.Fid) (bool, error) {
	v, err := j.lookup(f)
	if err != nil {
		return false, err
	}
	links, parents := j.namesOf(f)
	if links == 0 {
		return false, nil
	}
	if v == nil {
		theirs := j.remote.objects[f].status
		if theirs == nil {
			return false, coda.Errorf("join", coda.Invalid, "%v has a name, and the other replica has not described it", f)
		}
		if _, err := j.make(*theirs); err != nil {
			return false, err
		}
	}
	if len(parents) > 1 || (links > 1 && f.IsDirectory()) {
		if err := j.choosePlace(f, parents); err != nil {
			return false, err
		}
		links, parents = j.namesOf(f)
	}
	s := &j.writable(f).status
	s.Links = uint32(links)
	for dir := range parents {
		s.Parent = dir
	}
	return true, nil
}

// before gives an object as it was before the join.
func (j *join) before(f coda.Fid) *vnode { return j.vnodes[f].before }

// writable gives an object that may be changed.
func (j *join) writable(f coda.Fid) *vnode {
	o := j.vnodes[f]
	if o.now == o.before {
		o.now = new(*o.before)
	}
	return o.now
}

// namesOf counts the names of an object after the join, and says in which directories they are.
func (j *join) namesOf(f coda.Fid) (links int, parents map[coda.Fid]bool) {
	parents = map[coda.Fid]bool{}
	if v := j.before(f); v != nil {
		left := int(v.status.Links)
		for p, by := range j.moves[f] {
			if p.dir == v.status.Parent && by < 0 {
				left--
			}
		}
		if left > 0 {
			links += left
			parents[v.status.Parent] = true
		}
	}
	for p, by := range j.moves[f] {
		if by > 0 {
			links++
			parents[p.dir] = true
		}
	}
	return links, parents
}

// choosePlace takes all names from an object but those in the directory where the first update has put it. A directory keeps one name only.
func (j *join) choosePlace(f coda.Fid, parents map[coda.Fid]bool) error {
	places, err := j.placesOf(f, parents)
	if err != nil {
		return err
	}
	var chosen location
	var chosenRow nameRow
	for i, p := range places {
		row, _, err := j.row(p)
		if err != nil {
			return err
		}
		if i == 0 || compareUpdates(row.update, chosenRow.update) < 0 {
			chosen, chosenRow = p, row
		}
	}
	for _, p := range places {
		if p == chosen || (p.dir == chosen.dir && !f.IsDirectory()) {
			continue
		}
		if err := j.free(p); err != nil {
			return err
		}
	}
	return nil
}

// placesOf finds the names of an object in some directories, in order.
func (j *join) placesOf(f coda.Fid, dirs map[coda.Fid]bool) ([]location, error) {
	var places []location
	for dir := range dirs {
		err := scanEntries(j.base, dir, func(e coda.Entry) error {
			if b := j.entries[dir][e.Name]; e.Fid == f && b == nil {
				places = append(places, location{dir, e.Name})
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		for name, b := range j.entries[dir] {
			if b.now.Fid == f {
				places = append(places, location{dir, name})
			}
		}
	}
	slices.SortFunc(places, location.compare)
	return places, nil
}

// settleNameless decides about the objects without a name.
func (j *join) settleNameless(nameless map[coda.Fid]bool) error {
	list := slices.SortedFunc(maps.Keys(nameless), coda.Fid.Compare)
	for _, f := range list {
		if f.IsDirectory() {
			continue
		}
		delete(nameless, f)
		needed, err := j.unseen(f)
		if err == nil && needed {
			err = j.restore(f, nameless)
		}
		if err != nil {
			return err
		}
		if !needed && j.vnodes[f].now != nil {
			j.vnodes[f].now = nil
		}
	}
	for again := true; again; {
		again = false
		for _, f := range slices.SortedFunc(maps.Keys(nameless), coda.Fid.Compare) {
			if j.lengthOf(f) == 0 {
				continue
			}
			delete(nameless, f)
			if err := j.restore(f, nameless); err != nil {
				return err
			}
			again = true
		}
	}
	for f := range nameless {
		if _, err := j.lookup(f); err != nil {
			return err
		}
		j.vnodes[f].now = nil
	}
	return nil
}

// lengthOf is the number of entries of a directory after the join.
func (j *join) lengthOf(f coda.Fid) int {
	length := j.length[f]
	if v := j.before(f); v != nil {
		length += int(v.status.Length)
	}
	return length
}

// unseen reports whether a file or symlink without a name has an update that one of the replicas has not seen, which then did not mean to remove it, or
// was removed by none.
func (j *join) unseen(f coda.Fid) (bool, error) {
	v, err := j.lookup(f)
	if err != nil {
		return false, err
	}
	theirs := j.remote.objects[f]
	row, _, err := getUnsettled(j.base, f)
	if err != nil {
		return false, err
	}
	switch {
	case v == nil && row.removed == nil:
		return false, nil
	case v != nil && v.status.Inconsistent:
		return true, nil
	case v != nil && !j.known(v.status.Version.Store):
		return true, nil
	case v != nil && theirs.status != nil: // each has taken one name and left another one
		return true, nil
	default:
		return theirs.status != nil && (j.news(theirs.status.Version.Store) || theirs.status.Inconsistent), nil
	}
}

// restore gives an object without a name the one again that was removed last, and makes its directory one that has to be looked at.
func (j *join) restore(f coda.Fid, nameless map[coda.Fid]bool) error {
	v, err := j.lookup(f)
	if err != nil {
		return err
	}
	row, _, err := getUnsettled(j.base, f)
	if err != nil {
		return err
	}
	theirs := j.remote.objects[f]
	if v == nil {
		if theirs.status == nil {
			return coda.Errorf("join", coda.Invalid, "%v has to come back, and the other replica has not described it", f)
		}
		if _, err := j.make(*theirs.status); err != nil {
			return err
		}
	}
	v = j.writable(f)
	at, back, err := j.wayBack(f, row.removed, theirs.removed)
	if err != nil {
		return err
	}
	if v.status.Kind == coda.File && (row.removed != nil || theirs.removed != nil) {
		v.status.Inconsistent = true
	}
	_, _, claims, err := j.claimsHere(at)
	if err != nil {
		return err
	}
	if err := j.show(at, append(claims, back)); err != nil {
		return err
	}
	v.status.Links, v.status.Parent = 1, at.dir
	parent, err := j.lookup(at.dir)
	if err == nil && parent == nil {
		nameless[at.dir] = true
	}
	return err
}

// wayBack is the claim by which an object without a name comes back, and where: as on the other replica, if it is back there.
func (j *join) wayBack(f coda.Fid, tombstones ...*tombstone) (at location, back claim, err error) {
	entry := coda.Entry{Fid: f, Kind: j.vnodes[f].now.status.Kind}
	found := false
	for p, row := range j.remote.names {
		if row.entry.Fid != f || row.removal.IsZero() {
			continue
		}
		c := claim{row.update, row.removal, entry}
		if !row.originDir.IsZero() {
			p = location{row.originDir, row.originName}
		}
		if !found || c.compare(back) < 0 {
			at, back, found = p, c, true
		}
	}
	if found {
		return at, back, nil
	}
	back.entry = entry
	if at, back.removal, err = j.lastPlace(f, tombstones...); err == nil {
		back.update, err = j.reason(f)
	}
	return at, back, err
}

// reason is the update for which an object comes back: one that the removal had not seen. It stands for the name from then on.
func (j *join) reason(f coda.Fid) (coda.StoreID, error) {
	if !f.IsDirectory() {
		if heads := j.heads[f]; len(heads) > 0 {
			return heads[0], nil
		}
		return j.vnodes[f].now.status.Version.Store, nil
	}
	var first coda.StoreID
	look := func(row nameRow) {
		if !row.entry.Fid.IsZero() && (first.IsZero() || compareUpdates(row.update, first) < 0) {
			first = row.update
		}
	}
	prefix := renamedsKey(f)
	err := scan(j.base, prefix, func(key, value []byte) error {
		name := string(key[len(prefix):])
		row, err := decodeName(f, name, value)
		if _, ok := j.names[location{f, name}]; err == nil && !ok {
			look(row)
		}
		return err
	})
	for p, row := range j.names {
		if p.dir == f {
			look(row)
		}
	}
	return first, err
}

// lastPlace is where an object without a name comes back: where it was removed, by the first of several removals, or where it has lost its name.
func (j *join) lastPlace(f coda.Fid, tombstones ...*tombstone) (at location, update coda.StoreID, err error) {
	for _, t := range tombstones {
		if t != nil && (update.IsZero() || compareUpdates(t.update, update) < 0) {
			at, update = location{t.dir, t.name}, t.update
		}
	}
	if !update.IsZero() {
		return at, update, nil
	}
	look := func(p location, row nameRow) {
		if row.lost == f && row.entry.Fid.IsZero() && (update.IsZero() || compareUpdates(row.update, update) < 0) {
			at, update = p, row.update
		}
	}
	for p, row := range j.remote.names {
		look(p, row)
	}
	err = scanNames(j.base, func(p location, row nameRow) error {
		look(p, row)
		return nil
	})
	if err != nil {
		return at, update, err
	}
	if update.IsZero() {
		return at, update, coda.Errorf("join", coda.Invalid, "%v has to come back, and nothing says where it was", f)
	}
	return at, update, nil
}

// breakCycles moves a directory to the root that two replicas have, each by a rename that was right for itself, moved below each other.
func (j *join) breakCycles() error {
	for _, f := range slices.SortedFunc(maps.Keys(j.after), coda.Fid.Compare) {
		if !f.IsDirectory() {
			continue
		}
		cycle, err := j.cycleOf(f)
		if err != nil {
			return err
		}
		if len(cycle) == 0 {
			continue
		}
		var moved location
		var movedRow nameRow
		var chosen coda.Fid
		for _, d := range cycle {
			places, err := j.placesOf(d, map[coda.Fid]bool{j.vnodes[d].now.status.Parent: true})
			if err != nil {
				return err
			}
			for _, p := range places {
				row, _, err := j.row(p)
				if err != nil {
					return err
				}
				if chosen.IsZero() || compareUpdates(row.update, movedRow.update) > 0 {
					chosen, moved, movedRow = d, p, row
				}
			}
		}
		root := coda.RootFid(chosen.Volume)
		if err := j.free(moved); err != nil {
			return err
		}
		movedRow.originDir, movedRow.originName = moved.dir, moved.name
		if err := j.put(location{root, moved.name}, movedRow); err != nil {
			return err
		}
		j.writable(chosen).status.Parent = root
	}
	return nil
}

// cycleOf gives the directories from f up to f again, nothing where the way up ends at the root.
func (j *join) cycleOf(f coda.Fid) ([]coda.Fid, error) {
	seen := map[coda.Fid]bool{}
	var path []coda.Fid
	for at := f; !seen[at]; {
		seen[at] = true
		path = append(path, at)
		v, err := j.lookup(at)
		if err != nil || v == nil || v.status.Parent.IsZero() {
			return nil, err
		}
		at = v.status.Parent
		if at == f {
			return path, nil
		}
	}
	return nil, nil
}
