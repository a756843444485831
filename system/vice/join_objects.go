package vice

import (
	"maps"
	"slices"

	"github.com/codastress/codastress/system/coda"
)

// joinObjects joins the contents and attributes of objects that both replicas have.
func (j *join) joinObjects() error {
	for _, f := range slices.SortedFunc(maps.Keys(j.remote.objects), coda.Fid.Compare) {
		theirs := j.remote.objects[f]
		j.after[f] = true
		mine, err := j.lookup(f)
		if err != nil {
			return err
		}
		if mine == nil || (theirs.status == nil && theirs.removed == nil) {
			continue
		}
		now := new(*mine)
		if f.IsDirectory() {
			err = j.joinAttributes(now, theirs)
		} else {
			err = j.joinData(now, theirs)
		}
		if err != nil {
			return err
		}
		j.vnodes[f].now = now
	}
	return nil
}

// joinData joins the contents and attributes of a file, or the attributes of a symlink. Each replica knows the last updates. Two that did not see each
// other are a conflict of a file, in which a replica keeps the contents that it has; of a symlink, the one that is later in an order without
// meaning is taken.
func (j *join) joinData(now *vnode, theirs peerObject) error {
	s := &now.status
	row, _, err := getUnsettled(j.base, s.Fid)
	if err != nil {
		return err
	}
	heads := j.joinHeads(headsOf(s.Version.Store, row.heads), theirs.lastUpdates())
	if s.Kind != coda.File && len(heads) > 1 {
		heads = heads[len(heads)-1:]
	}
	if other := theirs.status; other != nil {
		if !slices.Contains(heads, s.Version.Store) && slices.Contains(heads, other.Version.Store) {
			j.takeData(now, *other)
		}
		s.Inconsistent = s.Inconsistent || other.Inconsistent
	}
	s.Inconsistent = s.Inconsistent || len(heads) > 1
	j.noteHeads(*s, heads)
	return nil
}

// joinHeads joins the last updates of which two replicas know: those of both, and those of one that the other one has not seen. An update that only this
// replica still counts among the last is superseded where the other one has one that this one has not; otherwise the other one has forgotten it, as
// it is settled, while the conflict goes on.
func (j *join) joinHeads(mine, theirs []coda.StoreID) []coda.StoreID {
	var heads []coda.StoreID
	later := slices.ContainsFunc(theirs, func(h coda.StoreID) bool { return !slices.Contains(mine, h) })
	for _, h := range mine {
		if slices.Contains(theirs, h) || !later || !j.known(h) {
			heads = append(heads, h)
		}
	}
	for _, h := range theirs {
		if !slices.Contains(mine, h) && j.news(h) {
			heads = append(heads, h)
		}
	}
	slices.SortFunc(heads, compareUpdates)
	return heads
}

// noteHeads keeps the last updates of an object where they are not simply the one that its contents are of: in a conflict, and where the replica from
// which this one knows of the last update had removed the object and so could not give the contents.
func (j *join) noteHeads(s coda.Status, heads []coda.StoreID) {
	j.heads[s.Fid] = nil
	if len(heads) > 1 || (len(heads) == 1 && heads[0] != s.Version.Store) {
		j.heads[s.Fid] = heads
	}
}

// headsOf are the last updates of a file or symlink.
func headsOf(last coda.StoreID, heads []coda.StoreID) []coda.StoreID {
	if len(heads) > 0 {
		return heads
	}
	return []coda.StoreID{last}
}

// lastUpdates are the last updates of a file or symlink, also of one that was removed.
func (o peerObject) lastUpdates() []coda.StoreID {
	switch {
	case o.status != nil:
		return headsOf(o.status.Version.Store, o.heads)
	case o.removed != nil:
		return headsOf(o.removed.version.Store, o.heads)
	default:
		return nil
	}
}

func (j *join) takeData(now *vnode, theirs coda.Status) {
	s := &now.status
	s.Mode, s.Owner, s.Modified = theirs.Mode, theirs.Owner, theirs.Modified
	s.Version.Store = theirs.Version.Store
	if s.Kind != coda.File {
		return
	}
	s.Length, s.Digest = theirs.Length, theirs.Digest
	now.content = j.contentFor(theirs)
}

// contentFor gives the contents of a file that have been fetched, or notes that they have to be.
func (j *join) contentFor(s coda.Status) content {
	if s.Kind != coda.File || s.Length == 0 {
		return content{}
	}
	if a, ok := j.contents[s.Fid]; ok && a.digest == s.Digest {
		return a.content
	}
	j.wanted[s.Fid] = s
	return content{}
}

// joinAttributes joins the attributes of a directory. Of two updates that did not see each other the one that is later in an order without meaning is
// taken: a directory in conflict would take away everything that is in it.
func (j *join) joinAttributes(now *vnode, theirs peerObject) error {
	row, _, err := getUnsettled(j.base, now.status.Fid)
	if err != nil {
		return err
	}
	s := &now.status
	after := j.attributesAfter(s.Fid, row.attributes)
	j.heads[s.Fid] = nil
	if theirs.status == nil {
		if after != row.attributes || len(row.heads) > 0 {
			j.heads[s.Fid] = []coda.StoreID{after} // and the attributes are still to be had
		}
		return nil
	}
	s.Modified = max(s.Modified, theirs.status.Modified)
	missing := after != row.attributes || len(row.heads) > 0
	given := after == theirs.attributes && len(theirs.heads) == 0
	switch {
	case missing && given, j.remote.everything && theirs.attributes.IsZero() && row.attributes.IsZero():
		s.Mode, s.Owner = theirs.status.Mode, theirs.status.Owner
	case missing:
		j.heads[s.Fid] = []coda.StoreID{after}
	}
	return nil
}

// attributesAfter is the update that has set a directory's attributes, after the join.
func (j *join) attributesAfter(f coda.Fid, mine coda.StoreID) coda.StoreID {
	theirs := j.remote.objects[f].attributes
	if j.news(theirs) && (j.known(mine) || compareUpdates(theirs, mine) > 0) {
		return theirs
	}
	return mine
}

// make makes an object of the other replica that this one does not have.
func (j *join) make(s coda.Status) (*vnode, error) {
	row, _, err := getUnsettled(j.base, s.Fid)
	if err != nil {
		return nil, err
	}
	v := &vnode{status: s, content: j.contentFor(s)}
	v.status.Version.Slots = [coda.VersionSlots]uint64{}
	v.status.Links = 0
	v.status.Parent = coda.Fid{}
	if s.Kind == coda.Directory {
		v.status.Length = 0
	}
	j.vnodes[s.Fid].now = v
	theirs := j.remote.objects[s.Fid]
	switch {
	case s.Kind == coda.Directory:
		j.heads[s.Fid] = theirs.heads
	case row.removed != nil:
		j.noteHeads(s, j.joinHeads(headsOf(row.removed.version.Store, row.heads), theirs.lastUpdates()))
	default:
		j.noteHeads(s, theirs.lastUpdates())
	}
	return v, nil
}
