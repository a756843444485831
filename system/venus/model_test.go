package venus_test

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// node is an object of the model.
type node struct {
	kind     coda.ObjectKind
	names    map[string]*node // of a directory
	contents string           // of a file, or a symlink's target
	mode     uint32
	modified int64 // seconds, 0 for unknown
	links    int
}

// model is what a single client must see, however its log is cancelled, cut into batches, interrupted and replayed.
type model struct{ root *node }

func newModel() *model { return &model{root: &node{kind: coda.Directory, names: map[string]*node{}}} }

func (m *model) at(p string) *node {
	n := m.root
	for _, name := range strings.Split(p, "/") {
		if name != "" && name != "." && n != nil {
			n = n.names[name]
		}
	}
	return n
}

func (m *model) split(p string) (dir *node, name string) { return m.at(path.Dir(p)), path.Base(p) }

// tree gives the model in the form of client.tree.
func (m *model) tree() map[string]string {
	tree := map[string]string{}
	var walk func(n *node, prefix string)
	walk = func(n *node, prefix string) {
		for name, c := range n.names {
			switch c.kind {
			case coda.Directory:
				tree[prefix+name] = "directory"
				walk(c, prefix+name+"/")
			case coda.Symlink:
				tree[prefix+name] = "symlink " + c.contents
			default:
				tree[prefix+name] = describe(uint32(c.links), []byte(c.contents))
			}
		}
	}
	walk(m.root, "")
	return tree
}

// paths lists what is there, and a name that is free in every directory.
func (m *model) paths(dirs bool) (list []string) {
	for p, what := range m.tree() {
		if !dirs || what == "directory" {
			list = append(list, p)
		}
	}
	slices.Sort(list)
	return list
}

func (m *model) rename(from, to string) coda.ErrorKind {
	fromDir, fromName := m.split(from)
	toDir, toName := m.split(to)
	n, old := fromDir.names[fromName], toDir.names[toName]
	switch {
	case n == old:
		return 0
	case n.kind == coda.Directory && (to == from || strings.HasPrefix(to, from+"/")):
		return coda.Invalid
	case fromDir != toDir && n.kind != coda.Directory && n.links > 1:
		return coda.CrossDevice
	case old == nil:
	case n.kind == coda.Directory && old.kind != coda.Directory:
		return coda.NotDirectory
	case n.kind != coda.Directory && old.kind == coda.Directory:
		return coda.IsDirectory
	case old.kind == coda.Directory && len(old.names) > 0:
		return coda.NotEmpty
	default:
		old.links--
	}
	delete(fromDir.names, fromName)
	toDir.names[toName] = n
	return 0
}

// machine drives a client and the model side by side.
type machine struct {
	*rapid.T
	s     *vicetest.Server
	c     *client
	m     *model
	steps int
}

func (x *machine) dir() string {
	dirs := append([]string{""}, x.m.paths(true)...)
	return rapid.SampledFrom(dirs).Draw(x.T, "directory")
}

func (x *machine) newPath() string {
	return path.Join(x.dir(), rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(x.T, "name"))
}

func (x *machine) some() string {
	list := x.m.paths(false)
	if len(list) == 0 {
		x.Skip("nothing there")
	}
	return rapid.SampledFrom(list).Draw(x.T, "path")
}

// expect checks the outcome of an operation.
func (x *machine) expect(kind coda.ErrorKind, err error) {
	x.steps++
	require.Equal(x.T, kind, coda.KindOf(err), "%v", err)
}

func (x *machine) write() {
	p := x.newPath()
	dir, name := x.m.split(p)
	contents := fmt.Sprintf("%d %s", x.steps, strings.Repeat("x", rapid.IntRange(0, 50).Draw(x.T, "length")))
	err := x.c.tryWrite(p, contents)
	switch n := dir.names[name]; {
	case n == nil:
		dir.names[name] = &node{kind: coda.File, contents: contents, mode: 0o644, links: 1}
		x.expect(0, err)
	case n.kind == coda.File:
		n.contents, n.modified = contents, 0
		x.expect(0, err)
	case n.kind == coda.Directory:
		x.expect(coda.IsDirectory, err)
	default:
		x.expect(coda.Invalid, err)
	}
}

func (x *machine) mkdir() {
	p := x.newPath()
	dir, name := x.m.split(p)
	parent, _ := x.c.parent(p)
	_, err := x.c.MakeDirectory(x.c.t.Context(), parent, name, 0o755, 0)
	if dir.names[name] != nil {
		x.expect(coda.Exists, err)
		return
	}
	dir.names[name] = &node{kind: coda.Directory, names: map[string]*node{}, mode: 0o755, links: 1}
	x.expect(0, err)
}

func (x *machine) symlink() {
	p := x.newPath()
	dir, name := x.m.split(p)
	parent, _ := x.c.parent(p)
	target := fmt.Sprint("target ", x.steps)
	_, err := x.c.MakeSymlink(x.c.t.Context(), parent, name, target, 0)
	if dir.names[name] != nil {
		x.expect(coda.Exists, err)
		return
	}
	dir.names[name] = &node{kind: coda.Symlink, contents: target, mode: 0o777, links: 1}
	x.expect(0, err)
}

func (x *machine) link() {
	from, to := x.some(), x.newPath()
	n := x.m.at(from)
	fromDir, _ := x.m.split(from)
	dir, name := x.m.split(to)
	s, err := x.c.at(from)
	require.NoError(x.T, err)
	parent, _ := x.c.parent(to)
	_, err = x.c.Link(x.c.t.Context(), parent, name, s.Fid)
	switch {
	case n.kind == coda.Directory:
		x.expect(coda.IsDirectory, err)
	case dir.names[name] != nil:
		x.expect(coda.Exists, err)
	case fromDir != dir:
		x.expect(coda.CrossDevice, err)
	default:
		n.links++
		dir.names[name] = n
		x.expect(0, err)
	}
}

func (x *machine) remove() {
	p := x.some()
	dir, name := x.m.split(p)
	n := dir.names[name]
	parent, _ := x.c.parent(p)
	if n.kind == coda.Directory {
		x.expect(coda.IsDirectory, x.c.Remove(x.c.t.Context(), parent, name))
		err := x.c.RemoveDirectory(x.c.t.Context(), parent, name)
		if len(n.names) > 0 {
			x.expect(coda.NotEmpty, err)
			return
		}
		x.expect(0, err)
	} else {
		x.expect(coda.NotDirectory, x.c.RemoveDirectory(x.c.t.Context(), parent, name))
		x.expect(0, x.c.Remove(x.c.t.Context(), parent, name))
		n.links--
	}
	delete(dir.names, name)
}

func (x *machine) rename() {
	from, to := x.some(), x.newPath()
	fromDir, fromName := x.c.parent(from)
	toDir, toName := x.c.parent(to)
	err := x.c.Rename(x.c.t.Context(), fromDir, fromName, toDir, toName, false)
	x.expect(x.m.rename(from, to), err)
}

func (x *machine) attributes() {
	p := x.some()
	n := x.m.at(p)
	s, err := x.c.at(p)
	require.NoError(x.T, err)
	var changes venus.Changes
	if rapid.Bool().Draw(x.T, "mode") {
		n.mode = uint32(rapid.IntRange(0o400, 0o777).Draw(x.T, "bits"))
		changes.Mode = &n.mode
	}
	if rapid.Bool().Draw(x.T, "time") {
		n.modified = int64(rapid.IntRange(1, 1000).Draw(x.T, "seconds"))
		modified := time.Unix(n.modified, 0)
		changes.Modified = &modified
	}
	if n.kind == coda.File && rapid.Bool().Draw(x.T, "truncate") {
		length := uint64(rapid.IntRange(0, 10).Draw(x.T, "length"))
		changes.Length = &length
		contents := n.contents + strings.Repeat("\x00", 10)
		n.contents = contents[:length]
		if changes.Modified == nil {
			n.modified = 0
		}
	}
	_, err = x.c.SetAttributes(x.c.t.Context(), s.Fid, changes)
	x.expect(0, err)
}

// check compares everything that the client sees with the model.
func (x *machine) check() {
	require.Equal(x.T, x.m.tree(), x.c.tree())
	for _, p := range x.m.paths(false) {
		n := x.m.at(p)
		s, err := x.c.at(p)
		require.NoError(x.T, err)
		require.Equal(x.T, n.mode, s.Mode, "mode of %s", p)
		if n.kind == coda.Directory {
			require.EqualValues(x.T, len(n.names), s.Length, "length of %s", p)
		} else if n.modified != 0 {
			require.Equal(x.T, n.modified, s.Modified.Standard().Unix(), "time of %s", p)
		}
	}
}

// sync has the server take the log, and compares it with the model.
func (x *machine) sync() {
	x.c.Reconnect()
	require.Eventually(x.T, func() bool { return x.c.Servers()[0].Up }, patience, time.Millisecond)
	x.c.settle()
	tree := serverTree(x.s)
	require.Equal(x.T, x.m.tree(), tree)
	for p, s := range x.s.Tree() {
		if n := x.m.at(p); p != "" {
			require.Equal(x.T, n.mode, s.Mode, "mode of %s on the server", p)
			if n.modified != 0 && n.kind != coda.Directory {
				require.Equal(x.T, n.modified, s.Modified.Standard().Unix(), "time of %s on the server", p)
			}
		}
	}
	conflicts, err := x.c.Conflicts()
	require.NoError(x.T, err)
	require.Empty(x.T, conflicts)
}

func TestLogGivesTheSameTree(t *testing.T) {
	s := vicetest.Start(t)
	round := 0
	rapid.Check(t, func(r *rapid.T) {
		round++
		x := &machine{T: r, s: s, m: newModel(), c: startIn(r, t.TempDir(), s, func(c *venus.Config) {
			c.Limits.BatchRecords = 1 + round%7
			c.Timing.Retry = 2 * time.Millisecond
		})}
		for _, p := range slices.Backward(slices.Sorted(maps.Keys(serverTree(s)))) { // what the last round left
			dir, name := x.c.parent(p)
			if err := x.c.Remove(t.Context(), dir, name); coda.KindOf(err) == coda.IsDirectory {
				require.NoError(r, x.c.RemoveDirectory(t.Context(), dir, name))
			}
		}
		x.c.warm()
		x.c.Disconnect()
		r.Repeat(map[string]func(*rapid.T){
			"":           func(*rapid.T) { x.check() },
			"write":      func(r *rapid.T) { x.T = r; x.write() },
			"overwrite":  func(r *rapid.T) { x.T = r; x.write() },
			"mkdir":      func(r *rapid.T) { x.T = r; x.mkdir() },
			"symlink":    func(r *rapid.T) { x.T = r; x.symlink() },
			"link":       func(r *rapid.T) { x.T = r; x.link() },
			"remove":     func(r *rapid.T) { x.T = r; x.remove() },
			"rename":     func(r *rapid.T) { x.T = r; x.rename() },
			"attributes": func(r *rapid.T) { x.T = r; x.attributes() },
			"connect":    func(r *rapid.T) { x.T = r; x.c.Reconnect() },
			"disconnect": func(r *rapid.T) { x.T = r; x.c.Disconnect() },
			"sync":       func(r *rapid.T) { x.T = r; x.sync() },
			"restart": func(r *rapid.T) {
				x.T = r
				x.c = x.c.restart()
			},
		})
		x.T = r
		x.sync()
		x.check()
	})
}
