package vice

import (
	"github.com/cockroachdb/pebble/v2"

	"github.com/codastress/codastress/system/coda"
)

// A directory without an ACL has the rights of the one that holds it, and files and symlinks always have those. So nothing has to be copied when something is
// made, and replicas that saw the same updates in different orders have the same rights. docs/rights.md says which right is needed for what.

// inquest finds out what somebody may do, in one view. It remembers what it has found: what is asked for together is mostly in few directories.
type inquest struct {
	base  pebble.Reader
	who   *coda.Identity // nil for this server and its peers, who may do everything
	open  bool           // there is no ACL in the volume
	known map[coda.Fid]coda.Rights
}

// inquestFor begins to ask what somebody may do, in a view.
func (s *Server) inquestFor(who *coda.Identity, base pebble.Reader) *inquest {
	return &inquest{base: base, who: who, open: !s.restricted.Load()}
}

// rights are what may be done with an object: in a directory, or in the one that holds it.
func (q *inquest) rights(v *vnode) (coda.Rights, error) {
	if q.open || q.who == nil {
		return coda.AllRights, nil
	}
	if v.status.Kind != coda.Directory {
		return q.rightsIn(v.status.Parent)
	}
	if v.status.ACL != "" {
		return v.status.ACL.Rights(q.who), nil
	}
	if v.status.Parent.IsZero() {
		return coda.AllRights, nil
	}
	return q.rightsIn(v.status.Parent)
}

func (q *inquest) rightsIn(dir coda.Fid) (coda.Rights, error) {
	if r, ok := q.known[dir]; ok {
		return r, nil
	}
	v, err := getVnode(q.base, dir)
	if err != nil {
		return 0, err
	}
	if v == nil {
		return 0, coda.Errorf("look for rights", coda.IO, "%v is missing", dir)
	}
	r, err := q.rights(v)
	if err != nil {
		return 0, err
	}
	if q.known == nil {
		q.known = map[coda.Fid]coda.Rights{}
	}
	q.known[dir] = r
	return r, nil
}

// mayRead refuses what somebody may not see: attributes and names need lookup, contents of files need read, which gives the attributes as well.
func (q *inquest) mayRead(v *vnode, contents bool) error {
	r, err := q.rights(v)
	if err != nil {
		return err
	}
	needed := coda.Lookup
	if contents && v.status.Kind == coda.File {
		needed = coda.Read
	}
	if r&needed == 0 {
		return coda.Errorf("read "+v.status.Fid.String(), coda.Permission, "%v has the rights %v", q.who, r)
	}
	return nil
}

// permit refuses a record to somebody who does not have all of the rights that it needs in a directory, which is looked up.
func (t *transaction) permit(dir coda.Fid, needed coda.Rights) error {
	if !t.restricted || t.who == nil {
		return nil
	}
	acl, err := t.governing(dir)
	if err != nil {
		return err
	}
	if r := acl.Rights(t.who); r&needed != needed {
		return refuse(coda.Permission, "%v has the rights %v in %v, and needs %v", t.who, r, dir, needed)
	}
	return nil
}

// permitMount refuses to make, move or remove a mount link to everybody but those who administer the cell: what is at a name is for who may do as he likes in
// the directory, but not that the name leads out of the volume.
func (t *transaction) permitMount(s coda.Status) error {
	if _, mounts := coda.MountedVolume(s.Target); !mounts || !t.restricted || t.who == nil || t.who.Is(coda.Administrators) {
		return nil
	}
	return refuse(coda.Permission, "%v is not in System:Administrators, who make and remove mount links", t.who)
}

// governing is the ACL that says what may be done in a directory: its own, or that of the next one above that has one.
func (t *transaction) governing(dir coda.Fid) (coda.ACL, error) {
	for {
		v, err := t.existing(dir)
		if err != nil {
			return "", err
		}
		if v.status.ACL != "" || v.status.Parent.IsZero() {
			return v.status.ACL, nil
		}
		dir = v.status.Parent
	}
}

// permitStore refuses to store in a file. Who may insert may store in what is as it was made, by the same client: or he could not make a file at all.
func (t *transaction) permitStore(v *vnode) error {
	s := &v.status
	virgin := s.Length == 0 && s.Version.Store.Client == t.client && updatesIn(s.Version) == 1
	if virgin && t.permit(s.Parent, coda.Insert) == nil {
		return nil
	}
	return t.permit(s.Parent, coda.Write)
}

// updatesIn is how many updates a version counts at the replica that has seen most.
func updatesIn(v coda.VersionVector) (most uint64) {
	for _, n := range v.Slots {
		most = max(most, n)
	}
	return most
}

// permitAttributes refuses to set attributes. Owners are given by those who administer.
func (t *transaction) permitAttributes(v *vnode, o coda.SetAttributes) error {
	needed := coda.Write
	if o.Owner != nil && *o.Owner != v.status.Owner {
		needed |= coda.Administer
	}
	dir := v.status.Parent
	if v.status.Kind == coda.Directory {
		dir = v.status.Fid
	}
	return t.permit(dir, needed)
}

// permitRename refuses to move something. Who moves it to where another ACL governs it gives it to those who may read there, and so has to be one of those
// who may read it where it is.
func (t *transaction) permitRename(o coda.Rename) error {
	if !t.restricted || t.who == nil {
		return nil
	}
	needed := coda.Insert
	if !o.Replaced.IsZero() {
		needed |= coda.Delete
	}
	if err := t.permit(o.ToParent, needed); err != nil {
		return err
	}
	from, err := t.governing(o.FromParent)
	if err != nil {
		return err
	}
	to, err := t.governing(o.ToParent)
	if err != nil {
		return err
	}
	needed = coda.Delete
	if from != to {
		needed |= coda.Read | coda.Lookup
	}
	return t.permit(o.FromParent, needed)
}

// setACL says who may do what in a directory.
func (t *transaction) setACL(r coda.Record, o coda.SetACL) error {
	v, err := t.existing(o.Fid)
	if err != nil {
		return err
	}
	if v.status.Kind != coda.Directory {
		return refuse(coda.NotDirectory, "%v", o.Fid)
	}
	if err := t.permit(o.Fid, coda.Administer); err != nil {
		return err
	}
	if err := consistent(v); err != nil {
		return err
	}
	if v.status.ACL != o.Was {
		return refuse(coda.Conflict, "somebody else has changed the ACL of %v", o.Fid)
	}
	v = t.update(o.Fid, r.Number)
	v.status.ACL = o.ACL
	if t.replicated() {
		c := t.touched[o.Fid]
		c.acls = append(c.acls, aclUpdate{update: coda.StoreID{Client: t.client, Number: r.Number}, acl: o.ACL})
	}
	t.restricted = true
	return nil
}

// rightsChanged reports whether the transaction has changed what somebody may do.
func (t *transaction) rightsChanged() bool {
	for _, o := range t.vnodes {
		if o.now != o.before && o.now != nil && o.now.status.Kind == coda.Directory && (o.before == nil || o.now.status.ACL != o.before.status.ACL) {
			if o.before != nil || o.now.status.ACL != "" {
				return true
			}
		}
	}
	return false
}
