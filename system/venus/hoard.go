package venus

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/codastress/codastress/system/coda"
)

// Hoarding: a person says what is to be at hand while the server is out of reach. Venus keeps that in a database of paths, which survives
// restarts, and walks through it from time to time to fetch what is missing (hoardwalk.go). What is hoarded is evicted last.
//
// A path is bound to the object that has it at the moment, whatever that is: a name that is free now will be hoarded when something has it.

// Hoarded is an entry of the hoard database.
type Hoarded struct {
	Path     string // from the root of the volume, which is ""
	Priority int    // 1 to MaxHoardPriority: what matters more is fetched first and evicted last
	Extent   Extent // Exact, ChildrenEver or DescendantsEver
}

// The priorities of what is hoarded.
const (
	HoardPriority    = 10 // where nothing else was said
	MaxHoardPriority = 1000
)

// Extent says what below a directory is hoarded with it: Coda's attributes.
type Extent int

// The extents.
const (
	Exact           Extent = iota // the object alone
	Children                      // what is in the directory now
	ChildrenEver                  // what is in the directory now, or will be
	Descendants                   // what is below the directory now
	DescendantsEver               // what is below the directory now, or will be
)

// extents are the names of the extents.
func extents() []string { return []string{"", "c", "c+", "d", "d+"} }

// String gives Coda's name: c, c+, d, d+, or nothing.
func (e Extent) String() string {
	if e < Exact || e > DescendantsEver {
		return fmt.Sprintf("extent %d", int(e))
	}
	return extents()[e]
}

// ParseExtent finds an extent by its name.
func ParseExtent(name string) (Extent, error) {
	if i := slices.Index(extents(), name); i >= 0 {
		return Extent(i), nil
	}
	return 0, coda.Errorf("choose what to hoard", coda.Invalid, "%q is none of c, c+, d and d+", name)
}

// hoard is the database, and what it means at the moment. Guarded by Venus.mu, but for walking.
type hoard struct {
	entries map[string]Hoarded
	walking chan struct{} // has a token while a walk is under way
	wake    chan struct{} // has a token when there is something to walk for
	last    HoardReport   // of the last walk
}

func newHoard() hoard {
	return hoard{entries: map[string]Hoarded{}, walking: make(chan struct{}, 1), wake: make(chan struct{}, 1)}
}

// mark says how much an object is wanted. Zero for not at all.
type mark struct {
	priority uint16
	below    uint8 // what inherits it: the Extent
}

// childMark is the mark that something in a directory has for the directory's sake.
func (m mark) childMark() mark {
	switch Extent(m.below) {
	case DescendantsEver:
		return m
	case ChildrenEver:
		return mark{priority: m.priority}
	default:
		return mark{}
	}
}

// include gives the mark of something that is wanted for two reasons.
func (m mark) include(n mark) mark {
	return mark{priority: max(m.priority, n.priority), below: max(m.below, n.below)}
}

func hoardKey(path string) []byte { return append([]byte{keyHoard}, path...) }

// storedHoarded is what the store keeps of an entry; its key has the path.
type storedHoarded struct {
	Priority int
	Extent   string
}

// recoverHoard reads the database.
func (v *Venus) recoverHoard() error {
	err := v.scan(keyHoard, func(key, value []byte) error {
		var s storedHoarded
		if err := json.Unmarshal(value, &s); err != nil {
			return err
		}
		extent, err := ParseExtent(s.Extent)
		if err != nil {
			return err
		}
		v.hoard.entries[string(key)] = Hoarded{Path: string(key), Priority: s.Priority, Extent: extent}
		return nil
	})
	if len(v.hoard.entries) > 0 {
		v.bindHoard()
		wake(v.hoard.wake)
	}
	return err
}

// setHoarded makes entries part of the database, in the place of those with the same paths.
func (v *Venus) setHoarded(c *call, entries []Hoarded) error {
	t := v.store.begin()
	v.mu.Lock()
	more := 0
	for _, e := range entries {
		if _, there := v.hoard.entries[e.Path]; !there {
			more++
		}
	}
	if have, limit := len(v.hoard.entries), v.cfg.Limits.HoardEntries; have+more > limit {
		v.mu.Unlock()
		return t.abandon(c.fail(coda.NoSpace, "the hoard database has %d entries, %d more would be too many", have, more))
	}
	for _, e := range entries {
		v.hoard.entries[e.Path] = e
		b, err := json.Marshal(storedHoarded{Priority: e.Priority, Extent: e.Extent.String()})
		t.fail(err)
		t.set(hoardKey(e.Path), b)
	}
	return v.rebound(t)
}

// rebound marks what is hoarded now and lets go of the mutex. It returns when the change survives a loss of power: nobody looks at the database for months.
func (v *Venus) rebound(t *tx) error {
	v.bindHoard()
	wake(v.hoard.wake)
	if err := v.done(t); err != nil {
		return err
	}
	return v.store.sync()
}

// HoardDelete takes a path out of the database.
func (v *Venus) HoardDelete(path string) error {
	c := v.enter("hoard delete", coda.Fid{}, path)
	defer c.leave()
	path = strings.Trim(path, "/")
	t := v.store.begin()
	v.mu.Lock()
	if err := v.stillOpen(c); err != nil {
		v.mu.Unlock()
		return t.abandon(err)
	}
	if _, there := v.hoard.entries[path]; !there {
		v.mu.Unlock()
		return t.abandon(c.fail(coda.NotFound, "it is not hoarded"))
	}
	delete(v.hoard.entries, path)
	t.delete(hoardKey(path))
	return v.rebound(t)
}

// HoardClear empties the database, and says how much there was.
func (v *Venus) HoardClear() (cleared int, err error) {
	c := v.enter("hoard clear", coda.Fid{}, "")
	defer c.leave()
	t := v.store.begin()
	v.mu.Lock()
	if err := v.stillOpen(c); err != nil {
		v.mu.Unlock()
		return 0, t.abandon(err)
	}
	cleared = len(v.hoard.entries)
	for path := range v.hoard.entries {
		t.delete(hoardKey(path))
	}
	clear(v.hoard.entries)
	return cleared, v.rebound(t)
}

// stillOpen refuses what comes after Close. v.mu is held.
func (v *Venus) stillOpen(c *call) error {
	if v.closed {
		return c.fail(coda.Closed, "venus is stopping")
	}
	return nil
}

// HoardList lists the database, what matters most first.
func (v *Venus) HoardList() []Hoarded {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.hoardList()
}

// hoardList is HoardList. v.mu is held.
func (v *Venus) hoardList() []Hoarded {
	list := make([]Hoarded, 0, len(v.hoard.entries))
	for _, e := range v.hoard.entries {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b Hoarded) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), strings.Compare(a.Path, b.Path))
	})
	return list
}

// hoardBytes is how much contents may be hoarded: a sixteenth of the cache is left to others.
func (v *Venus) hoardBytes() uint64 { return v.cfg.Limits.CacheBytes - v.cfg.Limits.CacheBytes/16 }

// hoardObjects is likewise how many objects may be hoarded.
func (v *Venus) hoardObjects() int { return v.cfg.Limits.CacheObjects - v.cfg.Limits.CacheObjects/16 }

// bindHoard marks the objects that the database means, as far as the cache knows them and has place for them. v.mu is held.
func (v *Venus) bindHoard() {
	for _, o := range v.objects {
		o.mark = mark{}
	}
	marked, room := 0, v.hoardObjects()
	v.eachHoarded(v.hoardList(), func(_ string, o *object, m mark) {
		switch {
		case o == nil || o.mark.priority == 0 && marked == room:
			return
		case o.mark.priority == 0:
			marked++
		}
		o.mark = o.mark.include(m)
	})
}

// eachHoarded calls visit for everything that entries mean, as far as the cache knows: with nil for what it does not know. v.mu is held.
func (v *Venus) eachHoarded(entries []Hoarded, visit func(path string, o *object, m mark)) {
	for _, e := range entries {
		o := v.objects[v.volume.Root]
		for name := range strings.SplitSeq(e.Path, "/") {
			if name != "" && o != nil {
				at, _ := o.lookup(name)
				o = v.through(v.objects[at.Fid])
			}
		}
		w := hoardVisit{v: v, seen: map[*object]struct{}{}, visit: visit}
		w.below(e.Path, o, mark{priority: uint16(e.Priority), below: uint8(e.Extent)})
	}
}

// hoardVisit goes through what an entry means. A server can let directories go round in a circle, so each is visited once.
type hoardVisit struct {
	v     *Venus
	seen  map[*object]struct{}
	visit func(path string, o *object, m mark)
}

func (w hoardVisit) below(path string, o *object, m mark) {
	w.visit(path, o, m)
	child := m.childMark()
	if o == nil || child.priority == 0 || o.kind() != coda.Directory {
		return
	}
	if _, seen := w.seen[o]; seen {
		return
	}
	w.seen[o] = struct{}{}
	for _, name := range o.sorted() {
		e, _ := o.lookup(name)
		w.below(strings.TrimPrefix(path+"/"+name, "/"), w.v.through(w.v.objects[e.Fid]), child)
	}
}
