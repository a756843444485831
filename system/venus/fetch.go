package venus

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
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

// fetch asks for the status and contents of an object and installs them.
func (v *Venus) fetch(ctx context.Context, o *object) error {
	v.mu.Lock()
	q := v.group.preferred().ask()
	asked, priority := o.base().Version, int(o.mark.priority)
	request := &vicepb.FetchRequest{Fid: wire.FidToProto(o.fid), Session: q.session, Contents: true}
	switch {
	case o.complete():
		request.Have = wire.VersionToProto(o.at())
	case o.contents != nil && o.known():
		request.HaveDigest = o.word.digest[:]
	}
	v.mu.Unlock()
	defer v.ended(q)
	ctx, patience, cancel := withPatience(ctx, v.cfg.Timing.Idle)
	defer cancel()
	stream, err := q.to.remote.vice.Fetch(ctx, request)
	var got *fetched
	if err == nil {
		got, err = v.receiveFetch(stream, o.fid, priority, patience)
	}
	if err != nil {
		err = wire.FromError("fetch "+o.fid.String(), err)
		if coda.KindOf(err) == coda.NotFound {
			v.lose(o)
		}
		return err
	}
	return v.install(o, got, q, asked)
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
		return coda.Errorf("fetch", coda.IO, "the contents of %v arrived damaged: %d bytes of %d", got.status.Fid, length, got.status.Length)
	}
	return nil
}

// install puts what a fetch has brought into the cache.
func (v *Venus) install(o *object, got *fetched, q request, asked coda.VersionVector) error {
	t := v.store.begin()
	v.mu.Lock()
	if o.base().Version.Compare(asked) == coda.Equal {
		v.goBack(o, got.status)
	}
	v.installFetched(t, o, got, q)
	t.enqueue()
	v.mu.Unlock()
	return t.wait()
}

func (v *Venus) installFetched(t *tx, o *object, got *fetched, q request) {
	if got.contents != nil {
		v.retain(got.contents)
		defer v.release(got.contents)
		v.resize(got.contents, got.status.Length)
	}
	before := o.base().Version
	if !v.setBase(t, o, got.status) {
		return // something newer came meanwhile
	}
	if got.promised {
		v.promised(o, q, got.breaks)
	}
	switch {
	case got.unchanged && o.complete():
		o.listing().at = got.status.Version
	case got.unchanged:
	case got.status.Kind == coda.Directory:
		v.setEntries(t, o, got.entries)
		o.listing().at = got.status.Version
	case got.contents != nil && o.contents == nil:
		o.contents = v.retain(got.contents)
	}
	o.replay(v.id.Client)
	v.saveObject(t, o)
	if !before.IsZero() && before.Compare(got.status.Version) != coda.Equal {
		v.notices.object(o.fid)
	}
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
