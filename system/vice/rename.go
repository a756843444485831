package vice

import "github.com/codastress/codastress/system/coda"

func (t *transaction) rename(r coda.Record, o coda.Rename) error {
	if err := t.permitRename(o); err != nil {
		return err
	}
	v, err := t.bound(o.FromParent, o.FromName, o.Fid)
	if err != nil {
		return err
	}
	to, err := t.existing(o.ToParent)
	if err != nil {
		return err
	}
	if err := consistent(v); err != nil {
		return err
	}
	if err := t.permitMount(v.status); err != nil {
		return err
	}
	if err := t.movable(v, o, to); err != nil {
		return err
	}
	target, err := t.name(o.ToParent, o.ToName)
	if err != nil {
		return err
	}
	if target.Fid == o.Fid {
		return nil // two names of one object: rename(2) leaves both
	}
	if !target.Fid.IsZero() {
		if err := t.replace(v, target.Fid, o); err != nil {
			return err
		}
	}
	if o.FromParent != o.ToParent {
		t.change(o.Fid).status.Parent = o.ToParent
	}
	t.bind(o.FromParent, o.FromName, coda.Entry{}, r)
	t.bind(o.ToParent, o.ToName, coda.Entry{Name: o.ToName, Fid: o.Fid, Kind: v.status.Kind}, r)
	return nil
}

// movable refuses what would take a link out of its directory or a directory out of the tree.
func (t *transaction) movable(v *vnode, o coda.Rename, to *vnode) error {
	if o.FromParent == o.ToParent {
		return nil
	}
	if v.status.Kind != coda.Directory {
		if v.status.Links > 1 {
			return refuse(coda.CrossDevice, "%v has %d links", o.Fid, v.status.Links)
		}
		return nil
	}
	for {
		if to.status.Fid == o.Fid {
			return refuse(coda.Invalid, "%v cannot go below itself", o.Fid)
		}
		if to.status.Parent.IsZero() {
			return nil
		}
		parent, err := t.existing(to.status.Parent)
		if err != nil {
			return err
		}
		to = parent
	}
}

// replace removes what stands at the new name, if the client knew it and it may go.
func (t *transaction) replace(v *vnode, f coda.Fid, o coda.Rename) error {
	if f != o.Replaced {
		return refuse(coda.Exists, "%q in %v stands for %v", o.ToName, o.ToParent, f)
	}
	old, err := t.existing(f)
	if err != nil {
		return err
	}
	if err := t.permitMount(old.status); err != nil {
		return err
	}
	switch isDir, wasDir := v.status.Kind == coda.Directory, old.status.Kind == coda.Directory; {
	case isDir && !wasDir:
		return refuse(coda.NotDirectory, "%v", f)
	case !isDir && wasDir:
		return refuse(coda.IsDirectory, "%v", f)
	}
	if err := removable(old, o.ReplacedBase); err != nil {
		return err
	}
	t.unname(old, o.ToParent, o.ToName)
	return nil
}
