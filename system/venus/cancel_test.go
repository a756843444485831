package venus_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk/simdisk"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice/vicetest"
)

// log gives the operations in the modify log and what they are on.
func (c *client) log() (list []string) {
	for _, r := range c.ListLocal("") {
		list = append(list, r.Operation+" "+r.Path)
	}
	return list
}

// change changes attributes.
func (c *client) change(p string, changes venus.Changes) {
	c.t.Helper()
	s, err := c.at(p)
	require.NoError(c.t, err)
	_, err = c.SetAttributes(c.t.Context(), s.Fid, changes)
	require.NoError(c.t, err)
}

func (c *client) chmod(p string, mode uint32)  { c.change(p, venus.Changes{Mode: &mode}) }
func (c *client) chown(p string, owner uint32) { c.change(p, venus.Changes{Owner: &owner}) }
func (c *client) utime(p string, seconds int64) {
	at := time.Unix(seconds, 0)
	c.change(p, venus.Changes{Modified: &at})
}

func (c *client) rmdir(p string) {
	c.t.Helper()
	dir, name := c.parent(p)
	require.NoError(c.t, c.RemoveDirectory(c.t.Context(), dir, name))
}

func (c *client) link(from, to string) {
	c.t.Helper()
	s, err := c.at(from)
	require.NoError(c.t, err)
	dir, name := c.parent(to)
	_, err = c.Link(c.t.Context(), dir, name, s.Fid)
	require.NoError(c.t, err)
}

func (c *client) symlink(p, target string) {
	c.t.Helper()
	dir, name := c.parent(p)
	_, err := c.MakeSymlink(c.t.Context(), dir, name, target, 0)
	require.NoError(c.t, err)
}

// Each rule of cancel.go: what is left in the log, of which the server makes the same tree. There are the files old and old2, the directory d and the empty
// directory e to begin with.
func TestCancellations(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(c *client)
		left []string
	}{
		"a store and a newer one": {
			do:   func(c *client) { c.write("old", "1"); c.write("old", "2"); c.write("old", "3") },
			left: []string{"store old"},
		},
		"a store and a newer one, with a change of owner between them": {
			do: func(c *client) {
				c.write("old", "1")
				c.write("old", "2")
				c.chown("old", 7)
				c.write("old", "3")
				c.write("old", "4")
			},
			left: []string{"store old", "setattr old", "store old"},
		},
		"a time and a store": {
			do:   func(c *client) { c.utime("old", 1); c.write("old", "1") },
			left: []string{"store old"},
		},
		"a time and a mode, and a store": {
			do:   func(c *client) { c.chmod("old", 0o600); c.utime("old", 1); c.write("old", "1") },
			left: []string{"setattr old", "store old"},
		},
		"times, with a store between them": {
			do:   func(c *client) { c.utime("old", 1); c.write("old", "1"); c.utime("old", 2) },
			left: []string{"store old", "setattr old"},
		},
		"times, modes and owners": {
			do: func(c *client) {
				c.utime("old", 1)
				c.chmod("old", 0o600)
				c.chown("old", 7)
				c.utime("old", 2)
				c.chmod("old", 0o640)
				c.chown("old", 8)
			},
			left: []string{"setattr old"},
		},
		"owners, with a store between them": {
			do:   func(c *client) { c.chown("old", 7); c.write("old", "1"); c.chown("old", 8) },
			left: []string{"store old", "setattr old"},
		},
		"modes, with a store between them": {
			do:   func(c *client) { c.chmod("old", 0o600); c.write("old", "1"); c.chmod("old", 0o640) },
			left: []string{"setattr old", "store old", "setattr old"},
		},
		"modes, with a store between them until there is a newer one": {
			do: func(c *client) {
				c.chmod("old", 0o600)
				c.write("old", "1")
				c.chmod("old", 0o640)
				c.write("old", "2")
			},
			left: []string{"setattr old", "store old"},
		},
		"a store and a change of owner that a newer one makes needless, and a newer store": {
			do: func(c *client) {
				c.write("old", "1")
				c.chown("old", 7)
				c.write("old", "2")
				c.chown("old", 8)
				c.write("old", "3")
			},
			left: []string{"store old", "setattr old", "store old"},
		},
		"changes of a directory": {
			do: func(c *client) {
				c.chmod("d", 0o700)
				c.utime("d", 1)
				c.write("d/new", "")
				c.chown("d", 7)
				c.chmod("d", 0o750)
				c.utime("d", 2)
			},
			left: []string{"create d/new", "setattr d", "setattr d", "setattr d"},
		},
		"a file that is removed": {
			do: func(c *client) {
				c.write("old", "1")
				c.utime("old", 1)
				c.chmod("old", 0o600)
				c.chown("old", 7)
				c.remove("old")
			},
			left: []string{"remove old"},
		},
		"a file that is made and removed": {
			do: func(c *client) {
				c.write("new", "1")
				c.chmod("new", 0o600)
				c.write("new", "2")
				c.rename("new", "newer")
				c.utime("newer", 1)
				c.remove("newer")
			},
		},
		"a file with two names that loses one": {
			do:   func(c *client) { c.write("new", "1"); c.link("new", "newer"); c.remove("new") },
			left: []string{"create new", "store newer", "link newer", "remove new"},
		},
		"a file with two names that loses both": {
			do: func(c *client) {
				c.write("new", "1")
				c.link("new", "newer")
				c.remove("new")
				c.write("newer", "2")
				c.remove("newer")
			},
		},
		"a symlink that is made and removed": {
			do: func(c *client) { c.symlink("new", "target"); c.rename("new", "newer"); c.remove("newer") },
		},
		"a file that is made and moved over another": {
			do:   func(c *client) { c.write("new", "1"); c.write("old", "2"); c.utime("old", 1); c.rename("new", "old") },
			left: []string{"create new", "store old", "rename old"},
		},
		"a file that is made, moved over another and removed": {
			do:   func(c *client) { c.write("new", "1"); c.write("old", "2"); c.rename("new", "old"); c.remove("old") },
			left: []string{"remove old"},
		},
		"a file that another is moved over": {
			do:   func(c *client) { c.write("new", "1"); c.rename("old", "new") },
			left: []string{"rename new"},
		},
		"what editors do": {
			do: func(c *client) {
				for i := range 10 {
					c.write("tmp", fmt.Sprint(i))
					c.rename("tmp", "doc")
				}
			},
			left: []string{"create tmp", "store doc", "rename doc"},
		},
		"a directory that is removed": {
			do:   func(c *client) { c.utime("e", 1); c.chmod("e", 0o700); c.chown("e", 7); c.rmdir("e") },
			left: []string{"rmdir e"},
		},
		"a directory that is made and removed": {
			do: func(c *client) {
				c.mkdir("new")
				c.chmod("new", 0o700)
				c.write("new/f", "1")
				c.remove("new/f")
				c.rename("new", "newer")
				c.rmdir("newer")
			},
		},
		"a directory that is made, out of which something was moved": {
			do: func(c *client) {
				c.mkdir("new")
				c.rename("old", "new/old")
				c.rename("new/old", "old")
				c.rmdir("new")
			},
			left: []string{"mkdir new", "rename new/old", "rename old", "rmdir new"},
		},
		"a directory that another is moved over": {
			do:   func(c *client) { c.chmod("e", 0o700); c.mkdir("new"); c.rename("new", "e") },
			left: []string{"mkdir new", "rename e"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t, t)
				p.do(func(c *client) { test.do(c) })
				require.Equal(t, test.left, p.a.log())
				p.compare()
			})
		})
	}
}

// What newer records would have made needless of a batch that is under way goes when the server has rejected it, and not before.
func TestRejectedBatchIsMadeUpFor(t *testing.T) {
	for name, test := range map[string]struct {
		before, after func(c *client)
		left          []string
	}{
		"a store": {
			before: func(c *client) { c.write("old", "1") },
			after:  func(c *client) { c.write("old", "2") },
			left:   []string{"store old"},
		},
		"changes of attributes": {
			before: func(c *client) { c.chmod("old", 0o600); c.utime("old", 1) },
			after:  func(c *client) { c.utime("old", 2); c.chown("old", 7) },
			left:   []string{"setattr old", "setattr old"},
		},
		"a file that is made and removed": {
			before: func(c *client) { c.write("new", "1") },
			after:  func(c *client) { c.remove("new") },
		},
		"a file that is written to and removed": {
			before: func(c *client) { c.write("old", "1") },
			after:  func(c *client) { c.remove("old") },
			left:   []string{"remove old"},
		},
		"a directory that is made and removed": {
			before: func(c *client) { c.mkdir("new"); c.chmod("new", 0o700) },
			after:  func(c *client) { c.rmdir("new") },
		},
		"a directory in which something is going on": {
			before: func(c *client) { c.mkdir("new"); c.rename("old", "new/old") },
			after:  func(c *client) { c.rename("new/old", "old"); c.rmdir("new") },
			left:   []string{"mkdir new", "rename new/old", "rename old", "rmdir new"},
		},
		"a file that is made, moved over another and removed": {
			before: func(c *client) { c.write("new", "1"); c.rename("new", "old") },
			after:  func(c *client) { c.remove("old") },
			left:   []string{"create new", "rename old", "remove old"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t, t)
				p.both(func(c *client) { c.Reconnect(); c.await(true) })
				for _, n := range p.nets {
					n.hold()
				}
				p.both(test.before)
				time.Sleep(50 * time.Millisecond) // for what is sent to be chosen
				kept := p.a.log()
				require.Len(t, p.a.Frozen(), len(kept))
				p.both(test.after)
				require.Equal(t, kept, p.a.log()[:len(kept)], "nothing of it is taken back")
				p.reject()
				require.Equal(t, test.left, p.a.log())
				p.compare()
			})
		})
	}
}

// pair is a client that optimises its log and one that keeps everything in it, each with a server of its own. They do the same things at the same moments.
type pair struct {
	t      tester
	a, b   *client
	nets   [2]*network
	server [2]*vicetest.Server
	disks  [2]*simdisk.Disk
	frozen []coda.Record // of a, when the network of a was held
}

// newPair starts a pair out of reach of the servers, which have the files old and old2, the directory d with x and the directory e.
func newPair(t *testing.T, r tester) *pair {
	p := &pair{t: r}
	for i := range p.server {
		p.server[i], p.disks[i] = vicetest.Start(t), simdisk.New()
		p.nets[i] = newNetwork(p.server[i])
		c := startIn(r, fmt.Sprint("cache", i), p.server[i], p.nets[i].use, func(c *venus.Config) { c.Disk, c.Timing = p.disks[i], venus.Timing{} })
		if i == 1 {
			c.KeepWholeLog()
			p.b = c
		} else {
			p.a = c
		}
	}
	p.both(func(c *client) {
		c.warm()
		c.write("old", "old")
		c.write("old2", "old, too")
		c.mkdir("d")
		c.write("d/x", "x")
		c.mkdir("e")
		c.settle()
		c.warm()
		c.Disconnect()
	})
	return p
}

// both does the same with both clients.
func (p *pair) both(do func(c *client)) {
	do(p.a)
	do(p.b)
}

// do does the same with both, at a moment of its own.
func (p *pair) do(op func(c *client)) {
	p.await()
	p.both(op)
}

// checkFrozen demands that nothing of the batch under way has been taken out of the log or changed.
func (p *pair) checkFrozen() {
	if !p.nets[0].held() {
		p.frozen = nil
		return
	}
	if now := p.a.Frozen(); p.frozen == nil {
		p.frozen = now
	} else {
		require.Equal(p.t, p.frozen, now)
	}
}

// compare has both servers take what is in the logs, and demands that they have the same then, and the clients see it.
func (p *pair) compare() {
	p.release()
	for i, c := range []*client{p.a, p.b} {
		c.Reconnect()
		c.settle()
		conflicts, err := c.Conflicts()
		require.NoError(p.t, err)
		require.Empty(p.t, conflicts)
		require.Equal(p.t, serverTree(p.server[i]), c.tree())
	}
	want, got := attributesOf(p.server[1]), attributesOf(p.server[0])
	require.Equal(p.t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)))
	for path, s := range want {
		require.Equal(p.t, s, got[path], "%s, with the whole log and with what is needed of it", path)
	}
}

// attributesOf gives everything that a server has, but for what tells the clients apart, and the times of directories: what was made and removed in one
// leaves a trace in the whole log only.
func attributesOf(s *vicetest.Server) map[string]coda.Status {
	tree := s.Tree()
	for path, status := range tree {
		status.Version, status.Fid, status.Parent = coda.VersionVector{}, coda.Fid{}, coda.Fid{}
		if status.Kind == coda.Directory {
			status.Modified = 0
		}
		status.Modified /= coda.Time(step) // some time passes within a step where the link has to be tried
		tree[path] = status
	}
	return tree
}

// bubbled is a property test in a bubble of virtual time: what fails, fails the property, and what is to be cleaned up is so before the bubble ends.
type bubbled struct {
	*testing.T
	r *rapid.T
}

// Errorf fails the property.
func (b bubbled) Errorf(format string, args ...any) { b.r.Errorf(format, args...) }

// FailNow ends the property.
func (b bubbled) FailNow() { b.r.FailNow() }

// inBubble runs a property in a bubble.
func inBubble(t *testing.T, r *rapid.T, f func(t *testing.T, b bubbled)) {
	var failed any
	synctest.Test(t, func(t *testing.T) {
		defer func() { failed = recover() }()
		f(t, bubbled{t, r})
	})
	if failed != nil {
		panic(failed)
	}
}

// step is how far the moments are apart at which something is done.
const step = 10 * time.Minute

// await waits for the next moment.
func (p *pair) await() { time.Sleep(time.Until(time.Now().Truncate(step).Add(step))) }

// try does the same with both, and demands that it has the same outcome.
func (p *pair) try(what string, op func(c *client) error) {
	errA, errB := op(p.a), op(p.b)
	require.Equal(p.t, coda.KindOf(errB), coda.KindOf(errA), "%s: %v, with the whole log: %v", what, errA, errB)
}

// random does random things.
type random struct {
	*pair
	r    *rapid.T
	i    int    // counts what is done, for contents and attributes
	last string // the path of what something was done to last
}

// path gives the path of something that is there, mostly of what something was done to last, or else any.
func (h *random) path(label string) string {
	list := h.a.paths()
	if len(list) > 0 && rapid.IntRange(0, 9).Draw(h.r, label+" is there") > 0 {
		if slices.Contains(list, h.last) && rapid.Bool().Draw(h.r, label+" is the last one") {
			return h.last
		}
		h.last = rapid.SampledFrom(list).Draw(h.r, label)
		return h.last
	}
	h.last = h.free(label)
	return h.last
}

// free gives a path that need not be there.
func (h *random) free(label string) string {
	dirs := []string{"", "e/"}
	for _, p := range h.a.paths() {
		if strings.Count(p, "/") < 2 {
			dirs = append(dirs, p+"/")
		}
	}
	return rapid.SampledFrom(dirs).Draw(h.r, label+" directory") + rapid.SampledFrom([]string{"a", "b", "c"}).Draw(h.r, label)
}

// paths lists what is there, in order.
func (c *client) paths() (list []string) {
	var walk func(dir coda.Fid, prefix string)
	walk = func(dir coda.Fid, prefix string) {
		entries, err := c.ReadDirectory(c.t.Context(), dir)
		require.NoError(c.t, err)
		for _, e := range entries {
			list = append(list, prefix+e.Name)
			if e.Kind == coda.Directory {
				walk(e.Fid, prefix+e.Name+"/")
			}
		}
	}
	root, err := c.Root(c.t.Context())
	require.NoError(c.t, err)
	walk(root.Fid, "")
	return list
}

// in calls op with the directory of a path and the last name, or gives the error that there is none.
func in(c *client, p string, op func(dir coda.Fid, name string) error) error {
	at, err := c.at(p[:strings.LastIndex("/"+p, "/")])
	if err != nil {
		return err
	}
	return op(at.Fid, p[strings.LastIndex("/"+p, "/"):])
}

func (h *random) write() {
	h.i++
	p := h.path("path")
	if rapid.IntRange(0, 2).Draw(h.r, "new") == 0 {
		p = h.free("path")
		h.last = p
	}
	twice := rapid.IntRange(0, 3).Draw(h.r, "times") == 0
	truncate := rapid.Bool().Draw(h.r, "truncate")
	text := fmt.Sprint(h.i, " ", p)
	h.try("write "+p, func(c *client) error {
		return in(c, p, func(dir coda.Fid, name string) error {
			_, f, err := c.Create(c.t.Context(), dir, name, 0o644, 0, venus.OpenFlags{Write: true, Truncate: truncate})
			if err != nil {
				return err
			}
			if _, err := f.WriteAt([]byte(text), 0); err != nil {
				return err
			}
			if twice {
				if err := f.Flush(c.t.Context()); err != nil {
					return err
				}
				if _, err := f.WriteAt([]byte("again"), 2); err != nil {
					return err
				}
			}
			return f.Close(c.t.Context())
		})
	})
}

func (h *random) make() {
	p, link := h.free("path"), rapid.Bool().Draw(h.r, "symlink")
	h.last = p
	h.try("make "+p, func(c *client) error {
		return in(c, p, func(dir coda.Fid, name string) error {
			if link {
				_, err := c.MakeSymlink(c.t.Context(), dir, name, "target", 0)
				return err
			}
			_, err := c.MakeDirectory(c.t.Context(), dir, name, 0o755, 0)
			return err
		})
	})
}

func (h *random) remove() {
	p := h.path("path")
	h.try("remove "+p, func(c *client) error {
		return in(c, p, func(dir coda.Fid, name string) error {
			err := c.Remove(c.t.Context(), dir, name)
			if coda.KindOf(err) == coda.IsDirectory {
				err = c.RemoveDirectory(c.t.Context(), dir, name)
			}
			return err
		})
	})
}

func (h *random) rename() {
	from, to := h.path("from"), h.path("to")
	if rapid.Bool().Draw(h.r, "free") {
		to = h.free("to")
	}
	h.last = to
	h.try("rename "+from+" "+to, func(c *client) error {
		return in(c, from, func(fromDir coda.Fid, fromName string) error {
			return in(c, to, func(toDir coda.Fid, toName string) error {
				return c.Rename(c.t.Context(), fromDir, fromName, toDir, toName, false)
			})
		})
	})
}

func (h *random) link() {
	from := h.path("from")
	to := from[:strings.LastIndex("/"+from, "/")] + rapid.SampledFrom([]string{"a", "b", "c"}).Draw(h.r, "to")
	h.try("link "+from+" "+to, func(c *client) error {
		s, err := c.at(from)
		if err != nil {
			return err
		}
		return in(c, to, func(dir coda.Fid, name string) error {
			_, err := c.Link(c.t.Context(), dir, name, s.Fid)
			return err
		})
	})
}

func (h *random) attributes() {
	h.i++
	p, what, n := h.path("path"), rapid.IntRange(1, 15).Draw(h.r, "what"), uint32(h.i)
	h.try("setattr "+p, func(c *client) error {
		s, err := c.at(p)
		if err != nil {
			return err
		}
		var changes venus.Changes
		mode, at, length := 0o400|n&0o377, time.Unix(int64(n)*int64(step/time.Second), 0), uint64(n%20)
		if what&1 != 0 {
			changes.Mode = &mode
		}
		if what&2 != 0 {
			changes.Owner = &n
		}
		if what&4 != 0 {
			changes.Modified = &at
		}
		if what&8 != 0 && s.Kind == coda.File {
			changes.Length = &length
		}
		_, err = c.SetAttributes(c.t.Context(), s.Fid, changes)
		return err
	})
}

// save writes a file in the way of editors: to another name, which is moved over the file then.
func (h *random) save() {
	p := h.path("path")
	h.i++
	text, temporary := fmt.Sprint(h.i), p+"~"
	h.try("save "+p, func(c *client) error {
		return in(c, temporary, func(dir coda.Fid, name string) error {
			if err := c.tryWriteIn(dir, name, text); err != nil {
				return err
			}
			if err := c.Rename(c.t.Context(), dir, name, dir, strings.TrimSuffix(name, "~"), false); err != nil {
				return errors.Join(err, c.Remove(c.t.Context(), dir, name))
			}
			return nil
		})
	})
	h.last = p
}

// change does something to the tree.
func (h *random) change() {
	all := map[string]func(){
		"write": h.write, "overwrite": h.write, "save": h.save, "make": h.make, "remove": h.remove, "remove more": h.remove, "rename": h.rename, "link": h.link,
		"attributes": h.attributes, "more attributes": h.attributes,
	}
	all[rapid.SampledFrom(slices.Sorted(maps.Keys(all))).Draw(h.r, "change")]()
}

// changes does some things to the tree, at one moment.
func (h *random) changes() {
	for range rapid.IntRange(1, 4).Draw(h.r, "changes") {
		h.change()
		h.checkFrozen()
	}
}

// The log is optimised while batches of it are on their way, arrive without an answer, are rejected and sent again. What the server makes of it is what it
// makes of a log in which everything stays.
func TestOptimisedLogGivesTheTreeOfTheWholeOne(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		inBubble(t, r, func(t *testing.T, b bubbled) {
			h := &random{pair: newPair(t, b), r: r}
			act := func(f func()) func(*rapid.T) {
				return func(r *rapid.T) {
					h.r = r
					if rapid.IntRange(0, 2).Draw(r, "wait") == 0 {
						h.await()
					}
					f()
				}
			}
			r.Repeat(map[string]func(*rapid.T){
				"":             func(*rapid.T) { h.checkFrozen() },
				"change":       act(h.change),
				"changes":      act(h.changes),
				"more changes": act(h.changes),
				"under way":    act(h.underWay),
				"cut off":      act(func() { h.both((*client).disconnect) }),
				"compare":      act(h.compare),
			})
			h.r = r
			h.compare()
		})
	})
}

// disconnect cuts a client off.
func (c *client) disconnect() { c.Disconnect() }

// underWay has a batch under way while changes are made, and then lets it arrive, or lose its answer, or be rejected, or not arrive for now.
func (h *random) underWay() {
	h.release()
	h.both(func(c *client) { c.Reconnect() })
	time.Sleep(2 * time.Second)
	for _, n := range h.nets {
		n.hold()
	}
	h.changes()
	time.Sleep(50 * time.Millisecond) // for what is sent to be chosen
	h.changes()
	switch rapid.SampledFrom([]string{"arrives", "loses its answer", "is rejected", "stays"}).Draw(h.r, "the batch") {
	case "arrives":
		h.release()
		time.Sleep(time.Second)
	case "loses its answer":
		h.loseAnswer(rapid.IntRange(1, 6).Draw(h.r, "at"))
		h.changes()
	case "is rejected":
		h.reject()
		h.changes()
	}
}

// loseAnswer lets the batch arrive, and cuts the connections when something arrives from the servers: the answer, or what comes before it.
func (p *pair) loseAnswer(at int) {
	for i := range p.nets {
		reads := atomic.Int64{}
		p.nets[i].setOnRead(func(n *network, _ int) {
			if reads.Add(1) == int64(at) {
				n.cut()
			}
		})
	}
	p.release()
	time.Sleep(10 * time.Millisecond)
	p.both((*client).disconnect)
	for _, n := range p.nets {
		n.setOnRead(nil)
	}
}

// reject lets the batch arrive at servers whose disks are full.
func (p *pair) reject() {
	for _, s := range p.server {
		d := s.Simulated()
		d.SetCapacity(d.Used() + 1)
	}
	p.release()
	time.Sleep(time.Second)
	p.both((*client).disconnect)
	for _, s := range p.server {
		s.Simulated().SetCapacity(0)
	}
}

// release lets everything through.
func (p *pair) release() {
	p.frozen = nil
	for _, n := range p.nets {
		if n.held() {
			n.release()
		}
	}
}
