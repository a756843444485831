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
		if mine == nil || theirs.status == nil {
			continue
		}
		now := new(*mine)
		switch now.status.Kind {
		case coda.Directory:
			err = j.joinAttributes(now, theirs)
		case coda.File:
			err = j.joinFile(now, theirs)
		default:
			j.joinSymlink(now, *theirs.status)
		}
		if err != nil {
			return err
		}
		j.vnodes[f].now = now
	}
	return nil
}

// joinFile joins the contents of a file. Each replica knows the last updates of the file; two that did not see each other are a conflict, in which
// a replica keeps the contents that it has.
func (j *join) joinFile(now *vnode, theirs peerObject) error {
	s := &now.status
	row, _, err := getUnsettled(j.base, s.Fid)
	if err != nil {
		return err
	}
	mine, others := headsOf(*s, row.heads), headsOf(*theirs.status, theirs.heads)
	var heads []coda.StoreID
	for _, h := range mine {
		if slices.Contains(others, h) || !j.known(h) {
			heads = append(heads, h)
		}
	}
	for _, h := range others {
		if !slices.Contains(mine, h) && j.news(h) {
			heads = append(heads, h)
		}
	}
	slices.SortFunc(heads, compareUpdates)
	if !slices.Contains(heads, s.Version.Store) && slices.Contains(heads, theirs.status.Version.Store) {
		j.takeData(now, *theirs.status)
	}
	s.Inconsistent = s.Inconsistent || theirs.status.Inconsistent || len(heads) > 1
	j.heads[s.Fid] = nil
	if len(heads) > 1 {
		j.heads[s.Fid] = heads
	}
	return nil
}

// headsOf are the last updates of a file.
func headsOf(s coda.Status, heads []coda.StoreID) []coda.StoreID {
	if len(heads) > 0 {
		return heads
	}
	return []coda.StoreID{s.Version.Store}
}

// joinSymlink joins the attributes of a symlink, which are all of it that can change. Of two updates that did not see each other the one that is later
// in an order without meaning is taken.
func (j *join) joinSymlink(now *vnode, theirs coda.Status) {
	mine := now.status.Version.Store
	if j.news(theirs.Version.Store) && (j.known(mine) || compareUpdates(theirs.Version.Store, mine) > 0) {
		j.takeData(now, theirs)
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
	s.Modified = max(s.Modified, theirs.status.Modified)
	take := j.news(theirs.attributes) && (j.known(row.attributes) || compareUpdates(theirs.attributes, row.attributes) > 0)
	if j.remote.everything && theirs.attributes.IsZero() && row.attributes.IsZero() {
		take = true
	}
	if take {
		s.Mode, s.Owner = theirs.status.Mode, theirs.status.Owner
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
func (j *join) make(s coda.Status) *vnode {
	v := &vnode{status: s, content: j.contentFor(s)}
	j.heads[s.Fid] = j.remote.objects[s.Fid].heads
	v.status.Version.Slots = [coda.VersionSlots]uint64{}
	v.status.Links = 0
	v.status.Parent = coda.Fid{}
	if s.Kind == coda.Directory {
		v.status.Length = 0
	}
	j.vnodes[s.Fid].now = v
	return v
}
