package venus_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// conflictCase is what two clients do to the same object without each other.
type conflictCase struct {
	name          string
	before        func(c *client) // what both know
	here, there   func(c *client)
	path          string            // where the conflict shows
	object        string            // what is at the path for everybody else, as client.tree has it; "" for nothing
	local, global map[string]string // the two versions; nil for none
	keepsLocal    map[string]string // the whole tree afterwards
	keepsBoth     map[string]string
}

func fileOf(contents string) string { return describe(1, []byte(contents)) }

func with(f ...func(c *client)) func(c *client) {
	return func(c *client) {
		for _, f := range f {
			f(c)
		}
	}
}

func writes(p, contents string) func(c *client) { return func(c *client) { c.write(p, contents) } }

func removes(p string) func(c *client) { return func(c *client) { c.remove(p) } }

func makesDirectory(p string) func(c *client) { return func(c *client) { c.mkdir(p) } }

func renames(from, to string) func(c *client) { return func(c *client) { c.rename(from, to) } }

func sets(p string, mode uint32) func(c *client) {
	return func(c *client) {
		at, err := c.at(p)
		require.NoError(c.t, err)
		_, err = c.SetAttributes(c.t.Context(), at.Fid, venus.Changes{Mode: &mode})
		require.NoError(c.t, err)
	}
}

func removesDirectory(p string) func(c *client) {
	return func(c *client) {
		dir, name := c.parent(p)
		require.NoError(c.t, c.RemoveDirectory(c.t.Context(), dir, name))
	}
}

func conflictCases() []conflictCase {
	return []conflictCase{
		{
			name: "update/update", before: writes("x", "old"), here: writes("x", "here"), there: writes("x", "there"),
			path: "x", object: fileOf("there"), local: map[string]string{"": fileOf("here")}, global: map[string]string{"": fileOf("there")},
			keepsLocal: map[string]string{"x": fileOf("here")},
			keepsBoth:  map[string]string{"x": fileOf("there"), "x.local": fileOf("here")},
		},
		{
			name: "update/remove", before: writes("x", "old"), here: with(writes("x", "here"), sets("x", 0o600)), there: removes("x"),
			path: "x", local: map[string]string{"": fileOf("here")},
			keepsLocal: map[string]string{"x": fileOf("here")},
			keepsBoth:  map[string]string{"x": fileOf("here")},
		},
		{
			name: "remove/update", before: writes("x", "old"), here: removes("x"), there: writes("x", "there"),
			path: "x", object: fileOf("there"), global: map[string]string{"": fileOf("there")},
			keepsLocal: map[string]string{},
			keepsBoth:  map[string]string{"x": fileOf("there")},
		},
		{
			name: "mode/update", before: writes("x", "old"), here: sets("x", 0o600), there: writes("x", "there"),
			path: "x", object: fileOf("there"), global: map[string]string{"": fileOf("there")}, local: map[string]string{"": fileOf("there")},
			keepsLocal: map[string]string{"x": fileOf("there")},
			keepsBoth:  map[string]string{"x": fileOf("there"), "x.local": fileOf("there")},
		},
		{
			name: "name/name", before: makesDirectory("d"), here: writes("d/x", "here"), there: writes("d/x", "there"),
			path: "d/x", object: fileOf("there"), global: map[string]string{"": fileOf("there")}, local: map[string]string{"": fileOf("here")},
			keepsLocal: map[string]string{"d": "directory", "d/x": fileOf("here")},
			keepsBoth:  map[string]string{"d": "directory", "d/x": fileOf("there"), "d/x.local": fileOf("here")},
		},
		{
			name:  "directory/directory",
			here:  with(makesDirectory("d"), writes("d/x", "here"), makesDirectory("d/e"), writes("d/e/h", "here"), renames("d/e/h", "d/e/g")),
			there: with(makesDirectory("d"), writes("d/x", "there"), writes("d/y", "there")),
			path:  "d", object: "directory",
			local:      map[string]string{"": "directory", "/x": fileOf("here"), "/e": "directory", "/e/g": fileOf("here")},
			global:     map[string]string{"": "directory", "/x": fileOf("there"), "/y": fileOf("there")},
			keepsLocal: map[string]string{"d": "directory", "d/x": fileOf("here"), "d/y": fileOf("there"), "d/e": "directory", "d/e/g": fileOf("here")},
			keepsBoth: map[string]string{
				"d": "directory", "d/x": fileOf("there"), "d/y": fileOf("there"),
				"d.local": "directory", "d.local/x": fileOf("here"), "d.local/e": "directory", "d.local/e/g": fileOf("here"),
			},
		},
		{
			name: "file/directory", here: writes("x", "here"), there: with(makesDirectory("x"), writes("x/y", "there")),
			path: "x", object: "directory", local: map[string]string{"": fileOf("here")}, global: map[string]string{"": "directory", "/y": fileOf("there")},
			keepsLocal: map[string]string{"x": fileOf("here")},
			keepsBoth:  map[string]string{"x": "directory", "x/y": fileOf("there"), "x.local": fileOf("here")},
		},
		{
			name: "removed directory/entry in it", before: makesDirectory("d"), here: removesDirectory("d"), there: writes("d/x", "there"),
			path: "d", object: "directory", global: map[string]string{"": "directory", "/x": fileOf("there")},
			keepsLocal: map[string]string{},
			keepsBoth:  map[string]string{"d": "directory", "d/x": fileOf("there")},
		},
		{
			name: "rename/update of what it replaces", before: writes("x", "old"), here: with(writes("tmp", "here"), renames("tmp", "x")), there: writes("x", "there"),
			path: "x", object: fileOf("there"), global: map[string]string{"": fileOf("there")}, local: map[string]string{"": fileOf("here")},
			keepsLocal: map[string]string{"x": fileOf("here")},
			keepsBoth:  map[string]string{"x": fileOf("there"), "tmp": fileOf("here")},
		},
		{
			name: "rename/rename", before: writes("x", "old"), here: renames("x", "h"), there: renames("x", "t"),
			path: "h", local: map[string]string{"": fileOf("old")},
			keepsLocal: map[string]string{"h": fileOf("old")},
			keepsBoth:  map[string]string{"t": fileOf("old")},
		},
		{
			name: "rename/remove", before: writes("x", "old"), here: renames("x", "h"), there: removes("x"),
			path: "h", local: map[string]string{"": fileOf("old")},
			keepsLocal: map[string]string{"h": fileOf("old")},
			keepsBoth:  map[string]string{"h": fileOf("old")},
		},
	}
}

// diverge has two clients do what a case says, and brings them together again.
func (x *conflictCase) diverge(t *testing.T, s *vicetest.Server, change ...func(*venus.Config)) (a, b *client) {
	a, b = start(t, s, change...), start(t, s, change...)
	if x.before != nil {
		x.before(a)
	}
	a.warm()
	b.warm()
	a.Disconnect()
	x.there(b)
	b.settle()
	x.here(a)
	a.write("free", "nobody else wrote it")
	a.Reconnect()
	a.await(true)
	a.settle()
	b.awaitTree(serverTree(s))
	return a, b
}

// awaitTree waits until a client sees a tree.
func (c *client) awaitTree(want map[string]string) {
	c.t.Helper()
	var got map[string]string
	var err error
	if !assert.Eventually(c.t, func() bool { got, err = c.tryTree(); return err == nil && maps.Equal(want, got) }, patience, time.Millisecond) {
		require.NoError(c.t, err)
		require.Equal(c.t, want, got)
	}
}

// below gives the part of a tree that is at and below a path.
func below(tree map[string]string, p string) map[string]string {
	var part map[string]string
	for at, what := range tree {
		if at == p || strings.HasPrefix(at, p+"/") {
			if part == nil {
				part = map[string]string{}
			}
			part[at[len(p):]] = what
		}
	}
	return part
}

// awaitLink waits until a conflict shows at a path and nothing else has changed.
func (x *conflictCase) awaitLink(c *client, s *vicetest.Server) {
	c.t.Helper()
	want := serverTree(s)
	require.Equal(c.t, x.object, want[x.path])
	maps.DeleteFunc(want, func(at, _ string) bool { return at == x.path || strings.HasPrefix(at, x.path+"/") })
	require.Eventually(c.t, func() bool {
		tree, err := c.tryTree()
		link, ok := strings.CutPrefix(tree[x.path], "symlink ")
		delete(tree, x.path)
		return err == nil && ok && coda.IsConflictTarget(link) && maps.Equal(want, tree)
	}, patience, time.Millisecond, "%s", x.name)
}

// Each kind of conflict shows as a link that leads nowhere, holds up nothing else, and shows both versions when it is expanded.
func TestConflictsShow(t *testing.T) {
	for _, x := range conflictCases() {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			s := vicetest.Start(t)
			a, _ := x.diverge(t, s)
			x.check(a, s)
			a = a.restart()
			a.await(true)
			x.check(a, s)
		})
	}
}

func (x *conflictCase) check(c *client, s *vicetest.Server) {
	c.t.Helper()
	x.awaitLink(c, s)
	require.Equal(c.t, "nobody else wrote it", c.read("free"))
	x.untouchable(c)
	require.NoError(c.t, c.Expand(c.t.Context(), x.path))
	tree := c.tree()
	require.Equal(c.t, "directory", tree[x.path])
	require.Equal(c.t, x.local, below(tree, x.path+"/local"))
	require.Equal(c.t, x.global, below(tree, x.path+"/global"))
	require.ErrorIs(c.t, c.tryWrite(x.path+"/new", "x"), coda.Conflict)
	require.NoError(c.t, c.Collapse(c.t.Context(), x.path))
	x.awaitLink(c, s)
}

// untouchable finds that nothing can be done to what is in conflict.
func (x *conflictCase) untouchable(c *client) {
	c.t.Helper()
	link, err := c.at(x.path)
	require.NoError(c.t, err)
	require.Equal(c.t, coda.Symlink, link.Kind)
	target, err := c.ReadLink(c.t.Context(), link.Fid)
	require.NoError(c.t, err)
	dir, name := c.parent(x.path)
	_, err = c.Lookup(c.t.Context(), dir, target)
	require.ErrorIs(c.t, err, coda.NotFound)
	_, err = c.OpenFile(c.t.Context(), link.Fid, venus.OpenFlags{Read: true})
	require.ErrorIs(c.t, err, coda.NotFound)
	require.ErrorIs(c.t, c.Remove(c.t.Context(), dir, name), coda.Conflict)
	require.ErrorIs(c.t, c.Rename(c.t.Context(), dir, name, dir, "elsewhere", false), coda.Conflict)
	require.ErrorIs(c.t, c.Rename(c.t.Context(), c.volumeRoot(), "free", dir, name, false), coda.Conflict)
	_, err = c.SetAttributes(c.t.Context(), link.Fid, venus.Changes{Mode: new(uint32)})
	require.ErrorIs(c.t, err, coda.Conflict)
	_, err = c.Link(c.t.Context(), dir, "elsewhere", link.Fid)
	require.ErrorIs(c.t, err, coda.Conflict)
	require.ErrorIs(c.t, c.tryWriteIn(dir, target, "x"), coda.Invalid)
	require.ErrorIs(c.t, c.tryWriteIn(dir, name, "x"), coda.Invalid)
	_, err = c.MakeSymlink(c.t.Context(), dir, "elsewhere", target, 0)
	require.ErrorIs(c.t, err, coda.Invalid)
}

func (c *client) volumeRoot() coda.Fid {
	c.t.Helper()
	root, err := c.Root(c.t.Context())
	require.NoError(c.t, err)
	return root.Fid
}

// Whichever version is kept, all clients come to see it, and nothing is left of the conflict.
func TestRepair(t *testing.T) {
	for _, x := range conflictCases() {
		for keep, name := range map[venus.Keep]string{venus.KeepGlobal: "global", venus.KeepLocal: "local", venus.KeepBoth: "both"} {
			t.Run(x.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				s := vicetest.Start(t)
				a, b := x.diverge(t, s)
				x.awaitLink(a, s)
				want := serverTree(s)
				switch keep {
				case venus.KeepLocal:
					want = x.keepsLocal
				case venus.KeepBoth:
					want = x.keepsBoth
				}
				want["free"] = fileOf("nobody else wrote it")
				_, err := a.Repair(t.Context(), x.path, keep)
				require.NoError(t, err)
				list, err := a.Conflicts()
				require.NoError(t, err)
				require.Empty(t, list)
				a.settle()
				require.Equal(t, want, serverTree(s))
				a.awaitTree(want)
				b.awaitTree(want)
				a = a.restart()
				a.awaitTree(want)
				b.write("again", "b's")
				b.settle()
				want["again"] = fileOf("b's")
				a.awaitTree(want)
			})
		}
	}
}

// A repair can bring contents of its own, which take the place of both versions.
func TestRepairWithContents(t *testing.T) {
	for _, x := range conflictCases() {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			s := vicetest.Start(t)
			a, b := x.diverge(t, s)
			x.awaitLink(a, s)
			require.NoError(t, a.RepairWith(t.Context(), x.path, strings.NewReader("merged")))
			a.settle()
			require.Equal(t, fileOf("merged"), serverTree(s)[x.path])
			a.awaitTree(serverTree(s))
			b.awaitTree(serverTree(s))
		})
	}
}

// What both sides removed is no conflict.
func TestRemovedOnBothSides(t *testing.T) {
	s := vicetest.Start(t)
	x := conflictCase{
		before: with(makesDirectory("d"), writes("x", "old"), writes("y", "old")),
		here:   with(removesDirectory("d"), removes("x"), writes("y", "here"), removes("y")),
		there:  with(removesDirectory("d"), removes("x"), removes("y")),
	}
	a, _ := x.diverge(t, s)
	require.Eventually(t, func() bool { list, err := a.Conflicts(); return err == nil && len(list) == 0 }, patience, time.Millisecond)
	a.awaitTree(map[string]string{"free": fileOf("nobody else wrote it")})
}

// What programs write to a file that they have had open since before the conflict is kept, too.
func TestWritesAfterTheConflict(t *testing.T) {
	s := vicetest.Start(t)
	a, b := start(t, s), start(t, s)
	a.warm()
	b.warm()
	a.Disconnect()
	b.write("x", "there")
	b.settle()
	a.write("x", "here")
	w := a.open("x", venus.OpenFlags{Write: true}) // so that the create is sent alone
	a.Reconnect()
	a.await(true)
	require.Eventually(t, func() bool { return a.Volume().Conflicts > 0 }, patience, time.Millisecond)
	put(t, w, 0, "again")
	require.NoError(t, w.Close(t.Context()))
	a.settle()
	list, err := a.Conflicts()
	require.NoError(t, err)
	require.Equal(t, "again", string(list[len(list)-1].Head))
	_, err = a.Repair(t.Context(), "x", venus.KeepBoth)
	require.NoError(t, err)
	a.settle()
	want := map[string]string{"x": fileOf("there"), "x.local": fileOf("again")}
	require.Equal(t, want, serverTree(s))
	b.awaitTree(want)
}

// What one client does again and again, and whatever it does to what it did before, is no conflict.
func TestNoFalseConflicts(t *testing.T) {
	s := vicetest.Start(t)
	a, b := start(t, s), start(t, s)
	a.write("x", "0")
	for i := range 30 {
		a.write("x", "again")
		a.rename("x", "y")
		b.Conflicts()
		a.rename("y", "x")
		if i%3 == 0 {
			a.settle()
		}
		at, err := a.at("x")
		require.NoError(t, err)
		mode := uint32(0o600 + i%8)
		_, err = a.SetAttributes(t.Context(), at.Fid, venus.Changes{Mode: &mode})
		require.NoError(t, err)
		if i%5 == 0 {
			a.remove("x")
			a.write("x", "new")
		}
	}
	a.settle()
	list, err := a.Conflicts()
	require.NoError(t, err)
	require.Empty(t, list)
	// An open file that another client changes meanwhile is one, and each side's contents survive.
	w := a.open("x", venus.OpenFlags{Write: true})
	b.write("x", "b's")
	b.settle()
	require.Eventually(t, func() bool { got, err := a.tryRead("x"); return err == nil && got == "b's" }, patience, 1e6)
	put(t, w, 0, "a's")
	require.NoError(t, w.Close(t.Context()))
	a.settle()
	require.Eventually(t, func() bool { at, err := a.at("x"); return err == nil && at.Kind == coda.Symlink }, patience, 1e6)
	list, err = a.Conflicts()
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(list, func(c venus.Conflict) bool { return strings.HasPrefix(string(c.Head), "a's") }))
	require.Equal(t, coda.Conflict.Error(), list[0].Why[:len(coda.Conflict.Error())])
}

// A conflict about something whose place the cache did not know when it was refused has a path as soon as the place is known again, and can be repaired by it.
func TestThePlaceOfAConflictIsFoundLater(t *testing.T) {
	s := vicetest.Start(t)
	a, b := start(t, s), start(t, s)
	a.mkdir("d")
	a.write("d/file", "old")
	a.settle()
	require.Equal(t, "old", b.read("d/file"))
	a.Disconnect()
	a.write("d/file", "of a")
	b.write("d/file", "of b")
	b.settle()
	_, _, err := a.FlushCache()
	require.NoError(t, err)
	a.Reconnect()
	var list []venus.Conflict
	require.Eventually(t, func() bool { list, err = a.Conflicts(); return err == nil && len(list) == 1 }, patience, time.Millisecond)
	require.Contains(t, list[0].Path, "[", "its place is not known yet")
	_, err = a.at("d/file")
	require.NoError(t, err)
	list, err = a.Conflicts()
	require.NoError(t, err)
	require.Equal(t, "d/file", list[0].Path)
	require.NoError(t, a.RepairWith(t.Context(), "d/file", strings.NewReader("of both")))
	a.settle()
	require.Equal(t, "of both", a.read("d/file"))
}

// Who is refused the removal of one of several names of a file has nothing of his own in it: his version is the file as the server has it, whether the cache
// has it or not.
func TestARefusedNameIsAllThatIsLocal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vicetest.Start(t)
		a, b := start(t, s, of(coda.Modern)), start(t, s, of(coda.Modern))
		b.write("first", "file")
		dir, _ := b.parent("first")
		must(b.Link(t.Context(), dir, "second", must(b.at("first")).Fid))
		b.settle()
		a.warmNames()
		a.Disconnect()
		a.remove("second")
		b.rename("second", "third")
		b.settle()
		a.Reconnect()
		time.Sleep(time.Minute)
		kept := must(a.Conflicts())
		require.Len(t, kept, 1)
		shown := kept[0].Path
		require.NoError(t, a.Expand(t.Context(), shown), shown)
		for name := range a.tree() {
			if strings.HasSuffix(name, "/local") {
				require.Equal(t, "file", a.read(name), name)
			}
		}
	})
}

// warmNames looks at everything and reads nothing.
func (c *client) warmNames() {
	c.t.Helper()
	c.write("warm", "")
	c.remove("warm")
	c.settle()
	for _, e := range must(c.ReadDirectory(c.t.Context(), must(c.Root(c.t.Context())).Fid)) {
		must(c.at(e.Name))
	}
}
