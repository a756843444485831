package venus

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
)

// need says what of an object an operation needs.
type need int

const (
	needStatus   need = iota + 1
	needEntries       // the names in a directory
	needContents      // a file's contents
)

// verdict says how a need can be met.
type verdict int

const (
	useCache   verdict = iota // what is cached will do
	askServer                 // the server has to be asked
	awaitLink                 // it is not clear yet whether the server can be asked
	awaitGroup                // it is not clear yet which of the replicas can be asked
	awaitFree                 // somebody has it locked
	outOfReach                // the server cannot be asked, and the cache does not have it
)

// flight is a request that is under way for one or more objects. Those who need its outcome wait for done and look again.
type flight struct {
	what   string
	done   chan struct{}
	err    error            // set before done is closed, as is differ
	as     *credential      // with whose token it is made
	denied map[*object]bool // what that user may not see
	differ bool             // the replicas have no newest version of what was asked for
}

// ensure waits until an object can be used for what it is needed for. On success it returns with v.mu held; on an error, without.
//
// An object with a valid promise is used as it is, without waiting for anything. One without is validated or fetched first, unless the server
// is out of reach: then the cache is all there is, and is used.
func (v *Venus) ensure(ctx context.Context, c *call, f coda.Fid, n need, hint siblings) (*object, error) {
	if role, _ := unshadow(f); role != 0 {
		return v.imagine(ctx, c, f, n)
	}
	var seen *object
	differences := 0
	for attempt := 0; ; attempt++ {
		v.mu.Lock()
		o, err := v.present(c, f, seen)
		if err != nil {
			v.mu.Unlock()
			return nil, err
		}
		seen = o
		var fl *flight
		var wait <-chan struct{}
		var grace <-chan time.Time
		what := "the server"
		switch v.judge(o, n) {
		case useCache:
			v.use(o)
			return o, nil
		case outOfReach:
			v.tidy(o)
			err := v.group.why()
			v.mu.Unlock()
			return nil, c.fail(coda.TimedOut, "it is not cached and the server is out of reach: %w", orUnknown(err))
		case awaitLink:
			wait = v.group.changed
			if o.has(n) {
				if time.Since(c.start) >= v.cfg.Timing.Grace {
					v.use(o)
					return o, nil
				}
				grace = time.After(v.cfg.Timing.Grace - time.Since(c.start))
			}
		case awaitGroup:
			wait, grace = v.group.changed, time.After(v.group.undecided(v.cfg.Timing.Grace))
		case awaitFree:
			wait, what = o.locked(), "the lock of "+f.String()
		case askServer:
			fl = v.takeOff(o, n, hint, c.as(v))
			wait, what = fl.done, fl.what
		}
		v.mu.Unlock()
		if err := c.waitAny(ctx, wait, nil, grace, what); err != nil {
			return nil, err
		}
		if fl != nil && errors.Is(fl.err, errNewestAway) {
			v.mu.Lock()
			if o.has(n) {
				v.use(o)
				return o, nil // as if no replica were in reach
			}
			v.mu.Unlock()
			return nil, c.wrap(fl.err)
		}
		if fl != nil && (fl.denied[o] || coda.KindOf(fl.err) == coda.NoToken) {
			if err := v.deniedBy(ctx, c, fl, o, attempt); err != nil {
				return nil, err
			}
			continue
		}
		if fl != nil && fl.err != nil {
			if coda.KindOf(fl.err) != coda.TimedOut {
				return nil, c.wrap(fl.err)
			}
			if err := v.backOff(ctx, c, attempt); err != nil {
				return nil, err
			}
		}
		if fl != nil && fl.err == nil && fl.differ {
			if err := v.awaitAccord(ctx, c, f, hint, differences); err != nil {
				return nil, err
			}
			differences++
		}
	}
}

// deniedBy deals with a request that was denied to the user for whom it was made, or whose token is not valid. Without an error it is to be made again.
func (v *Venus) deniedBy(ctx context.Context, c *call, fl *flight, o *object, attempt int) error {
	switch {
	case fl.as != c.as(v): // it was made for somebody else
		return nil
	case fl.denied[o]:
		return c.fail(coda.Permission, "the server does not show it to %v", c.who(v))
	case fl.as == nil:
		return c.wrap(fl.err)
	case v.group.replicated(): // one of the servers may not have heard of the user yet
		return v.backOff(ctx, c, attempt)
	default:
		v.end(fl.as)
		return nil
	}
}

// present finds an object, unless it is known to be gone. v.mu is held.
func (v *Venus) present(c *call, f coda.Fid, seen *object) (*object, error) {
	if v.closed {
		return nil, c.fail(coda.Closed, "venus is stopping")
	}
	if seen != nil && seen.gone {
		return nil, c.fail(coda.NotFound, "the server does not have it")
	}
	o := v.object(f)
	if !o.exists() && (o.known() || len(o.pending()) > 0) {
		return nil, c.fail(coda.NotFound, "it was removed")
	}
	return o, nil
}

// backOff waits after a request that the server did not answer. By then the server may be known to be gone, so that the cache
// will do.
func (v *Venus) backOff(ctx context.Context, c *call, attempt int) error {
	v.mu.Lock()
	changed, up := v.group.changed, v.group.state == linkUp
	v.mu.Unlock()
	if !up {
		return nil
	}
	pause, ok := v.policies.retrying.ask(attempt)
	if !ok {
		return c.fail(coda.Busy, "the server has not answered %d times", attempt+1)
	}
	return c.waitAny(ctx, changed, nil, time.After(pause), "the next attempt")
}

func orUnknown(err error) error {
	if err == nil {
		return coda.TimedOut
	}
	return err
}

// judge says how a need can be met. v.mu is held.
func (v *Venus) judge(o *object, n need) verdict {
	if o.locked() != nil {
		return awaitFree
	}
	has := o.has(n)
	if o.madeUp && has || o.ours() || (has && !o.fid.IsDirectory() && (o.dirty() || o.inFlight())) {
		return useCache
	}
	switch v.group.state {
	case linkDown:
		if has {
			return useCache
		}
		return outOfReach
	case linkStarting:
		return awaitLink
	}
	if has && o.fresh(n) && v.valid(o) {
		return useCache
	}
	if v.group.state == linkLost {
		return awaitLink
	}
	if v.group.undecided(v.cfg.Timing.Grace) > 0 {
		return awaitGroup
	}
	return askServer
}

// valid reports whether the server has promised to tell when the object changes, and the promise holds.
func (v *Venus) valid(o *object) bool {
	return o.promised.covers(v.group.vouching) && (o.names == nil || len(o.names.stash) == 0) && time.Now().Before(v.group.until)
}

// has reports whether what is needed is cached, in whatever version.
func (o *object) has(n need) bool {
	switch n {
	case needEntries:
		return o.complete()
	case needContents:
		return o.local().Kind == coda.File && (o.current() != nil || o.empty())
	default:
		return o.known()
	}
}

// empty reports whether the object is a file without contents.
func (o *object) empty() bool {
	return o.local().Kind == coda.File && o.local().Length == 0 && o.local().Digest == coda.EmptyDigest()
}

// fresh reports whether what is cached belongs to the attributes that are cached.
func (o *object) fresh(n need) bool {
	return n != needEntries || o.at().Compare(o.base().Version) == coda.Equal
}

// takeOff joins the request that is under way for an object, or starts one. v.mu is held.
func (v *Venus) takeOff(o *object, n need, hint siblings, as *credential) *flight {
	if o.flight != nil {
		return o.flight
	}
	if n == needStatus {
		list := v.suspects(o, hint)
		fl := &flight{what: "the server to validate it", done: make(chan struct{}), as: as}
		for _, s := range list {
			s.flight = fl
		}
		v.goRequest(func(ctx context.Context) {
			differ, denied, err := v.validate(wire.WithToken(ctx, as.token()), list)
			fl.differ, fl.denied = slices.Contains(differ, o), denied
			v.land(list, fl, err)
		})
		return fl
	}
	fl := &flight{what: "the server to send it", done: make(chan struct{}), as: as}
	o.flight = fl
	v.goRequest(func(ctx context.Context) {
		var err error
		fl.differ, err = v.fetch(wire.WithToken(ctx, as.token()), o)
		if coda.KindOf(err) == coda.Permission {
			fl.denied, err = map[*object]bool{o: true}, nil
		}
		v.land([]*object{o}, fl, err)
	})
	return fl
}

// goRequest runs a request that goes on when those who wait for it have given up. Close waits for it. v.mu is held.
func (v *Venus) goRequest(f func(ctx context.Context)) {
	v.daemons.Go(func() { f(v.life) })
}

// land ends a flight.
func (v *Venus) land(list []*object, fl *flight, err error) {
	v.mu.Lock()
	fl.err = err
	for _, o := range list {
		o.flight = nil
		v.tidy(o)
	}
	v.eased()
	v.mu.Unlock()
	close(fl.done)
}

// siblings names a directory whose objects are likely to be needed next, and the name after which.
type siblings struct {
	dir   *object
	after string
}

// suspects lists the objects to validate in one request with o: the more often something of a directory had to be asked for, the
// more of what follows there.
func (v *Venus) suspects(o *object, hint siblings) []*object {
	list := []*object{o}
	if hint.dir == nil {
		return list
	}
	room := min(1<<min(hint.dir.listing().misses, 9), 500, v.cfg.Limits.CacheObjects/8) // what is asked for stays until it is answered
	hint.dir.listing().misses++
	names := hint.dir.sorted()
	start, _ := slices.BinarySearch(names, hint.after)
	for i := range names {
		if len(list) > room {
			break
		}
		e, _ := hint.dir.lookup(names[(start+i)%len(names)])
		f := e.Fid
		s := v.objects[f]
		if s == o || (s != nil && (s.flight != nil || s.ours() || (s.known() && v.valid(s)))) {
			continue
		}
		list = append(list, v.object(f))
	}
	return list
}
