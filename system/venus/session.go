package venus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// linkState says whether the server is there.
type linkState int

const (
	linkStarting linkState = iota // the first attempt to reach the server has not ended
	linkUp                        // a session is open
	linkLost                      // the session broke, and the first attempt to open another has not ended
	linkDown                      // the last attempt failed
)

// String names the state in Coda's words where it has one.
func (s linkState) String() string {
	switch s {
	case linkStarting:
		return "starting"
	case linkUp:
		return "reachable"
	case linkLost:
		return "reconnecting"
	default:
		return "unreachable"
	}
}

func (v *Venus) setLink(r *replica, s linkState, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	r.lastErr, v.group.lastErr = err, err
	if r.state == s {
		return
	}
	v.logger.Info("the server is "+s.String(), "server", r.server.Address, "reason", err)
	r.state, r.since = s, time.Now()
	v.group.recount()
	v.group.notice()
	v.review()
}

// keepSessions keeps a session open with each replica, and tells it of second phases, until the context ends.
func (v *Venus) keepSessions(ctx context.Context) {
	var sessions sync.WaitGroup
	for _, r := range v.group.all {
		sessions.Go(func() { v.keepSession(ctx, r) })
		if v.group.replicated() {
			sessions.Go(func() { v.payOwed(ctx, r) })
		}
	}
	sessions.Wait()
}

// keepSession keeps a session open with a replica, again and again, until the context ends.
func (v *Venus) keepSession(ctx context.Context, r *replica) {
	for ctx.Err() == nil {
		err := v.runSession(ctx, r)
		if ctx.Err() != nil {
			return
		}
		v.mu.Lock()
		wasUp := r.state == linkUp
		v.mu.Unlock()
		if wasUp {
			v.setLink(r, linkLost, err)
			continue
		}
		v.setLink(r, linkDown, err)
		if !pause(ctx, v.cfg.Timing.Retry) {
			return
		}
	}
}

// runSession opens a session and serves it until it breaks, which is always an error.
func (v *Venus) runSession(ctx context.Context, r *replica) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// The watchdog: whatever the server sends proves that it is there.
	silent := func() {
		cancel(fmt.Errorf("the server has been silent for too long: %w", context.DeadlineExceeded))
		r.remote.cut()
	}
	watchdog := time.AfterFunc(v.cfg.Timing.Connect, silent)
	defer watchdog.Stop()
	if err := v.learnVolume(ctx, r); err != nil {
		return causeOf(ctx, err)
	}
	stream, err := r.remote.vice.Callbacks(ctx)
	if err != nil {
		return causeOf(ctx, err)
	}
	hello := &vicepb.Hello{Client: wire.ClientIDToProto(v.id.Client), Name: v.cfg.Name}
	if err := stream.Send(&vicepb.CallbackRequest{Part: &vicepb.CallbackRequest_Hello{Hello: hello}}); err != nil {
		return causeOf(ctx, err)
	}
	event, err := stream.Recv()
	if err != nil {
		return causeOf(ctx, err)
	}
	welcome := event.GetWelcome()
	if welcome == nil || welcome.Session == 0 || welcome.Lease <= 0 {
		return errors.New("the server did not open the session with a welcome")
	}
	p := &pinger{stream: stream, sent: map[uint64]time.Time{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.run(ctx, min(v.cfg.Timing.Ping, max(time.Duration(welcome.Lease)/4, time.Millisecond))) // a promise holds for a lease after a ping
	}()
	v.openSession(ctx, r, welcome)
	acknowledge := func(uint64) error { return nil }
	if welcome.Acknowledge {
		acknowledge = p.acknowledge
	}
	watchdog.Reset(v.cfg.Timing.Dead)
	err = v.receive(r, stream, p, watchdog, acknowledge)
	cancel(err)
	<-done
	return causeOf(ctx, err)
}

// causeOf gives the reason for which a context was ended, where that is what made a call fail.
func causeOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return wire.FromError("callbacks", err)
}

// learnVolume asks what the volume is, once in the life of a cache; and each replica, once in the life of venus, whether it is the one that it is taken
// for.
func (v *Venus) learnVolume(ctx context.Context, r *replica) error {
	v.mu.Lock()
	known := v.volume.ID != 0
	v.mu.Unlock()
	if known && (r.confirmed || !v.group.replicated()) {
		return nil
	}
	op := "look up volume " + v.cfg.Volume
	reply, err := r.remote.vice.Volume(ctx, &vicepb.VolumeRequest{Name: v.cfg.Volume})
	if err != nil {
		return wire.FromError(op, err)
	}
	root, err := wire.FidFromProto(reply.Root)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if reply.Volume != root.Volume {
		return coda.Errorf(op, coda.Invalid, "its root is %v", root)
	}
	if int(reply.Slot) != r.slot || max(1, int(reply.Replicas)) != len(v.group.all) {
		return coda.Errorf(op, coda.Invalid, "%s is in slot %d of %d replicas, not in slot %d of %d", r.server.Address, reply.Slot, reply.Replicas, r.slot, len(v.group.all))
	}
	t := v.store.begin()
	v.mu.Lock()
	if v.volume.ID == 0 {
		v.volume = volumeInfo{ID: reply.Volume, Root: root}
		t.meta(metaVolume, v.volume)
	}
	if v.volume.ID != reply.Volume || v.volume.Root != root {
		v.mu.Unlock()
		return t.abandon(coda.Errorf(op, coda.Invalid, "%s has volume %x, not %x", r.server.Address, reply.Volume, v.volume.ID))
	}
	r.confirmed = true
	t.enqueue()
	v.mu.Unlock()
	return t.wait()
}

// openSession makes a new session with a replica the present one. The promises of the last one are void with that; they hold for the rest of its
// lease while there is none. The context ends with the session.
func (v *Venus) openSession(ctx context.Context, r *replica, w *vicepb.Welcome) {
	v.mu.Lock()
	defer v.mu.Unlock()
	r.reset()
	r.id, r.lease, r.epoch = w.Session, time.Duration(w.Lease), w.ServerEpoch
	if v.group.replicated() {
		r.life = ctx
	}
	v.group.renew()
	v.mounts.doubt()
	v.learnRights(w)
	for _, o := range v.objects {
		v.withdraw(o, r)
	}
}

// receive processes what the server sends. The first pong makes the session usable.
func (v *Venus) receive(r *replica, stream vicepb.Vice_CallbacksClient, p *pinger, watchdog *time.Timer, acknowledge func(number uint64) error) error {
	for {
		event, err := stream.Recv()
		if err != nil {
			return err
		}
		watchdog.Reset(v.cfg.Timing.Dead)
		switch part := event.Part.(type) {
		case *vicepb.CallbackEvent_Pong:
			if sent, ok := p.take(part.Pong); ok {
				v.renew(r, sent)
				v.setLink(r, linkUp, nil)
			}
		case *vicepb.CallbackEvent_Break:
			b, err := wire.BreakFromProto(part.Break)
			if err != nil {
				return fmt.Errorf("read a break: %w", err)
			}
			if err := v.takeBreak(r, b); err != nil {
				return err
			}
			if err := acknowledge(b.Number); err != nil {
				return err
			}
		case *vicepb.CallbackEvent_Room:
			v.takeRoom(r, wire.RoomFromProto(part.Room))
		}
	}
}

// renew extends the lease to what a ping that was sent then is worth.
func (v *Venus) renew(r *replica, sent time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if until := sent.Add(r.lease); until.After(r.until) {
		r.until = until
		v.group.renew()
	}
}
