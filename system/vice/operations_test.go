package vice_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// world is what the cases of TestOperations start from: another client has made it.
type world struct {
	me             *vicetest.Client
	root           coda.Fid
	file, other    coda.Status // files "file" and "other" in the root
	dir, full      coda.Fid    // directories in the root; full holds "inner" (empty directory) and "leaf" (file)
	inner, symlink coda.Fid
	leaf           coda.Status
}

func newWorld(t *testing.T, s *vicetest.Server) *world {
	c := s.Client(1)
	w := &world{me: s.Client(2), root: c.Root}
	log := c.Log()
	file, v := log.Create(c.Root, "file")
	log.Store(file, v, data(1, 10))
	other, _ := log.Create(c.Root, "other")
	w.dir = log.MakeDirectory(c.Root, "dir")
	w.full = log.MakeDirectory(c.Root, "full")
	w.inner = log.MakeDirectory(w.full, "inner")
	leaf, _ := log.Create(w.full, "leaf")
	w.symlink = c.NewFid(coda.Symlink)
	log.Add(coda.MakeSymlink{Parent: c.Root, Name: "symlink", Fid: w.symlink, PointsTo: "file"})
	log.Apply()
	w.file, w.other, w.leaf = c.Status(file), c.Status(other), c.Status(leaf)
	return w
}

var (
	old  = coda.VersionVector{Store: coda.StoreID{Client: coda.ClientID{9}, Number: 1}}
	mode = uint32(0o600)
	at   = coda.Time(5)
)

func TestOperations(t *testing.T) {
	cases := []struct {
		name string
		want coda.ErrorKind // 0: applied
		op   func(w *world) coda.Operation
	}{
		{"create", 0, func(w *world) coda.Operation {
			return coda.Create{Parent: w.root, Name: "new", Fid: w.me.NewFid(coda.File)}
		}},
		{"create: name taken", coda.Exists, func(w *world) coda.Operation {
			return coda.Create{Parent: w.root, Name: "file", Fid: w.me.NewFid(coda.File)}
		}},
		{"create: no parent", coda.NotFound, func(w *world) coda.Operation {
			return coda.Create{Parent: w.me.NewFid(coda.Directory), Name: "new", Fid: w.me.NewFid(coda.File)}
		}},
		{"create: fid in use", coda.Exists, func(w *world) coda.Operation {
			return coda.Create{Parent: w.root, Name: "new", Fid: w.file.Fid}
		}},
		{"create: fid never granted", coda.Invalid, func(w *world) coda.Operation {
			return coda.Create{Parent: w.root, Name: "new", Fid: coda.NewFid(1, 1<<40, coda.File)}
		}},
		{"create: fid not from a number", coda.Invalid, func(w *world) coda.Operation {
			return coda.Create{Parent: w.root, Name: "new", Fid: coda.Fid{Volume: 1, Vnode: 4, Unique: 3}}
		}},
		{"mkdir: the root again", coda.Invalid, func(w *world) coda.Operation {
			return coda.MakeDirectory{Parent: w.root, Name: "new", Fid: w.root}
		}},
		{"another volume", coda.CrossDevice, func(w *world) coda.Operation {
			return coda.RemoveDirectory{Parent: coda.RootFid(8), Name: "x", Fid: coda.NewFid(8, 5, coda.Directory)}
		}},
		{"store", 0, func(w *world) coda.Operation { return storeOf(w.file.Fid, w.file.Version) }},
		{"store: version is old", coda.Conflict, func(w *world) coda.Operation { return storeOf(w.file.Fid, old) }},
		{"store: no version", coda.Conflict, func(w *world) coda.Operation { return storeOf(w.file.Fid, coda.VersionVector{}) }},
		{"store: to a symlink", coda.Invalid, func(w *world) coda.Operation { return storeOf(w.symlink, old) }},
		{"store: gone", coda.NotFound, func(w *world) coda.Operation { return storeOf(w.me.NewFid(coda.File), old) }},
		{"setattr", 0, func(w *world) coda.Operation {
			return coda.SetAttributes{Fid: w.file.Fid, Base: w.file.Version, Mode: &mode, Owner: &mode, Modified: &at}
		}},
		{"setattr: version is old", coda.Conflict, func(w *world) coda.Operation {
			return coda.SetAttributes{Fid: w.file.Fid, Base: old, Mode: &mode}
		}},
		{"setattr: of a directory needs no version", 0, func(w *world) coda.Operation {
			return coda.SetAttributes{Fid: w.dir, Base: old, Mode: &mode}
		}},
		{"setattr: gone", coda.NotFound, func(w *world) coda.Operation {
			return coda.SetAttributes{Fid: w.me.NewFid(coda.Directory), Mode: &mode}
		}},
		{"link", 0, func(w *world) coda.Operation { return coda.Link{Parent: w.root, Name: "new", Fid: w.file.Fid} }},
		{"link: of a symlink", 0, func(w *world) coda.Operation { return coda.Link{Parent: w.root, Name: "new", Fid: w.symlink} }},
		{"link: name taken", coda.Exists, func(w *world) coda.Operation {
			return coda.Link{Parent: w.root, Name: "other", Fid: w.file.Fid}
		}},
		{"link: to another directory", coda.CrossDevice, func(w *world) coda.Operation {
			return coda.Link{Parent: w.dir, Name: "new", Fid: w.file.Fid}
		}},
		{"link: of a directory", coda.IsDirectory, func(w *world) coda.Operation {
			return coda.Link{Parent: w.root, Name: "new", Fid: w.dir}
		}},
		{"link: gone", coda.NotFound, func(w *world) coda.Operation {
			return coda.Link{Parent: w.root, Name: "new", Fid: w.me.NewFid(coda.File)}
		}},
		{"remove", 0, func(w *world) coda.Operation {
			return coda.Remove{Parent: w.root, Name: "file", Fid: w.file.Fid, Base: w.file.Version}
		}},
		{"remove: version is old", coda.Conflict, func(w *world) coda.Operation {
			return coda.Remove{Parent: w.root, Name: "file", Fid: w.file.Fid, Base: old}
		}},
		{"remove: a symlink needs no version", 0, func(w *world) coda.Operation {
			return coda.Remove{Parent: w.root, Name: "symlink", Fid: w.symlink}
		}},
		{"remove: name stands for another", coda.Conflict, func(w *world) coda.Operation {
			return coda.Remove{Parent: w.root, Name: "other", Fid: w.file.Fid, Base: w.file.Version}
		}},
		{"remove: no such name", coda.NotFound, func(w *world) coda.Operation {
			return coda.Remove{Parent: w.root, Name: "new", Fid: w.file.Fid, Base: w.file.Version}
		}},
		{"remove: a directory", coda.IsDirectory, func(w *world) coda.Operation {
			return coda.Remove{Parent: w.root, Name: "dir", Fid: w.dir}
		}},
		{"rmdir", 0, func(w *world) coda.Operation { return coda.RemoveDirectory{Parent: w.root, Name: "dir", Fid: w.dir} }},
		{"rmdir: not empty", coda.NotEmpty, func(w *world) coda.Operation {
			return coda.RemoveDirectory{Parent: w.root, Name: "full", Fid: w.full}
		}},
		{"rmdir: a file", coda.NotDirectory, func(w *world) coda.Operation {
			return coda.RemoveDirectory{Parent: w.root, Name: "file", Fid: w.file.Fid}
		}},
		{"rename", 0, func(w *world) coda.Operation { return w.rename("file", w.file.Fid, w.root, "new") }},
		{"rename: to another directory", 0, func(w *world) coda.Operation { return w.rename("file", w.file.Fid, w.dir, "file") }},
		{"rename: to itself", 0, func(w *world) coda.Operation { return w.rename("file", w.file.Fid, w.root, "file") }},
		{"rename: over a file", 0, func(w *world) coda.Operation {
			r := w.rename("file", w.file.Fid, w.root, "other")
			r.Replaced, r.ReplacedBase = w.other.Fid, w.other.Version
			return r
		}},
		{"rename: over an updated file", coda.Conflict, func(w *world) coda.Operation {
			r := w.rename("file", w.file.Fid, w.root, "other")
			r.Replaced, r.ReplacedBase = w.other.Fid, old
			return r
		}},
		{"rename: over a file that is gone", 0, func(w *world) coda.Operation {
			r := w.rename("file", w.file.Fid, w.root, "new")
			r.Replaced, r.ReplacedBase = w.me.NewFid(coda.File), old
			return r
		}},
		{"rename: over an unknown file", coda.Exists, func(w *world) coda.Operation { return w.rename("file", w.file.Fid, w.root, "other") }},
		{"rename: a directory over an empty one", 0, func(w *world) coda.Operation {
			r := w.rename("full", w.full, w.root, "dir")
			r.Replaced = w.dir
			return r
		}},
		{"rename: a directory over a full one", coda.NotEmpty, func(w *world) coda.Operation {
			r := w.rename("dir", w.dir, w.root, "full")
			r.Replaced = w.full
			return r
		}},
		{"rename: a directory over a file", coda.NotDirectory, func(w *world) coda.Operation {
			r := w.rename("dir", w.dir, w.root, "file")
			r.Replaced, r.ReplacedBase = w.file.Fid, w.file.Version
			return r
		}},
		{"rename: a file over a directory", coda.IsDirectory, func(w *world) coda.Operation {
			r := w.rename("file", w.file.Fid, w.root, "dir")
			r.Replaced = w.dir
			return r
		}},
		{"rename: below itself", coda.Invalid, func(w *world) coda.Operation { return w.rename("full", w.full, w.inner, "x") }},
		{"rename: into itself", coda.Invalid, func(w *world) coda.Operation { return w.rename("full", w.full, w.full, "x") }},
		{"rename: no such name", coda.NotFound, func(w *world) coda.Operation { return w.rename("new", w.file.Fid, w.root, "x") }},
		{"rename: name stands for another", coda.Conflict, func(w *world) coda.Operation { return w.rename("other", w.file.Fid, w.root, "x") }},
		{"rename: to no directory", coda.NotFound, func(w *world) coda.Operation {
			return w.rename("file", w.file.Fid, w.me.NewFid(coda.Directory), "x")
		}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			s := vicetest.Start(t)
			w := newWorld(t, s)
			before := s.Tree()
			log := w.me.Log()
			log.Add(tc.op(w))
			answer, err := log.Send()
			require.NoError(t, err)
			if tc.want == 0 {
				require.Empty(t, answer.Refusals)
				return
			}
			require.Len(t, answer.Refusals, 1)
			require.Equal(t, tc.want, answer.Refusals[0].Kind, answer.Refusals[0].Why)
			require.Equal(t, log.Records[0].Number, answer.Refusals[0].Number)
			require.Empty(t, answer.Changed)
			require.Equal(t, before, s.Tree(), "a refused record changes nothing")
		})
	}
}

func storeOf(f coda.Fid, base coda.VersionVector) coda.Operation {
	return coda.Store{Fid: f, Base: base, Digest: coda.EmptyDigest()}
}

func (w *world) rename(from string, f, to coda.Fid, name string) coda.Rename {
	return coda.Rename{FromParent: w.root, FromName: from, Fid: f, ToParent: to, ToName: name}
}

func TestLinksStayInOneDirectory(t *testing.T) {
	s := vicetest.Start(t)
	c := s.Client(1)
	log := c.Log()
	dir := log.MakeDirectory(c.Root, "dir")
	f, v := log.Create(c.Root, "a")
	log.Add(coda.Link{Parent: c.Root, Name: "b", Fid: f})
	log.Add(coda.Rename{FromParent: c.Root, FromName: "a", Fid: f, ToParent: c.Root, ToName: "c"})
	refused := log.Add(coda.Rename{FromParent: c.Root, FromName: "b", Fid: f, ToParent: dir, ToName: "b"})
	log.Add(coda.Rename{FromParent: c.Root, FromName: "b", Fid: f, ToParent: c.Root, ToName: "c", Replaced: f}) // both are f: nothing happens
	v = log.Store(f, v, data(1, 5))
	log.Add(coda.Remove{Parent: c.Root, Name: "b", Fid: f}) // not the last name, so its version does not matter
	log.Add(coda.Rename{FromParent: c.Root, FromName: "c", Fid: f, ToParent: dir, ToName: "b"})
	answer, err := log.Send()
	require.NoError(t, err)
	require.Len(t, answer.Refusals, 1)
	require.Equal(t, refused.Store.Number, answer.Refusals[0].Number)
	require.Equal(t, coda.CrossDevice, answer.Refusals[0].Kind)
	tree := s.Tree()
	require.Len(t, tree, 3)
	require.EqualValues(t, 1, tree["dir/b"].Links)
	require.Equal(t, v.Store, tree["dir/b"].Version.Store, "names leave the store id alone")
}

// What depends on a refused record is refused, what does not is applied.
func TestDependentRecords(t *testing.T) {
	s := vicetest.Start(t)
	w := newWorld(t, s)
	log := w.me.Log()
	var refused []uint64
	add := func(op coda.Operation) coda.VersionVector {
		v := log.Add(op)
		refused = append(refused, v.Store.Number)
		return v
	}
	f := w.me.NewFid(coda.File)
	v := add(coda.Create{Parent: w.root, Name: "file", Fid: f})
	v = add(storeOf(f, v))
	v = add(coda.SetAttributes{Fid: f, Base: v, Mode: &mode})
	add(coda.Rename{FromParent: w.root, FromName: "file", Fid: f, ToParent: w.root, ToName: "file2"})
	add(coda.Remove{Parent: w.root, Name: "file2", Fid: f, Base: v})
	good, v := log.Create(w.root, "good")
	log.Store(good, v, data(3, 3))
	d := w.me.NewFid(coda.Directory)
	add(coda.MakeDirectory{Parent: w.root, Name: "other", Fid: d})
	add(coda.MakeDirectory{Parent: d, Name: "x", Fid: w.me.NewFid(coda.Directory)})
	v = add(storeOf(w.file.Fid, old))
	add(storeOf(w.file.Fid, v))
	log.MakeDirectory(w.root, "good too")
	answer, err := log.Send()
	require.NoError(t, err)
	var got []uint64
	for _, r := range answer.Refusals {
		got = append(got, r.Number)
	}
	require.Equal(t, refused, got)
	tree := s.Tree()
	require.Contains(t, tree, "good")
	require.Contains(t, tree, "good too")
	require.Equal(t, w.file, tree["file"])
}

// A store is based on what its client saw of the contents: a link or rename in between, by anyone, is no conflict, and a link of its own is no
// licence to overwrite what somebody else stored.
func TestNamesDoNotCertifyContents(t *testing.T) {
	s := vicetest.Start(t)
	w := newWorld(t, s)
	you := s.Client(3)

	theirs := you.Log()
	theirs.Add(coda.Link{Parent: w.root, Name: "theirs", Fid: w.file.Fid})
	theirs.Apply()
	mine := w.me.Log()
	v := mine.Add(storeOf(w.file.Fid, w.file.Version))
	mine.Apply()

	theirs = you.Log()
	theirs.Store(w.file.Fid, v, data(4, 4))
	theirs.Apply()
	mine = w.me.Log()
	mine.Add(coda.Link{Parent: w.root, Name: "mine", Fid: w.file.Fid})
	mine.Add(storeOf(w.file.Fid, v))
	answer, err := mine.Send()
	require.NoError(t, err)
	require.Len(t, answer.Refusals, 1)
	require.Equal(t, coda.Conflict, answer.Refusals[0].Kind)
	require.EqualValues(t, 4, s.Tree()["mine"].Length)
}

func TestAnswerDescribesTheChange(t *testing.T) {
	s := vicetest.Start(t)
	c := s.Client(1)
	before := c.Status(c.Root)
	log := c.Log()
	for i := range 3 {
		log.Create(c.Root, fmt.Sprint(i))
	}
	gone, v := log.Create(c.Root, "gone")
	log.Add(coda.Remove{Parent: c.Root, Name: "gone", Fid: gone, Base: v})
	answer := log.Apply()
	require.Len(t, answer.Changed, 4)
	for _, changed := range answer.Changed {
		require.Equal(t, c.Status(changed.Status.Fid), changed.Status)
		require.False(t, changed.Promised, "there is no session")
		if changed.Status.Fid == c.Root {
			require.Equal(t, before.Version, changed.Before)
			require.Equal(t, before.Version.Slots[0]+5, changed.Status.Version.Slots[0])
			require.EqualValues(t, 3, changed.Status.Length)
		} else {
			require.True(t, changed.Before.IsZero())
		}
	}
}
