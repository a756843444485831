package venus

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk"
)

// conflict is a record that the server refused, and what is kept of it.
type conflict struct {
	Record    uint64
	Operation string
	Path      string // as it was known; quoted where it is not UTF-8
	Why       string
	Kept      string // the file with the contents, "" for none
}

// Conflict describes local work that the server refused because it conflicts with what others had done.
type Conflict struct {
	Record    uint64
	Operation string
	Path      string
	Why       string
	Kept      string // the file with the contents that were to be stored, "" where there are none
	Head      []byte // its first bytes, at most 4096
}

// Conflicts lists the work that the server refused, oldest first.
func (v *Venus) Conflicts() ([]Conflict, error) {
	v.mu.Lock()
	list := make([]Conflict, 0, len(v.conflicts))
	for _, c := range v.conflicts {
		list = append(list, Conflict{Record: c.Record, Operation: c.Operation, Path: c.Path, Why: c.Why, Kept: c.Kept})
	}
	v.mu.Unlock()
	slices.SortFunc(list, func(a, b Conflict) int { return cmp.Compare(a.Record, b.Record) })
	for i := range list {
		if list[i].Kept == "" {
			continue
		}
		head, err := readHead(v.cfg.Disk, list[i].Kept)
		if err != nil {
			return nil, err
		}
		list[i].Head = head
	}
	return list, nil
}

func readHead(on disk.FS, path string) ([]byte, error) {
	f, err := on.OpenFile(path, os.O_RDONLY)
	if err != nil {
		return nil, containerError("open kept contents", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return nil, containerError("read kept contents", err)
	}
	return b, nil
}

// keepContents gives the contents of refused stores a second name among the conflicts, before anything forgets their first. They are synced: once the
// server has been told to forget what it had refused before, nobody else has them any more.
func (v *Venus) keepContents(batch []*record, refused map[uint64]coda.Refusal) (map[uint64]string, error) {
	kept := map[uint64]string{}
	dir := filepath.Join(v.cfg.Dir, "conflicts")
	for _, r := range batch {
		if _, ok := refused[r.Number]; !ok || r.contents == nil {
			continue
		}
		path := filepath.Join(dir, fmt.Sprint(r.Number))
		if err := v.syncContents(r.contents); err != nil {
			return nil, err
		}
		if err := v.cfg.Disk.Link(r.contents.path, path); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, containerError("keep refused contents", err)
		}
		kept[r.Number] = path
	}
	if len(kept) == 0 {
		return kept, nil
	}
	return kept, syncDirectory(v.cfg.Disk, dir)
}

func (v *Venus) syncContents(c *container) error {
	f, err := c.open(v.cfg.Disk)
	if err != nil {
		return err
	}
	defer c.close()
	if err := f.Sync(); err != nil {
		return containerError("sync container "+c.name, err)
	}
	return nil
}

// keepConflict notes a refused record. v.mu is held, and the record is still part of the local view.
func (v *Venus) keepConflict(t *tx, r *record, refusal coda.Refusal, kept string) {
	c := conflict{
		Record: r.Number, Operation: r.Operation.String(), Path: v.pathOfRecord(r),
		Why: fmt.Sprintf("%v: %s", refusal.Kind, refusal.Why), Kept: kept,
	}
	v.logger.Warn("the server refused a change", "record", c.Record, "operation", c.Operation, "path", c.Path, "why", c.Why, "kept", c.Kept)
	v.conflicts[r.Number] = c
	if r.contents != nil {
		r.contents.linked = true
		r.contents.synced = true // so their first name goes only when the conflict is on the disk
	}
	b, err := json.Marshal(c)
	t.fail(err)
	t.set(numberKey(keyConflict, r.Number), b)
}

// pathOfRecord names what a record is about, as far as the cache knows.
func (v *Venus) pathOfRecord(r *record) string {
	if names := namings(r.Operation); len(names) > 0 {
		n := names[len(names)-1]
		return printablePath(v.pathOf(n.dir), n.name)
	}
	return v.pathOf(r.Operation.Target())
}

// pathOf gives the path of an object from the root, as far as the cache knows: it begins with a fid in brackets where it does not reach the
// root, and the root itself is "".
func (v *Venus) pathOf(f coda.Fid) string {
	var names []string
	for range 1000 { // a bound, in case the parents go round in a circle
		if f == v.volume.Root {
			return strings.Join(names, "/")
		}
		parent, name, ok := v.nameOf(f)
		if !ok {
			break
		}
		names = slices.Insert(names, 0, printablePath("", name))
		f = parent
	}
	return strings.Join(append([]string{"[" + f.String() + "]"}, names...), "/")
}

// nameOf finds a name of an object: one that it has, or else the one under which it was seen last.
func (v *Venus) nameOf(f coda.Fid) (parent coda.Fid, name string, ok bool) {
	o := v.objects[f]
	if o == nil {
		return coda.Fid{}, "", false
	}
	if d := v.objects[o.local.Parent]; d != nil {
		if e, ok := d.lookup(o.last.name); ok && e.Fid == f {
			return d.fid, o.last.name, true
		}
		if name, ok := d.nameOf(f); ok {
			return d.fid, name, true
		}
	}
	return o.last.dir, o.last.name, o.last.name != ""
}

// nameOf finds a name that stands for f.
func (o *object) nameOf(f coda.Fid) (string, bool) {
	for _, ts := range o.touches {
		if e := ts[len(ts)-1].entry; e.Fid == f {
			return e.Name, true
		}
	}
	for name, e := range o.entries {
		if e.Fid == f && len(o.touches[name]) == 0 {
			return name, true
		}
	}
	return "", false
}

// printablePath joins a printable path and a name, which is quoted where it is not UTF-8.
func printablePath(dir, name string) string {
	if strings.ToValidUTF8(name, "") != name {
		name = fmt.Sprintf("%q", name)
	}
	if dir == "" {
		return name
	}
	return dir + "/" + name
}
