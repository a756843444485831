package venus

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// searchEntries finds where the first name that is not before name stands.
func searchEntries(entries []coda.Entry, name string) int {
	i, _ := slices.BinarySearchFunc(entries, name, func(e coda.Entry, name string) int { return strings.Compare(e.Name, name) })
	return i
}

// patience ends a request on which the server has been silent for too long.
type patience struct {
	timer *time.Timer
	idle  time.Duration
}

func withPatience(ctx context.Context, idle time.Duration) (context.Context, *patience, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	p := &patience{idle: idle}
	p.timer = time.AfterFunc(idle, func() {
		cancel(fmt.Errorf("the server has been silent for %v: %w", idle, context.DeadlineExceeded))
	})
	return ctx, p, func() {
		p.timer.Stop()
		cancel(nil)
	}
}

// heard notes that the server has sent something.
func (p *patience) heard() { p.timer.Reset(p.idle) }

// fetched is what a fetch has brought.
type fetched struct {
	status    coda.Status
	promised  bool
	breaks    uint64
	unchanged bool
	entries   []coda.Entry
	contents  *container
}

// fetch brings the status and contents of an object into the cache. It asks one of the available replicas for the contents, and the others for their
// versions at the same time: where one of those is newer, it is asked, too. It reports whether there is no newest version.
func (v *Venus) fetch(ctx context.Context, o *object) (differ bool, err error) {
	var tried replicas
	for {
		v.mu.Lock()
		from, all := v.source(tried), v.group.reachable() == v.group.everyone()
		v.mu.Unlock()
		switch {
		case from == nil && all:
			return false, errNewer
		case from == nil:
			return false, errNewestAway
		}
		tried |= only(from.slot)
		done, agreed, err := v.fetchFrom(ctx, o, from)
		if done || !agreed || err != nil {
			return !agreed, err
		}
	}
}

// errNewestAway says that no replica in reach has the version that is known to be the newest.
var errNewestAway = &coda.Error{Op: "fetch", Kind: coda.TimedOut, Err: errors.New("the replica that has the newest version is out of reach")}

// errNewer says that an object has become newer at a replica in reach while that was asked, so that it has to be asked again.
var errNewer = &coda.Error{Op: "fetch", Kind: coda.TimedOut, Err: errors.New("it has changed meanwhile")}

// source is the replica to fetch from, after some that did not have the newest version; nil where there is no other. Clients begin with
// different ones. v.mu is held.
func (v *Venus) source(tried replicas) *replica {
	untried := v.group.reachable() &^ tried
	n := len(v.group.all)
	for i := range n {
		if slot := (int(v.id.Client[0]) + i) % n; untried.has(slot) {
			return v.group.all[slot]
		}
	}
	return nil
}

// fetchFrom asks one replica for the status and contents of an object and the others for its version. It reports whether the contents of the newest
// version are there now, and whether there is one.
func (v *Venus) fetchFrom(ctx context.Context, o *object, from *replica) (done, agreed bool, err error) {
	v.mu.Lock()
	q := from.ask()
	asked, priority := o.base().Version, int(o.mark.priority)
	request := &vicepb.FetchRequest{Fid: wire.FidToProto(o.fid), Session: q.session, Contents: true}
	switch {
	case o.complete():
		request.Have = wire.VersionToProto(o.at())
	case o.contents != nil && o.known():
		request.HaveDigest = o.word.digest[:]
	}
	others := v.newQuestion([]*object{o}, v.group.everyone()&^only(from.slot))
	v.mu.Unlock()
	defer v.ended(q)
	var answers sync.WaitGroup
	if len(others.inquiries) > 0 {
		answers.Go(func() { others.ask(ctx) })
	}
	got, err := v.bring(ctx, q, request, priority)
	answers.Wait()
	if err == nil {
		err = others.err()
	}
	if err == nil && len(others.denied()) > 0 {
		err = coda.Errorf("fetch", coda.Permission, "another replica does not show it")
	}
	gone := coda.KindOf(err) == coda.NotFound
	if gone && !v.group.replicated() {
		v.lose(o)
	}
	if err != nil && (!gone || !v.group.replicated()) {
		v.drop(got)
		others.ended()
		return false, true, err
	}
	return v.install(o, q, got, others, asked)
}

// errDamaged says that contents are not what the server says of them.
var errDamaged = errors.New("the contents arrived damaged")

// bring sends a request for an object and receives the answer. A server whose contents are damaged is told, so that it mends them if it can.
func (v *Venus) bring(ctx context.Context, q request, message *vicepb.FetchRequest, priority int) (*fetched, error) {
	got, err := v.bringOnce(ctx, q, message, priority)
	if !errors.Is(err, errDamaged) {
		return got, err
	}
	v.logger.Warn("contents arrived damaged", "fid", message.Fid, "server", q.to.slot, "error", err)
	message.Damaged = true
	return v.bringOnce(ctx, q, message, priority)
}

// bringOnce does so without a second try.
func (v *Venus) bringOnce(ctx context.Context, q request, message *vicepb.FetchRequest, priority int) (*fetched, error) {
	f, err := wire.FidFromProto(message.Fid)
	if err != nil {
		return nil, err
	}
	ctx, end := q.within(ctx)
	defer end()
	ctx, patience, cancel := withPatience(ctx, v.cfg.Timing.Idle)
	defer cancel()
	stream, err := q.to.remote.vice.Fetch(ctx, message)
	var got *fetched
	if err == nil {
		got, err = v.receiveFetch(stream, f, priority, patience)
	}
	if err != nil {
		return nil, q.failed(ctx, "fetch "+f.String(), err)
	}
	return got, nil
}

// drop removes what a fetch has brought for nothing.
func (v *Venus) drop(got *fetched) {
	if got != nil && got.contents != nil {
		_ = v.cfg.Disk.Remove(got.contents.path()) // or the next start does it
	}
}

// receiveFetch reads the answer to a fetch of an object that is hoarded with a priority, or 0. Contents are verified before they count.
func (v *Venus) receiveFetch(stream vicepb.Vice_FetchClient, f coda.Fid, priority int, p *patience) (*fetched, error) {
	first, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	p.heard()
	head := first.GetHead()
	if head == nil {
		return nil, coda.Errorf("fetch", coda.Invalid, "the answer has no head")
	}
	got := &fetched{promised: head.Promised, breaks: head.Breaks, unchanged: head.Unchanged}
	if got.status, err = wire.StatusFromProto(head.Status); err != nil {
		return nil, err
	}
	if got.status.Fid != f {
		return nil, coda.Errorf("fetch", coda.Invalid, "the answer is about %v", got.status.Fid)
	}
	if got.unchanged || got.status.Kind != coda.File {
		return got, v.receiveEntries(stream, got, p)
	}
	return got, v.receiveContents(stream, got, priority, p)
}

func (v *Venus) receiveEntries(stream vicepb.Vice_FetchClient, got *fetched, p *patience) error {
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		p.heard()
		entries := part.GetEntries()
		if entries == nil || got.unchanged || got.status.Kind != coda.Directory {
			return coda.Errorf("fetch", coda.Invalid, "the answer has a part that does not belong there")
		}
		list, err := wire.EntriesFromProto(entries)
		if err != nil {
			return err
		}
		got.entries = append(got.entries, list...)
	}
}

func (v *Venus) receiveContents(stream vicepb.Vice_FetchClient, got *fetched, priority int, p *patience) (err error) {
	if err := v.room(got.status.Length, priority); err != nil {
		return err
	}
	c, file, err := v.containers.create()
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := file.Close(); err == nil && closeErr != nil {
			err = containerError("close container", closeErr)
		}
		if err != nil {
			_ = v.cfg.Disk.Remove(c.path())
			return
		}
		got.contents = c
	}()
	hash := sha256.New()
	length := uint64(0)
	var part vicepb.FetchReply
	contents := v.pieces.Get().(*vicepb.FetchReply_Data)
	defer v.pieces.Put(contents)
	for {
		part.Part = contents
		err := stream.RecvMsg(&part)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		p.heard()
		data := part.GetData()
		hash.Write(data)
		length += uint64(len(data))
		if length > got.status.Length {
			break
		}
		if _, err := file.Write(data); err != nil {
			return containerError("write container", err)
		}
	}
	if length != got.status.Length || coda.Digest(hash.Sum(nil)) != got.status.Digest {
		return &coda.Error{Op: "fetch", Kind: coda.IO, Err: fmt.Errorf("%v: %w: %d bytes of %d", got.status.Fid, errDamaged, length, got.status.Length)}
	}
	return nil
}

// install puts what replicas have said about an object, and what a fetch has brought, into the cache. Its results are those of fetchFrom. A replica that
// does not have the object has brought nothing.
func (v *Venus) install(o *object, q request, got *fetched, others *question, asked coda.VersionVector) (done, agreed bool, err error) {
	t := v.store.begin()
	v.mu.Lock()
	said := testimony{from: q, stale: true, gone: got == nil}
	if got != nil {
		said.status, said.promised, said.breaks = got.status, got.promised, got.breaks
	}
	list := append(others.testimonies()[0], said)
	slices.SortFunc(list, func(a, b testimony) int { return cmp.Compare(a.from.to.slot, b.from.to.slot) })
	if got != nil && got.contents != nil {
		v.retain(got.contents)
		v.resize(got.contents, got.status.Length)
	}
	agreed = v.takeTestimonies(t, o, asked, list)
	done = !o.known() || got != nil && same(got.status, o.base())
	if agreed && done && o.known() {
		v.installFetched(t, o, got)
	}
	if got != nil && got.contents != nil {
		v.release(got.contents)
	}
	others.end()
	t.enqueue()
	v.mu.Unlock()
	return done, agreed, t.wait()
}

// installFetched takes over the contents of the version that is known.
func (v *Venus) installFetched(t *tx, o *object, got *fetched) {
	switch {
	case got.unchanged && o.complete():
		o.listing().at = o.base().Version
	case got.unchanged:
	case got.status.Kind == coda.Directory:
		v.setEntries(t, o, got.entries)
		o.listing().at = o.base().Version
	case got.contents != nil && o.contents == nil:
		o.contents = v.retain(got.contents)
	}
	o.replay(v.id.Client)
	v.saveObject(t, o)
}

// setEntries replaces the server's word about all names of a directory.
func (v *Venus) setEntries(t *tx, o *object, entries []coda.Entry) {
	old := o.entries()
	o.listing().complete = true
	o.setBaseEntries(entries)
	for _, e := range entries {
		if was, ok := old[e.Name]; !ok || was != standingOf(e) {
			t.set(entryKey(o.fid, e.Name), encodeEntry(e))
			v.notices.entry(o.fid, e.Name)
		}
	}
	for name := range old {
		if _, ok := o.entries()[name]; !ok {
			t.delete(entryKey(o.fid, name))
			v.notices.entry(o.fid, name)
		}
	}
}

// lose forgets an object that the server says is gone.
func (v *Venus) lose(o *object) {
	t := v.store.begin()
	v.mu.Lock()
	v.forget(t, o)
	t.enqueue()
	v.mu.Unlock()
	t.finish(v.logger)
}
