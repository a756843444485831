package venus

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// inquiry is a question to one replica about the versions of objects, and its answer.
type inquiry struct {
	from    request
	objects []int // places in the list
	message *vicepb.ValidateRequest
	answers []wire.Validity
	breaks  uint64
	err     error
}

// question is a round of inquiries about a list of objects, to all replicas that have not promised anything about them.
type question struct {
	v         *Venus
	list      []*object
	asked     []coda.VersionVector
	inquiries []*inquiry
}

// newQuestion prepares a question to the available replicas of a set. Objects of which nothing is known yet are asked for with no version, so that the
// answer brings their status. v.mu is held.
func (v *Venus) newQuestion(list []*object, to replicas) *question {
	u := &question{v: v, list: list, asked: make([]coda.VersionVector, len(list))}
	for i, o := range list {
		u.asked[i] = o.base().Version
	}
	to &= v.group.reachable()
	lacking := make([]replicas, len(list))
	for i, o := range list {
		lacking[i] = v.lacking(o, to)
	}
	for _, r := range v.group.members(to) {
		var about []int
		for i := range list {
			if lacking[i].has(r.slot) {
				about = append(about, i)
			}
		}
		if len(about) == 0 {
			continue
		}
		q := r.ask()
		message := &vicepb.ValidateRequest{Session: q.session, Items: make([]*vicepb.ValidateItem, len(about))}
		for k, i := range about {
			message.Items[k] = &vicepb.ValidateItem{Fid: wire.FidToProto(list[i].fid), Version: wire.VersionToProto(u.asked[i])}
		}
		u.inquiries = append(u.inquiries, &inquiry{from: q, objects: about, message: message})
	}
	return u
}

// lacking are the replicas of a set of which no promise holds for an object; all of them where only something else is in the way of using it.
func (v *Venus) lacking(o *object, of replicas) (list replicas) {
	for _, r := range v.group.members(of) {
		if !o.promised.has(r.slot) || !time.Now().Before(r.until) {
			list |= only(r.slot)
		}
	}
	if list == 0 || !v.group.replicated() {
		return of
	}
	return list
}

// ask asks all replicas at once, and returns when all have answered or failed.
func (u *question) ask(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, u.v.cfg.Timing.Idle)
	defer cancel()
	together(u.inquiries, func(i *inquiry) { i.err = i.ask(ctx, u.list) })
}

// together does something for each of a list at the same time.
func together[T any](list []T, do func(T)) {
	if len(list) == 1 {
		do(list[0])
		return
	}
	var all sync.WaitGroup
	for _, x := range list {
		all.Go(func() { do(x) })
	}
	all.Wait()
}

func (i *inquiry) ask(ctx context.Context, list []*object) error {
	ctx, cancel := i.from.within(ctx)
	defer cancel()
	reply, err := i.from.to.remote.vice.Validate(ctx, i.message)
	if err != nil {
		return i.from.failed(ctx, "validate", err)
	}
	if len(reply.Results) != len(i.objects) {
		return coda.Errorf("validate", coda.Invalid, "%d answers to %d questions", len(reply.Results), len(i.objects))
	}
	i.answers, i.breaks = make([]wire.Validity, len(i.objects)), reply.Breaks
	for k, place := range i.objects {
		if i.answers[k], err = wire.ValidityFromProto(reply.Results[k], list[place].fid); err != nil {
			return err
		}
	}
	return nil
}

// testimonies are what was said about the objects, in the order of slots.
func (u *question) testimonies() [][]testimony {
	all := make([][]testimony, len(u.list))
	for _, q := range u.inquiries {
		if q.err != nil {
			continue
		}
		for k, i := range q.objects {
			all[i] = append(all[i], q.testimony(k, u.list[i], u.asked[i]))
		}
	}
	return all
}

// testimony is an answer to an inquiry about an object that was asked for with a version. v.mu is held.
func (i *inquiry) testimony(k int, o *object, asked coda.VersionVector) testimony {
	a := i.answers[k]
	t := testimony{from: i.from, promised: a.Promised, breaks: i.breaks, status: a.Status, stale: a.Answer == vicepb.ValidateResult_ANSWER_STALE}
	switch a.Answer {
	case vicepb.ValidateResult_ANSWER_GONE:
		t.gone = true
	case vicepb.ValidateResult_ANSWER_DENIED:
		t.void = true
	case vicepb.ValidateResult_ANSWER_CURRENT:
		t.status = o.base()
		t.void = !o.known() || o.base().Version.Compare(asked) != coda.Equal
	}
	return t
}

// denied are the objects that one of the replicas does not show.
func (u *question) denied() map[*object]bool {
	var denied map[*object]bool
	for _, q := range u.inquiries {
		for k := range q.answers {
			if q.err == nil && q.answers[k].Answer == vicepb.ValidateResult_ANSWER_DENIED {
				if denied == nil {
					denied = map[*object]bool{}
				}
				denied[u.list[q.objects[k]]] = true
			}
		}
	}
	return denied
}

// err is the first failure.
func (u *question) err() error {
	for _, q := range u.inquiries {
		if q.err != nil {
			return q.err
		}
	}
	return nil
}

// ended is end for those who do not hold the mutex.
func (u *question) ended() {
	u.v.mu.Lock()
	defer u.v.mu.Unlock()
	u.end()
}

// end ends the requests. v.mu is held.
func (u *question) end() {
	for _, q := range u.inquiries {
		q.from.end()
	}
}

// validate compares the versions of objects with those of the available replicas, and takes over what is newer. It gives the objects over which the
// replicas differ so that there is no newest version, and those that the user may not see for whom it is done. The objects are in a flight.
func (v *Venus) validate(ctx context.Context, list []*object) (differ []*object, denied map[*object]bool, err error) {
	v.mu.Lock()
	u := v.newQuestion(list, v.group.everyone())
	v.mu.Unlock()
	u.ask(ctx)
	t := v.store.begin()
	v.mu.Lock()
	for i, said := range u.testimonies() {
		if o := list[i]; len(said) > 0 && !v.counted(o, said) && !v.takeTestimonies(t, o, u.asked[i], said) {
			differ = append(differ, o)
		}
	}
	u.end()
	t.enqueue()
	v.mu.Unlock()
	if err := t.wait(); err != nil {
		return differ, nil, err
	}
	return differ, u.denied(), u.err()
}

// counted reports whether what replicas say about an object may have the batch in it already that is under way.
func (v *Venus) counted(o *object, list []testimony) bool {
	return !o.fid.IsDirectory() && o.inFlight() && slices.ContainsFunc(list, func(said testimony) bool { return said.stale })
}

// takeTestimonies takes over what replicas say about an object that had been asked for with a version. It reports whether that is a clear answer: where
// it is not, all available replicas have to be asked again.
func (v *Venus) takeTestimonies(t *tx, o *object, asked coda.VersionVector, list []testimony) bool {
	moved := o.base().Version.Compare(asked) != coda.Equal
	list = slices.DeleteFunc(list, func(said testimony) bool { return said.void || moved && said.gone })
	if len(list) == 0 {
		return true
	}
	var heard replicas
	for _, said := range list {
		heard |= only(said.from.to.slot)
	}
	newest, _, accord := collate(list)
	if accord == divided {
		newest, accord = v.presume(o, list)
	}
	switch {
	case accord == absent && heard.covers(v.group.available):
		v.forget(t, o)
		return true
	case accord != agreed:
		v.voidPromise(o)
		return false
	}
	return v.takeNewest(t, o, newest, heard, moved, list)
}

// takeNewest takes over the newest version that the replicas have that were heard.
func (v *Venus) takeNewest(t *tx, o *object, newest coda.Status, heard replicas, moved bool, list []testimony) bool {
	fresh, before := !o.known(), o.base().Version
	how := coda.Dominant
	if !fresh {
		how = compare(newest, o.base())
	}
	switch {
	case how == coda.Submissive && !moved && heard == v.group.everyone() && !same(newest, o.base()):
		v.goBack(o, newest)
	case how == coda.Submissive && (moved || !v.group.replicated()):
		return true
	case how == coda.Submissive:
		newest = o.base() // the replica that has what is known is out of reach, or has promised something about it before
	case how == coda.Inconsistent && (moved || !heard.covers(v.group.available)):
		v.voidPromise(o)
		return false
	case how == coda.Inconsistent:
		v.logger.Warn("the replicas in reach have another version than those before", "object", o.fid, "had", before, "has", newest.Version)
	case how == coda.Equal && v.group.replicated():
		newest.Inconsistent = newest.Inconsistent || o.word.marked && newest.Version.Compare(before) == coda.Inconsistent
		newest.Version = allCounted(newest.Version, before)
	}
	if !v.setBase(t, o, newest) {
		return true
	}
	for _, said := range list {
		if said.promised {
			v.promised(o, said.from, said.breaks)
		}
	}
	if !fresh && before.Compare(newest.Version) != coda.Equal {
		v.notices.object(o.fid)
	}
	return true
}

// revalidateBatch is how many objects one background request validates: enough to be few, and not so many that a request
// that somebody waits for stands behind it for long.
const revalidateBatch = 1000

// revalidate validates, whenever a session has been opened, what is cached, most recently used first. So what changed while
// the server was out of reach is known before somebody asks, and a large cache costs few requests.
func (v *Venus) revalidate(ctx context.Context) {
	for {
		v.mu.Lock()
		up, changed := v.group.state == linkUp, v.group.changed
		v.mu.Unlock()
		if up {
			v.revalidateAll(ctx)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
		if ctx.Err() != nil {
			return
		}
	}
}

func (v *Venus) revalidateAll(ctx context.Context) {
	all := v.cached()
	for len(all) > 0 && ctx.Err() == nil {
		v.mu.Lock()
		up := v.group.state == linkUp
		v.mu.Unlock()
		if !up {
			return
		}
		fl := &flight{what: "the server to validate what is cached", done: make(chan struct{})}
		list := v.board(all[:min(len(all), revalidateBatch)], fl)
		all = all[min(len(all), revalidateBatch):]
		if len(list) == 0 {
			continue
		}
		fl.as = v.background()
		_, denied, err := v.validate(wire.WithToken(ctx, fl.as.token()), list)
		fl.denied = denied
		v.land(list, fl, err)
		if err != nil {
			if coda.KindOf(err) == coda.NoToken && !v.group.replicated() {
				v.end(fl.as)
				continue
			}
			v.logger.Warn("validate the cache", "error", err)
			return
		}
	}
}

// cached lists the objects that the cache knows, most recently used first.
func (v *Venus) cached() []coda.Fid {
	type use struct {
		fid  coda.Fid
		used uint64
	}
	v.mu.Lock()
	list := make([]use, 0, len(v.objects))
	for f, o := range v.objects {
		if o.known() {
			list = append(list, use{f, o.used})
		}
	}
	v.mu.Unlock()
	slices.SortFunc(list, func(a, b use) int { return cmp.Compare(b.used, a.used) })
	fids := make([]coda.Fid, len(list))
	for i, u := range list {
		fids[i] = u.fid
	}
	return fids
}

// board puts those objects into a flight that have no valid promise and are in no other flight.
func (v *Venus) board(fids []coda.Fid, fl *flight) []*object {
	v.mu.Lock()
	defer v.mu.Unlock()
	var list []*object
	for _, f := range fids {
		if o := v.objects[f]; o != nil && o.known() && o.flight == nil && !v.valid(o) {
			o.flight = fl
			list = append(list, o)
		}
	}
	return list
}
