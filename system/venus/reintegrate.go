package venus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/disk"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// reintegrate sends the log to the server, batch after batch, whenever there is one and the server is there.
func (v *Venus) reintegrate(ctx context.Context) {
	failures := 0
	for {
		wait, err := v.nextBatch(ctx, failures)
		listen := wait < 0
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			failures++
			v.noteBatchError(err)
			wait = v.policies.retrying.send(err, v.headAwaited(), failures)
		default:
			if wait == 0 {
				failures = 0
				v.noteBatchError(nil)
				continue
			}
		}
		if err == nil {
			listen = listen || v.policies.batching.listens()
		}
		if !v.awaitWork(ctx, wait, listen) {
			return
		}
	}
}

func (v *Venus) noteBatchError(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil && (v.batchErr == nil || coda.KindOf(err) != coda.KindOf(v.batchErr)) {
		v.logger.Warn("reintegrate", "error", err)
	}
	v.batchErr = err
}

// headAwaited reports whether a caller waits for the first record of the log.
func (v *Venus) headAwaited() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.log.head != nil && v.log.head.connected
}

// awaitWork waits until a time has passed, unless that is negative, or for something to do where it is to listen. Either way a change of the link
// ends it.
func (v *Venus) awaitWork(ctx context.Context, wait time.Duration, listen bool) bool {
	v.mu.Lock()
	changed := v.group.changed
	v.mu.Unlock()
	work := v.wakeLog
	if !listen {
		work = nil
	}
	var over <-chan time.Time
	if wait >= 0 {
		over = time.After(wait)
	}
	select {
	case <-work:
	case <-over:
	case <-changed:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// forever is the wait for work that is not there yet.
const forever = time.Duration(-1)

// nextBatch sends the next batch if there is one that may go. It returns how long to wait before the next look: 0 after a batch that was
// answered.
func (v *Venus) nextBatch(ctx context.Context, failures int) (wait time.Duration, err error) {
	if err := v.settleLost(ctx); err != nil {
		return 0, err
	}
	v.mu.Lock()
	if !v.policies.transitions.visit(v.awaited()) {
		v.mu.Unlock()
		return forever, nil // until the volume has been emptied
	}
	defer v.policies.transitions.exit()
	if v.group.state != linkUp || v.log.head == nil || v.volume.ID == 0 || !v.policies.tokens.send() {
		v.policies.batching.rest()
		v.mu.Unlock()
		return forever, nil
	}
	if v.lost() != nil {
		v.mu.Unlock()
		return time.Nanosecond, nil // the server has come back since it was to be asked
	}
	as := v.credentialFor(v.log.head.user)
	if v.log.head.user != 0 && as == nil {
		v.users.waits = fmt.Sprintf("the modify log waits for a token of user %v", v.nameOfUser(v.log.head.user))
		v.mu.Unlock()
		return waitForToken, nil
	}
	v.users.waits = ""
	if more := v.group.undecided(v.cfg.Timing.Grace); more > 0 {
		v.mu.Unlock()
		return more, nil // others may be there in a moment, and would have to be resolved
	}
	var batch []*record
	t := v.store.begin()
	if v.frozen != (frozen{}) {
		batch = v.thaw()
	}
	if len(batch) == 0 {
		batch, wait = v.freeze(t, failures)
	}
	if len(batch) == 0 {
		open := v.log.head
		v.mu.Unlock()
		_ = t.abandon(nil)
		if wait == 0 {
			return v.snapshot(ctx, open)
		}
		return wait, nil
	}
	deliveries := v.address()
	defer v.delivered(deliveries) // when this returns v.mu is free
	if err := v.done(t); err != nil {
		return 0, err
	}
	// The server must not know of records that a loss of power takes from this log: what comes after that would conflict with the client's own work. And
	// the numbers in the batch must never be used again.
	if err := v.store.sync(); err != nil {
		return 0, err
	}
	v.deliver(wire.WithToken(ctx, as.token()), batch, deliveries)
	for _, d := range deliveries {
		if coda.KindOf(d.err) == coda.NoToken && d.to == v.group.all[0] {
			v.end(as)
		}
	}
	answered, err := answersOf(deliveries)
	if err != nil {
		last, ok := v.lastWord(batch, failures, err)
		if !ok {
			return 0, v.rejected(batch, failures, err)
		}
		answered = deliveries[:1]
		answered[0].answer = last
	}
	v.leaveOut(deliveries)
	return 0, v.settle(ctx, batch, answered)
}

// waitForToken is how long to wait before the next look for the token of a user for whom the first record of the log is.
const waitForToken = time.Second

// nameOfUser names a user as far as this client knows him.
func (v *Venus) nameOfUser(user coda.Principal) string {
	for _, c := range v.users.list() {
		if c.User == user {
			return c.Name
		}
	}
	return user.String()
}

// rejections is how often the server may reject a single record as something that it cannot make sense of before that counts as an answer.
const rejections = 8

// rejected deals with a batch that was not answered. When the server itself has said no, it has not applied the batch, which can be put together
// anew; but not as long as an attempt before, whose outcome nobody knows, may have been applied, or may be yet: whatever would be taken out
// of the batch might be on the server already.
func (v *Venus) rejected(batch []*record, failures int, reason error) error {
	t := v.store.begin()
	v.mu.Lock()
	switch coda.KindOf(reason) {
	case coda.TimedOut, coda.Closed, coda.IO:
		v.doubtful = true
		v.mu.Unlock()
		return t.abandon(reason)
	case coda.NoSpace, coda.Busy, coda.NoToken: // says nothing about the attempts before
	default:
		// It cannot make sense of the batch, and never could.
		v.doubtful = v.doubtful && failures <= rejections
	}
	if v.doubtful {
		v.mu.Unlock()
		return t.abandon(reason)
	}
	for _, r := range batch {
		r.frozen = false
	}
	v.frozen = frozen{}
	t.meta(metaFrozen, v.frozen)
	v.makeUp(t, batch)
	if err := v.done(t); err != nil {
		return err
	}
	return reason
}

// lastWord makes the refusal of a record that the server goes on rejecting, since nothing behind it would ever be sent otherwise.
func (v *Venus) lastWord(batch []*record, failures int, reason error) (answer wire.Answer, ok bool) {
	kind := coda.KindOf(reason)
	busy := kind == coda.Busy && batch[0].connected && v.policies.retrying.refused(failures)
	switch kind {
	case coda.Busy:
		if !busy {
			return wire.Answer{}, false
		}
	case coda.TimedOut, coda.Closed, coda.IO, coda.NoSpace, coda.NoToken:
		return wire.Answer{}, false
	}
	if !busy && (len(batch) > 1 || failures <= rejections) {
		return wire.Answer{}, false
	}
	n := batch[0].Number
	return wire.Answer{Done: n, Refusals: []coda.Refusal{{Number: n, Kind: kind, Why: reason.Error()}}}, true
}

// thaw gives the batch that was under way when its answer was lost.
func (v *Venus) thaw() []*record {
	var batch []*record
	for r := v.log.head; r != nil && r.Number <= v.frozen.Last; r = r.next {
		batch = append(batch, r)
	}
	return batch
}

// freeze chooses the next batch and marks it as under way. It gives no batch and a time to wait when the log is too young, and no time when the first
// record's contents may still change.
func (v *Venus) freeze(t *tx, failures int) (batch []*record, wait time.Duration) {
	head := v.log.head
	if young := v.policies.batching.wait(head); young > 0 {
		return nil, young
	}
	limit := v.cfg.Limits.BatchRecords
	if failures > 3 && v.batchErr != nil && coda.KindOf(v.batchErr) != coda.TimedOut {
		limit = 1 // find out which record the server cannot take
	}
	bytes := uint64(0)
	for r := head; r != nil && len(batch) < limit; r = r.next {
		if r.session != nil || r.user != head.user || volumeOf(r.Record) != volumeOf(head.Record) || v.policies.batching.full(batch, bytes, r) {
			break
		}
		if op, ok := r.Operation.(coda.Store); ok {
			bytes += op.Length
		}
		batch = append(batch, r)
	}
	if len(batch) == 0 {
		return nil, 0
	}
	for _, r := range batch {
		r.frozen = true
	}
	v.frozen, v.doubtful = frozen{First: batch[0].Number, Last: batch[len(batch)-1].Number}, false
	t.meta(metaFrozen, v.frozen)
	return batch, 0
}

// snapshot deals with a log that begins with contents that may still change: soon they are final, or a copy of them is made.
func (v *Venus) snapshot(ctx context.Context, r *record) (time.Duration, error) {
	v.mu.Lock()
	s := r.session
	if s != nil && s.stored == r && s.owing {
		v.mu.Unlock()
		return time.Nanosecond, v.finalizeLate(s)
	}
	if s == nil || s.stored != r || s.writers == 0 {
		v.mu.Unlock()
		return time.Millisecond, nil
	}
	young := v.cfg.Timing.Snapshot - time.Since(s.since)
	if len(v.forced) > 0 {
		young = min(young, 10*time.Millisecond)
	}
	v.mu.Unlock()
	if young > 0 {
		return min(young, 50*time.Millisecond), nil
	}
	c := v.enter("snapshot", s.o.fid, "")
	defer c.leave()
	if err := s.occupy(ctx, c); err != nil {
		return 0, err
	}
	defer func() { <-s.busy }()
	return time.Nanosecond, v.copySession(s)
}

// send sends a batch to a replica and gives its answer.
func (v *Venus) send(ctx context.Context, batch []*record, q request) (wire.Answer, error) {
	ctx, end := q.within(ctx)
	defer end()
	ctx, patience, cancel := withPatience(ctx, v.cfg.Timing.Idle)
	defer cancel()
	stream, err := q.to.remote.vice.Reintegrate(ctx)
	if err != nil {
		return wire.Answer{}, q.failed(ctx, "reintegrate", err)
	}
	err = v.sendRecords(stream, batch, q, patience)
	var reply *vicepb.ReintegrateReply
	if err == nil || errors.Is(err, io.EOF) {
		// The end of the stream means that the server has answered before it had everything: with an error.
		patience.timer.Reset(v.cfg.Timing.Reintegrate)
		reply, err = stream.CloseAndRecv()
	}
	if err != nil {
		return wire.Answer{}, q.failed(ctx, "reintegrate", err)
	}
	answer, err := wire.AnswerFromProto(reply)
	if err != nil {
		return wire.Answer{}, err
	}
	if last := batch[len(batch)-1].Number; answer.Done < last {
		return wire.Answer{}, coda.Errorf("reintegrate", coda.Invalid, "the server answered up to record %d, not %d", answer.Done, last)
	}
	return answer, nil
}

func (v *Venus) sendRecords(stream vicepb.Vice_ReintegrateClient, batch []*record, q request, p *patience) error {
	send := func(m *vicepb.ReintegrateRequest) error {
		p.heard() // the server takes what is sent
		return stream.Send(m)
	}
	head := wire.BatchToProto(wire.Batch{
		Client: v.id.Client, Session: q.session, Volume: volumeOf(batch[0].Record), First: batch[0].Number, Last: batch[len(batch)-1].Number,
		Connected: batch[0].connected && len(batch) == 1,
	})
	if err := send(&vicepb.ReintegrateRequest{Part: &vicepb.ReintegrateRequest_Head{Head: head}}); err != nil {
		return err
	}
	// Frozen records do not change, so they are read without the mutex.
	for _, r := range batch {
		if err := send(&vicepb.ReintegrateRequest{Part: &vicepb.ReintegrateRequest_Record{Record: wire.RecordToProto(r.Record)}}); err != nil {
			return err
		}
		op, ok := r.Operation.(coda.Store)
		if !ok || op.Length == 0 {
			continue
		}
		if q.to.sending == nil {
			q.to.sending = make([]byte, 256<<10)
		}
		if err := sendContents(send, v.cfg.Disk, r, op, q.to.sending); err != nil {
			return err
		}
	}
	return nil
}

func sendContents(send func(*vicepb.ReintegrateRequest) error, on disk.FS, r *record, op coda.Store, buffer []byte) error {
	f, err := on.OpenFile(r.contents.path(), os.O_RDONLY)
	if err != nil {
		return containerError(fmt.Sprintf("open the contents of record %d", r.Number), err)
	}
	defer f.Close()
	for left := op.Length; left > 0; {
		n, err := f.Read(buffer[:min(uint64(len(buffer)), left)])
		if err != nil {
			return containerError(fmt.Sprintf("read the contents of record %d", r.Number), err)
		}
		left -= uint64(n)
		if err := send(&vicepb.ReintegrateRequest{Part: &vicepb.ReintegrateRequest_Data{Data: buffer[:n]}}); err != nil {
			return err
		}
	}
	return nil
}
