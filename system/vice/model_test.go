package vice_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// model is what a volume should be: maps, and the rules as one would tell them to a person.
type model struct {
	root    coda.Fid
	objects map[coda.Fid]*node
}

type node struct {
	kind    coda.ObjectKind
	store   coda.StoreID
	data    []byte
	target  string
	mode    uint32
	links   uint32
	parent  coda.Fid
	entries map[string]coda.Fid
}

func newModel(root coda.Fid) *model {
	return &model{root: root, objects: map[coda.Fid]*node{root: {kind: coda.Directory, mode: 0o755, links: 1, entries: map[string]coda.Fid{}}}}
}

func (m *model) clone() *model {
	c := &model{root: m.root, objects: map[coda.Fid]*node{}}
	for f, n := range m.objects {
		copied := *n
		if n.entries != nil {
			copied.entries = map[string]coda.Fid{}
			for name, child := range n.entries {
				copied.entries[name] = child
			}
		}
		c.objects[f] = &copied
	}
	return c
}

func (m *model) dir(f coda.Fid) *node {
	if n := m.objects[f]; n != nil && n.kind == coda.Directory {
		return n
	}
	return nil
}

// free reports whether dir can get an entry with this name.
func (m *model) free(dir coda.Fid, name string) bool {
	d := m.dir(dir)
	return d != nil && d.entries[name].IsZero()
}

// is reports whether a name in dir stands for f.
func (m *model) is(dir coda.Fid, name string, f coda.Fid) bool {
	d := m.dir(dir)
	return d != nil && !f.IsZero() && d.entries[name] == f
}

// above reports whether a is b or holds it somewhere below.
func (m *model) above(a, b coda.Fid) bool {
	for ; !b.IsZero(); b = m.objects[b].parent {
		if a == b {
			return true
		}
	}
	return false
}

// mayGo reports whether f may lose a name, to a client that saw it at version base.
func (m *model) mayGo(f coda.Fid, base coda.VersionVector) bool {
	n := m.objects[f]
	switch n.kind {
	case coda.Directory:
		return len(n.entries) == 0
	case coda.File:
		return n.links > 1 || n.store == base.Store
	default:
		return true
	}
}

func (m *model) unname(f coda.Fid) {
	n := m.objects[f]
	if n.links--; n.links == 0 {
		delete(m.objects, f)
	}
}

// apply carries out a record, and reports whether it is one that can be.
func (m *model) apply(client coda.ClientID, r coda.Record, data []byte) bool {
	id := coda.StoreID{Client: client, Number: r.Number}
	switch o := r.Operation.(type) {
	case coda.Create:
		return m.add(o.Parent, o.Name, o.Fid, &node{kind: coda.File, store: id, mode: o.Mode})
	case coda.MakeDirectory:
		return m.add(o.Parent, o.Name, o.Fid, &node{kind: coda.Directory, mode: o.Mode, entries: map[string]coda.Fid{}})
	case coda.MakeSymlink:
		return m.add(o.Parent, o.Name, o.Fid, &node{kind: coda.Symlink, mode: 0o777, target: o.PointsTo})
	case coda.Store:
		n := m.objects[o.Fid]
		if n == nil || n.kind != coda.File || n.store != o.Base.Store {
			return false
		}
		n.data, n.store = data, id
	case coda.SetAttributes:
		n := m.objects[o.Fid]
		if n == nil || (n.kind == coda.File && n.store != o.Base.Store) {
			return false
		}
		n.mode, n.store = *o.Mode, id
	case coda.Link:
		n := m.objects[o.Fid]
		if n == nil || !m.free(o.Parent, o.Name) || n.kind == coda.Directory || n.parent != o.Parent {
			return false
		}
		m.objects[o.Parent].entries[o.Name] = o.Fid
		n.links++
	case coda.Remove:
		return m.take(o.Parent, o.Name, o.Fid, o.Base, false)
	case coda.RemoveDirectory:
		return m.take(o.Parent, o.Name, o.Fid, coda.VersionVector{}, true)
	case coda.Rename:
		return m.rename(o)
	}
	return true
}

func (m *model) add(dir coda.Fid, name string, f coda.Fid, n *node) bool {
	if !m.free(dir, name) || m.objects[f] != nil {
		return false
	}
	n.links, n.parent = 1, dir
	m.objects[f] = n
	m.objects[dir].entries[name] = f
	return true
}

func (m *model) take(dir coda.Fid, name string, f coda.Fid, base coda.VersionVector, isDir bool) bool {
	if !m.is(dir, name, f) || isDir != (m.dir(f) != nil) || !m.mayGo(f, base) {
		return false
	}
	delete(m.objects[dir].entries, name)
	m.unname(f)
	return true
}

func (m *model) rename(o coda.Rename) bool {
	to := m.dir(o.ToParent)
	if !m.is(o.FromParent, o.FromName, o.Fid) || to == nil {
		return false
	}
	n := m.objects[o.Fid]
	if o.FromParent != o.ToParent && ((n.kind == coda.Directory && m.above(o.Fid, o.ToParent)) || (n.kind != coda.Directory && n.links > 1)) {
		return false
	}
	there := to.entries[o.ToName]
	if there == o.Fid {
		return true
	}
	if !there.IsZero() {
		if there != o.Replaced || (n.kind == coda.Directory) != (m.dir(there) != nil) || !m.mayGo(there, o.ReplacedBase) {
			return false
		}
		m.unname(there)
	}
	delete(m.objects[o.FromParent].entries, o.FromName)
	to.entries[o.ToName] = o.Fid
	n.parent = o.ToParent
	return true
}

// tree describes the model as describe does a volume.
func (m *model) tree() []string {
	var lines []string
	var walk func(path string, f coda.Fid)
	walk = func(path string, f coda.Fid) {
		n := m.objects[f]
		length, digest := len(n.data), coda.Digest{}
		switch n.kind {
		case coda.File:
			digest = sha256.Sum256(n.data)
		case coda.Directory:
			length = len(n.entries)
		case coda.Symlink:
			length = len(n.target)
		}
		lines = append(lines, line(path, f, n.kind, n.mode, n.links, length, n.target, digest))
		for name, child := range n.entries {
			walk(path+"/"+name, child)
		}
	}
	walk("", m.root)
	slices.Sort(lines)
	return lines
}

func line(path string, f coda.Fid, kind coda.ObjectKind, mode, links uint32, length int, target string, digest coda.Digest) string {
	return fmt.Sprintf("%s: %v %v %o, %d links, %d long %s %x", path, f, kind, mode, links, length, target, digest[:4])
}

// describe gives one line a path of what a server has below the root, or below one directory of it.
func describe(s *vicetest.Server, below string) []string {
	var lines []string
	for path, st := range s.Tree() {
		rest := path
		if below != "" {
			if path != below && (len(path) <= len(below) || path[:len(below)+1] != below+"/") {
				continue
			}
			rest = path[len(below):]
		} else if path != "" {
			rest = "/" + path
		}
		lines = append(lines, line(rest, st.Fid, st.Kind, st.Mode, st.Links, int(st.Length), st.Target, st.Digest))
	}
	slices.Sort(lines)
	return lines
}

// monkey makes records at random that often make sense.
type monkey struct {
	pick  func(n int) int // a number below n
	model *model
	dirs  []coda.Fid // every directory there ever was
	files []coda.Fid // every file and symlink
}

func one[T any](m *monkey, list []T) T { return list[m.pick(len(list))] }

func (m *monkey) name() string { return string(rune('a' + m.pick(5))) }

// base gives the version that a client would know of f, and sometimes a wrong one.
func (m *monkey) base(f coda.Fid) coda.VersionVector {
	if n := m.model.objects[f]; n != nil && m.pick(10) > 0 {
		return coda.VersionVector{Store: n.store}
	}
	return old
}

// existing picks a directory with entries and one of those, if it finds one.
func (m *monkey) existing() (dir coda.Fid, name string, f coda.Fid) {
	for range 5 {
		dir = one(m, m.dirs)
		for _, name := range []string{m.name(), m.name(), m.name()} {
			if d := m.model.dir(dir); d != nil && !d.entries[name].IsZero() {
				return dir, name, d.entries[name]
			}
		}
	}
	return dir, m.name(), one(m, m.files)
}

// add appends one random record to a log and carries it out in the model. It reports whether the model applied it.
func (m *monkey) add(c *vicetest.Client, log *vicetest.Log) bool {
	dir, name := one(m, m.dirs), m.name()
	var op coda.Operation
	var contents []byte
	switch choice := m.pick(12); {
	case choice < 2 || len(m.files) == 0:
		f := c.NewFid(coda.File)
		m.files = append(m.files, f)
		op = coda.Create{Parent: dir, Name: name, Fid: f, Mode: 0o644}
	case choice == 2:
		f := c.NewFid(coda.Directory)
		m.dirs = append(m.dirs, f)
		op = coda.MakeDirectory{Parent: dir, Name: name, Fid: f, Mode: 0o755}
	case choice == 3:
		f := c.NewFid(coda.Symlink)
		m.files = append(m.files, f)
		op = coda.MakeSymlink{Parent: dir, Name: name, Fid: f, PointsTo: name}
	case choice < 6:
		f := one(m, m.files)
		contents = data(byte(m.pick(256)), []int{0, 1, 100, 5000}[m.pick(4)])
		log.Store(f, m.base(f), contents)
		return m.model.apply(c.ID, log.Records[len(log.Records)-1], contents)
	case choice == 6:
		op = coda.SetAttributes{Fid: one(m, append(m.files, m.dirs...)), Mode: new(uint32(0o600 + m.pick(8)))}
		op = coda.SetAttributes{Fid: op.Target(), Mode: op.(coda.SetAttributes).Mode, Base: m.base(op.Target())}
	case choice == 7:
		dir, _, f := m.existing()
		op = coda.Link{Parent: dir, Name: name, Fid: f}
	case choice == 8:
		dir, name, f := m.existing()
		op = coda.Remove{Parent: dir, Name: name, Fid: f, Base: m.base(f)}
	case choice == 9:
		dir, name, f := m.existing()
		op = coda.RemoveDirectory{Parent: dir, Name: name, Fid: f}
	default:
		from, fromName, f := m.existing()
		r := coda.Rename{FromParent: from, FromName: fromName, Fid: f, ToParent: dir, ToName: name}
		if d := m.model.dir(dir); d != nil && m.pick(10) > 0 {
			r.Replaced = d.entries[name]
			r.ReplacedBase = m.base(r.Replaced)
		}
		op = r
	}
	log.Add(op)
	return m.model.apply(c.ID, log.Records[len(log.Records)-1], contents)
}

// Whatever clients send, the server does what the model does. Each try has a directory of its own.
func TestServerAndModelAgree(t *testing.T) {
	s := vicetest.Start(t, smallLimits)
	clients := []*vicetest.Client{s.Client(1), s.Client(2)}
	tries := 0
	rapid.Check(t, func(rt *rapid.T) {
		tries++
		name := fmt.Sprint(tries)
		setup := clients[0].Log()
		dir := setup.MakeDirectory(clients[0].Root, name)
		setup.Apply()
		m := &monkey{
			pick:  func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "pick") },
			model: newModel(dir), dirs: []coda.Fid{dir},
		}
		for range rapid.IntRange(1, 8).Draw(rt, "batches") {
			c := one(m, clients)
			log := c.Log()
			var refused []uint64
			for range rapid.IntRange(1, 15).Draw(rt, "records") {
				if !m.add(c, log) {
					refused = append(refused, log.Records[len(log.Records)-1].Number)
				}
			}
			for range 1 + m.pick(2) {
				answer, err := log.Send()
				require.NoError(rt, err)
				var got []uint64
				for _, r := range answer.Refusals {
					got = append(got, r.Number)
				}
				require.Equal(rt, refused, got)
			}
			require.Equal(rt, m.model.tree(), describe(s, name))
		}
	})
}
