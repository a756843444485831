package venus

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/codastress/codastress/system/coda"
)

// Keep says what becomes of the two versions of an object in conflict.
type Keep int

// The ways to repair a conflict.
const (
	KeepGlobal Keep = iota + 1 // the server's version stays, the local one goes
	KeepLocal                  // the local version takes the place of the server's
	KeepBoth                   // the server's version stays, the local one gets a name beside it
)

// Repair ends the conflict at a path. It gives the path, from the root, at which the local version is afterwards, "" for nowhere. What it does to
// the server's version goes through the modify log like any other change, with versions that dominate both. Where it fails, or venus dies
// meanwhile, the conflict and both versions are still there.
func (v *Venus) Repair(ctx context.Context, path string, keep Keep) (local string, err error) {
	return v.repair(ctx, path, func(c *call, k *conflict) (string, error) {
		switch keep {
		case KeepGlobal:
			return "", nil
		case KeepLocal:
			return v.keepLocal(ctx, c, k)
		case KeepBoth:
			return v.keepBoth(ctx, c, k)
		default:
			return "", c.fail(coda.Invalid, "%d says nothing about what to keep", keep)
		}
	}, keep != KeepGlobal)
}

// RepairWith ends the conflict at a path with a file that has new contents, in the place of both versions.
func (v *Venus) RepairWith(ctx context.Context, path string, contents io.Reader) error {
	_, err := v.repair(ctx, path, func(c *call, k *conflict) (string, error) {
		at, err := v.repairPlace(ctx, c, k)
		if err != nil {
			return "", err
		}
		mode := uint32(0o644)
		v.mu.Lock()
		if was := k.last().was; was.Kind == coda.File {
			mode = was.Mode
		}
		v.mu.Unlock()
		return "", v.putFile(ctx, c, at, coda.Status{Kind: coda.File, Mode: mode}, contents)
	}, true)
	return err
}

// repair finds the conflict at a path, does what is to be done about it and then forgets the records that had been refused before that.
func (v *Venus) repair(ctx context.Context, path string, do func(c *call, k *conflict) (string, error), online bool) (string, error) {
	c := v.enter("repair", coda.Fid{}, path)
	defer c.leave()
	if online {
		// What is still in the log may be refused, too, and the versions of what is under way are not known.
		if _, err := v.ForceReintegrate(ctx); err != nil {
			return "", c.wrap(err)
		}
	}
	k, err := v.conflictAt(ctx, c, path)
	if err != nil {
		return "", err
	}
	v.mu.Lock()
	records := slices.Clone(k.records)
	v.mu.Unlock()
	c.repairs = true
	local, err := do(c, k)
	if err != nil {
		return "", c.wrap(err)
	}
	t := v.store.begin()
	v.mu.Lock()
	if v.closed {
		v.mu.Unlock()
		return "", t.abandon(c.fail(coda.Closed, "venus is stopping"))
	}
	if v.conflicts.all[k.fid] == k {
		v.settleConflict(t, k, slices.DeleteFunc(records, func(r *refused) bool { return !slices.Contains(k.records, r) }))
	}
	return local, v.done(t)
}

// conflictAt finds the conflict that shows at a path. One that shows nowhere is found by the path that Conflicts gives.
func (v *Venus) conflictAt(ctx context.Context, c *call, path string) (*conflict, error) {
	dir, name, err := v.LookupParent(ctx, path)
	if err == nil && dir.IsDirectory() {
		d, err := v.directory(ctx, c, dir)
		if err != nil {
			return nil, err
		}
		defer v.mu.Unlock()
		e, _ := v.entry(c, d, name)
		if role, f := unshadow(e.Fid); role == roleLink || role == roleExpanded {
			if k := v.conflicts.all[f]; k != nil {
				return k, nil
			}
			return nil, c.fail(coda.Unsupported, "the servers have different versions of %q: they cannot be expanded or repaired yet", path)
		}
	} else {
		v.mu.Lock()
		defer v.mu.Unlock()
	}
	path = strings.Trim(path, "/")
	var found *conflict
	for _, k := range v.conflicts.all {
		is := slices.ContainsFunc(k.records, func(r *refused) bool { return v.pathOfRefused(r) == path })
		if is && (found == nil || k.root().Number < found.root().Number) {
			found = k
		}
	}
	if found == nil {
		return nil, c.fail(coda.NotFound, "%q is not in conflict", path)
	}
	return found, nil
}

// Expand has the conflict at a path show as a directory with the local and the global version, until Collapse, its end or a restart.
func (v *Venus) Expand(ctx context.Context, path string) error { return v.setExpanded(ctx, path, true) }

// Collapse ends an Expand.
func (v *Venus) Collapse(ctx context.Context, path string) error {
	return v.setExpanded(ctx, path, false)
}

func (v *Venus) setExpanded(ctx context.Context, path string, expanded bool) error {
	c := v.enter("expand", coda.Fid{}, path)
	defer c.leave()
	k, err := v.conflictAt(ctx, c, path)
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if k.expanded != expanded {
		k.expanded = expanded
		v.noticeConflict(k)
	}
	return nil
}

// repairPlace is where the server has, or is to have, the object of a conflict: in the root of the volume where its directory is gone.
func (v *Venus) repairPlace(ctx context.Context, c *call, k *conflict) (place, error) {
	v.mu.Lock()
	at, named := k.place, k.named()
	v.mu.Unlock()
	if !named {
		if found, err := v.serverPlace(ctx, c, k.fid); coda.KindOf(err) != coda.NotFound {
			return found, err
		}
	}
	_, err := v.directory(ctx, c, at.dir)
	if err == nil {
		v.mu.Unlock()
		return at, nil
	}
	if kind := coda.KindOf(err); kind != coda.NotFound && kind != coda.NotDirectory {
		return place{}, err
	}
	root, err := v.root(ctx, c)
	if err != nil {
		return place{}, err
	}
	if at.name == "" {
		at.name = k.fid.String()
	}
	return v.freeName(ctx, c, place{root, at.name})
}

// serverPlace finds a name that an object has on the server.
func (v *Venus) serverPlace(ctx context.Context, c *call, f coda.Fid) (place, error) {
	s, err := v.attributes(ctx, c, f)
	if err != nil {
		return place{}, err
	}
	d, err := v.directory(ctx, c, s.Parent)
	if err != nil {
		return place{}, err
	}
	defer v.mu.Unlock()
	name, ok := d.nameOf(f)
	if !ok {
		return place{}, c.fail(coda.Busy, "%v is being moved", f)
	}
	return place{d.fid, name}, nil
}

// freeName gives the first of name, name.local, name.local2 and so on that is free in a directory.
func (v *Venus) freeName(ctx context.Context, c *call, at place) (place, error) {
	d, err := v.directory(ctx, c, at.dir)
	if err != nil {
		return place{}, err
	}
	defer v.mu.Unlock()
	name := at.name
	for i := 1; ; i++ {
		if _, taken := d.lookup(at.name); !taken {
			return at, nil
		}
		suffix := "." + localName
		if i > 1 {
			suffix += fmt.Sprint(i)
		}
		at.name = name[:min(len(name), coda.MaxNameLength-len(suffix))] + suffix
	}
}

// keepLocal makes the server's version what the local one is.
func (v *Venus) keepLocal(ctx context.Context, c *call, k *conflict) (string, error) {
	_, err := v.attributes(ctx, c, k.fid)
	there := err == nil && !k.made()
	if err != nil && coda.KindOf(err) != coda.NotFound {
		return "", err
	}
	v.mu.Lock()
	removal, named, attributes := k.removal(), k.named(), k.attributeChanges()
	op := k.last().Operation
	v.mu.Unlock()
	at, err := v.repairPlace(ctx, c, k)
	switch {
	case err != nil:
	case removal && there:
		return "", v.removeTree(ctx, c, at)
	case removal:
		return "", nil
	case there && named:
		err = v.putName(ctx, c, k.fid, at, op)
	case there && attributes != nil:
		_, err = v.setAttributes(ctx, c, k.fid, *attributes)
	default:
		err = v.put(ctx, c, at, shadow(roleLocal, k.fid))
	}
	if err != nil {
		return "", err
	}
	return v.pathAt(at), nil
}

// attributeChanges are the changes of attributes that a conflict consists of, nil if there are others, too.
func (c *conflict) attributeChanges() *Changes {
	var changes Changes
	for _, r := range c.records {
		op, ok := r.Operation.(coda.SetAttributes)
		if !ok {
			return nil
		}
		if op.Mode != nil {
			changes.Mode = op.Mode
		}
		if op.Owner != nil {
			changes.Owner = op.Owner
		}
		if op.Modified != nil {
			at := op.Modified.Standard()
			changes.Modified = &at
		}
	}
	return &changes
}

// putName gives an object of the server the name that was refused, which it takes from what stands there.
func (v *Venus) putName(ctx context.Context, c *call, f coda.Fid, at place, op coda.Operation) error {
	if _, isLink := op.(coda.Link); !isLink {
		from, err := v.serverPlace(ctx, c, f)
		if err != nil {
			return err
		}
		return v.rename(ctx, c, from, at, false)
	}
	s, found, err := v.find(ctx, c, at)
	if err != nil || s.Fid == f {
		return err
	}
	if found {
		if err := v.removeTree(ctx, c, at); err != nil {
			return err
		}
	}
	_, err = v.link(ctx, c, at, f)
	return err
}

// keepBoth gives the local version a name beside the server's.
func (v *Venus) keepBoth(ctx context.Context, c *call, k *conflict) (string, error) {
	v.mu.Lock()
	nothing := k.removal() || k.nameOnly()
	v.mu.Unlock()
	if nothing {
		return "", nil // the server's version is all there is
	}
	at, err := v.repairPlace(ctx, c, k)
	if err != nil {
		return "", err
	}
	if at, err = v.freeName(ctx, c, at); err != nil {
		return "", err
	}
	if err := v.put(ctx, c, at, shadow(roleLocal, k.fid)); err != nil {
		return "", err
	}
	return v.pathAt(at), nil
}

func (v *Venus) pathAt(at place) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return printablePath(v.pathOf(at.dir), at.name)
}

// find gives what stands at a place on the server.
func (v *Venus) find(ctx context.Context, c *call, at place) (s coda.Status, found bool, err error) {
	o, err := v.child(ctx, c, at.dir, at.name, needStatus)
	if coda.KindOf(err) == coda.NotFound {
		return coda.Status{}, false, nil
	}
	if err != nil {
		return coda.Status{}, false, err
	}
	defer v.mu.Unlock()
	return o.status(), true, nil
}

// put makes what stands at a place what f is: directories are merged, everything else is replaced.
func (v *Venus) put(ctx context.Context, c *call, at place, f coda.Fid) error {
	s, err := v.attributes(ctx, c, f)
	if err != nil {
		return err
	}
	if s.Kind == coda.File {
		h, err := v.open(ctx, c, f, OpenFlags{Read: true})
		if err != nil {
			return err
		}
		defer h.Close(ctx) //nolint:errcheck // it was only read
		return v.putFile(ctx, c, at, s, io.NewSectionReader(h, 0, int64(s.Length)))
	}
	there, found, err := v.find(ctx, c, at)
	if err == nil && found && (there.Kind != s.Kind || s.Kind == coda.Symlink) {
		err, found = v.removeTree(ctx, c, at), false
	}
	if err != nil {
		return err
	}
	if s.Kind == coda.Symlink {
		_, err := v.makeSymlink(ctx, c, at, s.Target, s.Owner)
		return err
	}
	if !found {
		if there, err = v.makeDirectory(ctx, c, at, s.Mode, s.Owner); err != nil {
			return err
		}
	}
	return v.putEntries(ctx, c, there.Fid, f)
}

func (v *Venus) putEntries(ctx context.Context, c *call, dir, from coda.Fid) error {
	d, err := v.directory(ctx, c, from)
	if err != nil {
		return err
	}
	entries := d.list()
	v.mu.Unlock()
	for _, e := range entries {
		if role, _ := unshadow(e.Fid); role == 0 {
			continue // it is the server's already, under another name
		}
		if err := v.put(ctx, c, place{dir, e.Name}, e.Fid); err != nil {
			return err
		}
	}
	return nil
}

// putFile stores contents in the file at a place, which is made where there is none.
func (v *Venus) putFile(ctx context.Context, c *call, at place, s coda.Status, contents io.Reader) (err error) {
	there, found, err := v.find(ctx, c, at)
	if err == nil && found && there.Kind != coda.File {
		err, found = v.removeTree(ctx, c, at), false
	}
	if err != nil {
		return err
	}
	var h *Handle
	flags := OpenFlags{Write: true, Truncate: true}
	if found {
		h, err = v.open(ctx, c, there.Fid, flags)
	} else {
		_, h, err = v.createNew(ctx, c, at.dir, at.name, s.Mode, s.Owner, flags)
	}
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := h.Close(ctx); err == nil {
			err = closeErr
		}
	}()
	if _, err := io.Copy(io.NewOffsetWriter(h, 0), contents); err != nil {
		h.abandon()
		return containerError("copy the contents of "+c.String(), err)
	}
	if err := h.Flush(ctx); err != nil || !found || there.Mode == s.Mode {
		return err
	}
	_, err = v.setAttributes(ctx, c, there.Fid, Changes{Mode: &s.Mode})
	return err
}

// removeTree removes what stands at a place, with all that it holds.
func (v *Venus) removeTree(ctx context.Context, c *call, at place) error {
	s, found, err := v.find(ctx, c, at)
	if err != nil || !found {
		return err
	}
	if s.Kind != coda.Directory {
		return v.remove(ctx, c, at.dir, at.name)
	}
	d, err := v.directory(ctx, c, s.Fid)
	if err != nil {
		return err
	}
	entries := d.list()
	v.mu.Unlock()
	for _, e := range entries {
		if err := v.removeTree(ctx, c, place{s.Fid, e.Name}); err != nil {
			return err
		}
	}
	return v.removeDirectory(ctx, c, at.dir, at.name)
}
