package venus

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/codastress/codastress/system/coda"
)

// A walk has two passes, as Coda's. The first makes known what the database means: attributes, and the names in directories. The second fetches the
// contents that are missing, the most wanted first. It evicts what is wanted less for it, and leaves a sixteenth of the cache to what is not hoarded.

// HoardReport says what a walk has found and done.
type HoardReport struct {
	Entries uint64 // in the database
	Unbound uint64 // paths of them that lead nowhere
	Objects uint64 // that are hoarded
	Fetched uint64 // files of which the contents were fetched
	Bytes   uint64 // of these
	Refused uint64 // objects for which there was no room
	Failed  uint64 // files that could not be fetched for another reason
	Took    time.Duration
}

// HoardAdd adds a path to the database, or changes its priority and extent. What an extent means that is for what is there now is looked up now, and each
// becomes an entry of its own. It gives the number of entries that it has made or changed. Nothing is fetched before the next walk.
func (v *Venus) HoardAdd(ctx context.Context, path string, priority int, extent Extent) (entries int, err error) {
	c := v.enter("hoard add", coda.Fid{}, path)
	defer c.leave()
	e := Hoarded{Path: strings.Trim(path, "/"), Priority: priority, Extent: extent}
	if err := checkHoarded(c, e); err != nil {
		return 0, err
	}
	list := []Hoarded{e}
	if extent == Children || extent == Descendants {
		list[0].Extent = Exact
		below := &expansion{v: v, c: c, limit: v.cfg.Limits.HoardEntries, deep: extent == Descendants, priority: priority}
		if err := below.expand(ctx, e.Path); err != nil {
			return 0, err
		}
		list = append(list, below.list...)
	}
	return len(list), c.wrap(v.setHoarded(c, list))
}

// HoardModify is HoardAdd for a path that is in the database.
func (v *Venus) HoardModify(ctx context.Context, path string, priority int, extent Extent) (entries int, err error) {
	v.mu.Lock()
	_, there := v.hoard.entries[strings.Trim(path, "/")]
	v.mu.Unlock()
	if !there {
		return 0, coda.Errorf("hoard modify "+path, coda.NotFound, "it is not hoarded")
	}
	return v.HoardAdd(ctx, path, priority, extent)
}

// checkHoarded refuses entries that make no sense.
func checkHoarded(c *call, e Hoarded) error {
	switch {
	case e.Priority < 1 || e.Priority > MaxHoardPriority:
		return c.fail(coda.Invalid, "the priority %d is not from 1 to %d", e.Priority, MaxHoardPriority)
	case e.Extent < Exact || e.Extent > DescendantsEver:
		return c.fail(coda.Invalid, "%v says nothing about what to hoard", e.Extent)
	case e.Path == "":
		return nil
	}
	for name := range strings.SplitSeq(e.Path, "/") {
		if err := coda.ValidName(name); err != nil {
			return c.wrap(err)
		}
	}
	return nil
}

// expansion lists what is in a directory, or below it, for entries of the database.
type expansion struct {
	v        *Venus
	c        *call
	limit    int
	deep     bool
	priority int
	list     []Hoarded
}

func (x *expansion) expand(ctx context.Context, path string) error {
	s, err := x.v.LookupPath(ctx, path)
	if err != nil || s.Kind != coda.Directory {
		return err
	}
	entries, err := x.v.ReadDirectory(ctx, s.Fid)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if len(x.list) >= x.limit {
			return x.c.fail(coda.NoSpace, "more than %d entries would be too many", x.limit)
		}
		below := strings.TrimPrefix(path+"/"+e.Name, "/")
		x.list = append(x.list, Hoarded{Path: below, Priority: x.priority})
		if x.deep && e.Kind == coda.Directory {
			if err := x.expand(ctx, below); err != nil {
				return err
			}
		}
	}
	return nil
}

// HoardWalk fetches what the database wants and the cache does not have. It ends with an error where the server is out of reach; what it has
// fetched stays. One walk is under way at a time.
func (v *Venus) HoardWalk(ctx context.Context) (HoardReport, error) {
	c := v.enter("hoard walk", coda.Fid{}, "")
	defer c.leave()
	select {
	case v.hoard.walking <- struct{}{}:
	case <-ctx.Done():
		return HoardReport{}, c.fail(coda.TimedOut, "waiting for another walk: %w", ctx.Err())
	}
	defer func() { <-v.hoard.walking }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(v.life, cancel)()
	v.mu.Lock()
	w := &walk{v: v, entries: v.hoardList(), room: v.hoardObjects()}
	v.mu.Unlock()
	start := time.Now()
	err := w.discover(ctx)
	if err == nil {
		err = w.fetch(ctx)
	}
	w.report.Entries, w.report.Took = uint64(len(w.entries)), time.Since(start)
	v.mu.Lock()
	v.hoard.last = w.report
	v.mu.Unlock()
	return w.report, c.wrap(err)
}

// walk is a walk that is under way.
type walk struct {
	v       *Venus
	entries []Hoarded
	room    int    // objects that may be hoarded
	beyond  uint64 // names for whose objects there is no place
	report  HoardReport
	seen    map[coda.Fid]mark
}

// discover makes the attributes and names known that the entries mean, and marks what is hoarded.
func (w *walk) discover(ctx context.Context) error {
	w.seen = map[coda.Fid]mark{}
	for _, e := range w.entries {
		if len(w.seen) >= w.room {
			w.beyond++ // the most wanted come first
			continue
		}
		s, err := w.v.LookupPath(ctx, e.Path)
		switch kind := coda.KindOf(err); {
		case kind == coda.NotFound || kind == coda.NotDirectory:
			w.report.Unbound++
			continue
		case err != nil:
			return err
		}
		if err := w.discoverBelow(ctx, s, mark{priority: uint16(e.Priority), below: uint8(e.Extent)}); err != nil {
			return err
		}
	}
	w.v.mu.Lock()
	w.v.bindHoard()
	w.v.mu.Unlock()
	return nil
}

// discoverBelow makes an object known and, where they are hoarded with it, those below it.
func (w *walk) discoverBelow(ctx context.Context, s coda.Status, m mark) error {
	before, known := w.seen[s.Fid]
	now := before.include(m)
	if known && now == before {
		return nil
	}
	w.seen[s.Fid] = now
	if s.Kind != coda.Directory {
		return nil
	}
	entries, err := w.v.ReadDirectory(ctx, s.Fid)
	if err != nil {
		return passing(err)
	}
	below := m.childMark()
	if below.priority == 0 {
		return nil
	}
	for i, e := range entries {
		if len(w.seen) >= w.room {
			w.beyond += uint64(len(entries) - i)
			return nil
		}
		at, err := w.v.Lookup(ctx, s.Fid, e.Name)
		if err == nil {
			err = w.discoverBelow(ctx, at, below)
		}
		if err := passing(err); err != nil {
			return err
		}
	}
	return nil
}

// passing gives an error that ends a walk, or nil where an object has gone meanwhile.
func passing(err error) error {
	switch coda.KindOf(err) {
	case coda.NotFound, coda.NotDirectory:
		return nil
	default:
		return err
	}
}

// missing is a file whose contents are to be fetched.
type missing struct {
	fid      coda.Fid
	length   uint64
	priority int
}

// fetch fetches the contents that are missing.
func (w *walk) fetch(ctx context.Context) error {
	refused := uint64(1 << 63) // nothing as long as this will find room, since what follows is wanted less
	wanted, objects := w.v.missing()
	w.report.Objects = objects
	for _, m := range wanted {
		if m.length >= refused || !w.v.hoardRoom(m) {
			refused = min(refused, m.length)
			continue
		}
		err := w.v.hoardFile(ctx, m.fid)
		switch coda.KindOf(err) {
		case 0:
			w.report.Fetched++
			w.report.Bytes += m.length
		case coda.NoSpace:
			refused = min(refused, m.length)
		case coda.NotFound, coda.Invalid, coda.Conflict:
			w.report.Failed++
		default:
			return err
		}
	}
	left, _ := w.v.missing() // with what was evicted for others
	w.report.Refused = w.beyond + uint64(max(len(left)-int(w.report.Failed), 0))
	return nil
}

// missing lists the files whose contents are wanted and not cached, the most wanted first, and counts what is hoarded.
func (v *Venus) missing() (list []missing, hoarded uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for f, o := range v.objects {
		if o.mark.priority == 0 {
			continue
		}
		hoarded++
		if o.exists() && o.kind() == coda.File && !o.has(needContents) {
			list = append(list, missing{f, o.local().Length, int(o.mark.priority)})
		}
	}
	slices.SortFunc(list, func(a, b missing) int { return cmp.Or(cmp.Compare(b.priority, a.priority), a.fid.Compare(b.fid)) })
	return list, hoarded
}

// hoardRoom makes room for contents by evicting what is wanted less, and reports whether there is some: a sixteenth of the cache is left to what is not
// hoarded.
func (v *Venus) hoardRoom(m missing) bool {
	fits := func() bool {
		v.mu.Lock()
		defer v.mu.Unlock()
		return uint64(max(v.cacheBytes, 0))+m.length <= v.hoardBytes()
	}
	if !fits() {
		v.evictNow(m.length, m.priority)
	}
	return fits()
}

// hoardFile fetches the contents of a file.
func (v *Venus) hoardFile(ctx context.Context, f coda.Fid) error {
	c := v.enter("hoard", f, "")
	defer c.leave()
	if _, err := v.ensureFile(ctx, c, f, needContents); err != nil {
		return err
	}
	v.mu.Unlock()
	return nil
}

// hoardWalks walks now and then while there is something to walk for, until the context ends.
func (v *Venus) hoardWalks(ctx context.Context) {
	for {
		select {
		case <-v.hoard.wake:
		case <-ctx.Done():
			return
		}
		if !pause(ctx, v.cfg.Timing.Hoard) {
			return
		}
		v.mu.Lock()
		empty, up := len(v.hoard.entries) == 0, v.group.state == linkUp
		v.mu.Unlock()
		if empty {
			continue
		}
		wake(v.hoard.wake)
		if !up {
			continue
		}
		report, err := v.HoardWalk(ctx)
		if err != nil && ctx.Err() == nil {
			v.logger.Warn("walk through what is hoarded", "error", err)
		}
		if report.Refused > 0 {
			v.logger.Warn("there is no room for all that is hoarded", "objects", report.Refused)
		}
	}
}

// HoardState says what the cache has of something that is hoarded.
type HoardState struct {
	Path     string
	Priority int
	Kind     coda.ObjectKind // 0 where nothing is known
	Cached   bool            // with its contents, or the names in it
	Valid    bool            // as far as this client can know it is what the server has
}

// HoardVerify says what the cache has of all that is hoarded at a path and below it; "" stands for everything. It asks nobody.
func (v *Venus) HoardVerify(path string) []HoardState {
	path = strings.Trim(path, "/")
	v.mu.Lock()
	defer v.mu.Unlock()
	list := map[string]HoardState{}
	v.eachHoarded(v.hoardList(), func(p string, o *object, m mark) {
		if path != "" && p != path && !strings.HasPrefix(p, path+"/") {
			return
		}
		s := list[p]
		s.Path, s.Priority = p, max(s.Priority, int(m.priority))
		if o != nil && o.exists() {
			n := needStatus
			switch s.Kind = o.kind(); s.Kind {
			case coda.File:
				n = needContents
			case coda.Directory:
				n = needEntries
			}
			s.Cached = o.has(n) || o.ours()
			s.Valid = s.Cached && v.judge(o, n) == useCache
		}
		list[p] = s
	})
	states := make([]HoardState, 0, len(list))
	for _, s := range list {
		states = append(states, s)
	}
	slices.SortFunc(states, func(a, b HoardState) int { return strings.Compare(a.Path, b.Path) })
	return states
}
