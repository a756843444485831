package venus

import (
	"github.com/codastress/codastress/system/coda"
)

// A replica that has missed the making of an object says that it is gone, just as one where it was removed. The directory that it is in tells which it is:
// where the newest version of that has a name for the object, the object is newer than its absence. The replica can promise nothing about what it does not
// have. But it has promised to tell when the directory changes, and it can only get the object together with a name; so that promise will do until
// then.

// presume is collate for an object that some replicas do not have. v.mu is held.
func (v *Venus) presume(o *object, list []testimony) (newest coda.Status, a accord) {
	var here []testimony
	var missing replicas
	for _, t := range list {
		if t.gone {
			missing |= only(t.from.to.slot)
		} else {
			here = append(here, t)
		}
	}
	if missing == 0 || len(here) == 0 {
		return coda.Status{}, divided
	}
	newest, _, a = collate(here)
	d := v.objects[newest.Parent]
	if a != agreed || d == nil || !d.has(needEntries) || !d.fresh(needEntries) || !v.valid(d) || !d.promised.covers(missing) {
		return coda.Status{}, divided
	}
	if _, ok := d.nameOf(o.fid); !ok {
		return coda.Status{}, divided
	}
	for _, r := range v.group.members(missing) {
		if r.presumed[d.fid] == nil {
			r.presumed[d.fid] = map[coda.Fid]bool{}
		}
		r.presumed[d.fid][o.fid] = true
		o.promised |= only(r.slot)
	}
	return newest, agreed
}

// unpresume has a replica asked again about what it did not have when a directory was not what it is now. v.mu is held.
func (v *Venus) unpresume(r *replica, dir coda.Fid) {
	for f := range r.presumed[dir] {
		if o := v.objects[f]; o != nil {
			v.withdraw(o, r)
		}
	}
	delete(r.presumed, dir)
}
