package vice

import (
	"errors"
	"fmt"

	"github.com/codastress/codastress/system/coda"
)

// refuse is the error of a record that cannot be applied to the present state. It becomes the record's coda.Refusal.
func refuse(kind coda.ErrorKind, format string, args ...any) error {
	return &refusal{kind: kind, why: fmt.Sprintf(format, args...)}
}

type refusal struct {
	kind coda.ErrorKind
	why  string
}

func (r *refusal) Error() string { return r.kind.Error() + ": " + r.why }

// maxWhy bounds the text of a refusal, which can quote names and is remembered.
const maxWhy = 300

// apply carries out a record or refuses it; a refused record has changed nothing. Any other error means that the state could not be
// read, and the whole transaction must be given up.
func (t *transaction) apply(r coda.Record, contents map[uint64]upload) (*coda.Refusal, error) {
	err := t.perform(r, contents)
	if refused, ok := errors.AsType[*refusal](err); ok {
		return &coda.Refusal{Number: r.Number, Kind: refused.kind, Why: refused.why[:min(len(refused.why), maxWhy)]}, nil
	}
	t.applied = t.applied || err == nil
	return nil, err
}

func (t *transaction) perform(r coda.Record, contents map[uint64]upload) error {
	if v, ok := coda.Volume(r.Operation); !ok || v != t.batch.volume {
		return refuse(coda.CrossDevice, "%v is not about volume %x alone", r.Operation, t.batch.volume)
	}
	t.number = r.Number
	switch o := r.Operation.(type) {
	case coda.Store:
		return t.store(r, o, contents[r.Number].content)
	case coda.Create:
		return t.create(r, o.Parent, o.Name, coda.Status{
			Fid: o.Fid, Kind: coda.File, Mode: o.Mode, Owner: o.Owner, Digest: coda.EmptyDigest(),
		})
	case coda.MakeDirectory:
		return t.create(r, o.Parent, o.Name, coda.Status{Fid: o.Fid, Kind: coda.Directory, Mode: o.Mode, Owner: o.Owner})
	case coda.MakeSymlink:
		return t.create(r, o.Parent, o.Name, coda.Status{
			Fid: o.Fid, Kind: coda.Symlink, Mode: coda.ModeMask, Owner: o.Owner, Target: o.PointsTo, Length: uint64(len(o.PointsTo)),
		})
	case coda.Link:
		return t.link(r, o)
	case coda.Remove:
		return t.remove(r, o)
	case coda.RemoveDirectory:
		return t.removeDirectory(r, o)
	case coda.Rename:
		return t.rename(r, o)
	case coda.SetAttributes:
		return t.setAttributes(r, o)
	case coda.SetACL:
		return t.setACL(r, o)
	default:
		return refuse(coda.Unsupported, "%v", o)
	}
}

// certify refuses an operation on a file that somebody else updated after the version that the operation is based on.
func certify(v *vnode, base coda.VersionVector) error {
	if err := consistent(v); err != nil {
		return err
	}
	now := v.status.Version
	if base.WeaklyEqual(now) || (base.Store.IsZero() && now.Store.IsZero() && base.Compare(now) == coda.Equal) {
		return nil
	}
	return refuse(coda.Conflict, "%v is at version %v, the operation is based on %v", v.status.Fid, now, base)
}

// consistent refuses to change what only a person can repair.
func consistent(v *vnode) error {
	if v.status.Inconsistent {
		return refuse(coda.Conflict, "%v is inconsistent: its replicas were changed without seeing each other", v.status.Fid)
	}
	return nil
}

// existing finds an object that must be there.
func (t *transaction) existing(f coda.Fid) (*vnode, error) {
	v, err := t.lookup(f)
	if err == nil && v == nil {
		err = refuse(coda.NotFound, "%v", f)
	}
	return v, err
}

// bound finds the object that a name must stand for.
func (t *transaction) bound(dir coda.Fid, name string, f coda.Fid) (*vnode, error) {
	if _, err := t.existing(dir); err != nil {
		return nil, err
	}
	e, err := t.name(dir, name)
	switch {
	case err != nil:
		return nil, err
	case e.Fid.IsZero():
		return nil, refuse(coda.NotFound, "%q in %v", name, dir)
	case e.Fid != f:
		return nil, refuse(coda.Conflict, "%q in %v stands for %v, not for %v", name, dir, e.Fid, f)
	}
	return t.existing(f)
}

// free refuses a name that is taken.
func (t *transaction) free(dir coda.Fid, name string) error {
	if _, err := t.existing(dir); err != nil {
		return err
	}
	e, err := t.name(dir, name)
	if err == nil && !e.Fid.IsZero() {
		err = refuse(coda.Exists, "%q in %v stands for %v", name, dir, e.Fid)
	}
	return err
}

func (t *transaction) store(r coda.Record, o coda.Store, c content) error {
	v, err := t.existing(o.Fid)
	if err != nil {
		return err
	}
	if v.status.Kind != coda.File {
		return refuse(coda.Invalid, "%v is a %v", o.Fid, v.status.Kind)
	}
	if err := t.permitStore(v); err != nil {
		return err
	}
	if err := certify(v, o.Base); err != nil {
		return err
	}
	if err := t.room(0, int64(o.Length)-int64(v.status.Length)); err != nil {
		return err
	}
	v = t.update(o.Fid, r.Number)
	t.used.bytes += int64(o.Length) - int64(v.status.Length)
	v.content = c
	v.status.Length = o.Length
	v.status.Digest = o.Digest
	v.status.Modified = r.Time
	return nil
}

// create makes the object that s describes.
func (t *transaction) create(r coda.Record, dir coda.Fid, name string, s coda.Status) error {
	if !t.granted(s.Fid.Number()) {
		return refuse(coda.Invalid, "%v was not granted", s.Fid)
	}
	if err := t.permit(dir, coda.Insert); err != nil {
		return err
	}
	if err := t.free(dir, name); err != nil {
		return err
	}
	v, err := t.lookup(s.Fid)
	if err != nil {
		return err
	}
	if v != nil {
		return refuse(coda.Exists, "%v was made before", s.Fid)
	}
	if err := t.permitMount(s); err != nil {
		return err
	}
	if err := t.room(1, 0); err != nil {
		return err
	}
	s.Parent, s.Links, s.Modified = dir, 1, r.Time
	t.add(r.Number, s)
	t.bind(dir, name, coda.Entry{Name: name, Fid: s.Fid, Kind: s.Kind}, r)
	return nil
}

func (t *transaction) link(r coda.Record, o coda.Link) error {
	if err := t.permit(o.Parent, coda.Insert); err != nil {
		return err
	}
	if err := t.free(o.Parent, o.Name); err != nil {
		return err
	}
	v, err := t.existing(o.Fid)
	if err != nil {
		return err
	}
	if v.status.Inconsistent {
		return consistent(v)
	}
	if err := t.permitMount(v.status); err != nil {
		return err
	}
	switch {
	case v.status.Kind == coda.Directory:
		return refuse(coda.IsDirectory, "%v", o.Fid)
	case v.status.Parent != o.Parent:
		return refuse(coda.CrossDevice, "%v is in %v, the link would be in %v", o.Fid, v.status.Parent, o.Parent)
	case v.status.Links >= coda.MaxLinks:
		return refuse(coda.TooManyLinks, "%v", o.Fid)
	}
	v = t.change(o.Fid)
	v.status.Links++
	t.bind(o.Parent, o.Name, coda.Entry{Name: o.Name, Fid: o.Fid, Kind: v.status.Kind}, r)
	return nil
}

// removable refuses to take a name from an object that must not lose it.
func removable(v *vnode, base coda.VersionVector) error {
	switch {
	case v.status.Inconsistent:
		return consistent(v)
	case v.status.Kind == coda.Directory && v.status.Length > 0:
		return refuse(coda.NotEmpty, "%v has %d entries", v.status.Fid, v.status.Length)
	case v.status.Kind == coda.File && v.status.Links == 1:
		return certify(v, base)
	default:
		return nil
	}
}

// unname takes one name from an object, and the object with its last.
func (t *transaction) unname(v *vnode, dir coda.Fid, name string) {
	if v.status.Links > 1 {
		t.change(v.status.Fid).status.Links--
		return
	}
	t.drop(v.status.Fid, dir, name)
}

func (t *transaction) remove(r coda.Record, o coda.Remove) error {
	if err := t.permit(o.Parent, coda.Delete); err != nil {
		return err
	}
	v, err := t.bound(o.Parent, o.Name, o.Fid)
	if err != nil {
		return err
	}
	if v.status.Kind == coda.Directory {
		return refuse(coda.IsDirectory, "%v", o.Fid)
	}
	if err := t.permitMount(v.status); err != nil {
		return err
	}
	if err := removable(v, o.Base); err != nil {
		return err
	}
	t.unname(v, o.Parent, o.Name)
	t.bind(o.Parent, o.Name, coda.Entry{}, r)
	return nil
}

func (t *transaction) removeDirectory(r coda.Record, o coda.RemoveDirectory) error {
	if err := t.permit(o.Parent, coda.Delete); err != nil {
		return err
	}
	v, err := t.bound(o.Parent, o.Name, o.Fid)
	if err != nil {
		return err
	}
	if v.status.Kind != coda.Directory {
		return refuse(coda.NotDirectory, "%v", o.Fid)
	}
	if err := removable(v, coda.VersionVector{}); err != nil {
		return err
	}
	t.unname(v, o.Parent, o.Name)
	t.bind(o.Parent, o.Name, coda.Entry{}, r)
	return nil
}

func (t *transaction) setAttributes(r coda.Record, o coda.SetAttributes) error {
	v, err := t.existing(o.Fid)
	if err != nil {
		return err
	}
	if err := t.permitAttributes(v, o); err != nil {
		return err
	}
	if v.status.Kind == coda.File {
		if err := certify(v, o.Base); err != nil {
			return err
		}
	}
	v = t.update(o.Fid, r.Number)
	if o.Mode != nil || o.Owner != nil {
		t.attributes(o.Fid)
	}
	if o.Mode != nil {
		v.status.Mode = *o.Mode
	}
	if o.Modified != nil {
		v.status.Modified = *o.Modified
	}
	if o.Owner != nil {
		v.status.Owner = *o.Owner
	}
	return nil
}
