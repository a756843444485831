package venus

import (
	"context"
	"errors"
	"fmt"
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

// sessionState is the state of the Callbacks session. Guarded by Venus.mu.
type sessionState struct {
	state   linkState
	changed chan struct{} // closed and replaced when state changes
	id      uint64        // of the last session; promises of another one are void
	lease   time.Duration
	until   time.Time     // promises hold until then
	epoch   uint64        // of the server
	breaks  uint64        // the last break that was processed
	broken  chan struct{} // closed and replaced with each break that is processed
	lastErr error
	since   time.Time // when state changed
}

func (v *Venus) setLink(s linkState, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.session.lastErr = err
	if v.session.state == s {
		return
	}
	v.logger.Info("the server is "+s.String(), "server", v.cfg.Server, "reason", err)
	v.session.state, v.session.since = s, time.Now()
	close(v.session.changed)
	v.session.changed = make(chan struct{})
}

// keepSession keeps a session open, again and again, until the context ends.
func (v *Venus) keepSession(ctx context.Context) {
	for ctx.Err() == nil {
		err := v.runSession(ctx)
		if ctx.Err() != nil {
			return
		}
		v.mu.Lock()
		wasUp := v.session.state == linkUp
		v.mu.Unlock()
		if wasUp {
			v.setLink(linkLost, err)
			continue
		}
		v.setLink(linkDown, err)
		if !pause(ctx, v.cfg.Timing.Retry) {
			return
		}
	}
}

// runSession opens a session and serves it until it breaks, which is always an error.
func (v *Venus) runSession(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// The watchdog: whatever the server sends proves that it is there.
	silent := func() {
		cancel(fmt.Errorf("the server has been silent for too long: %w", context.DeadlineExceeded))
		v.remote.cut()
	}
	watchdog := time.AfterFunc(v.cfg.Timing.Connect, silent)
	defer watchdog.Stop()
	if err := v.learnVolume(ctx); err != nil {
		return causeOf(ctx, err)
	}
	stream, err := v.remote.vice.Callbacks(ctx)
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
	v.openSession(welcome)
	acknowledge := func(uint64) error { return nil }
	if welcome.Acknowledge {
		acknowledge = p.acknowledge
	}
	watchdog.Reset(v.cfg.Timing.Dead)
	err = v.receive(stream, p, watchdog, acknowledge)
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

// learnVolume asks what the volume is, once in the life of a cache.
func (v *Venus) learnVolume(ctx context.Context) error {
	v.mu.Lock()
	known := v.volume.ID != 0
	v.mu.Unlock()
	if known {
		return nil
	}
	reply, err := v.remote.vice.Volume(ctx, &vicepb.VolumeRequest{Name: v.cfg.Volume})
	if err != nil {
		return wire.FromError("look up volume "+v.cfg.Volume, err)
	}
	root, err := wire.FidFromProto(reply.Root)
	if err != nil {
		return fmt.Errorf("look up volume %s: %w", v.cfg.Volume, err)
	}
	if reply.Volume != root.Volume {
		return coda.Errorf("look up volume "+v.cfg.Volume, coda.Invalid, "its root is %v", root)
	}
	t := v.store.begin()
	v.mu.Lock()
	v.volume = volumeInfo{ID: reply.Volume, Root: root}
	t.meta(metaVolume, v.volume)
	t.enqueue()
	v.mu.Unlock()
	return t.wait()
}

// openSession makes a new session the present one. The promises of the last one are void with that; they hold for the rest of its
// lease while there is none.
func (v *Venus) openSession(w *vicepb.Welcome) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := &v.session
	s.id, s.lease, s.epoch, s.until, s.breaks = w.Session, time.Duration(w.Lease), w.ServerEpoch, time.Time{}, 0
	if s.broken == nil {
		s.broken = make(chan struct{})
	}
	for _, o := range v.objects {
		o.lastBreak = 0
		o.unstash()
	}
}

// receive processes what the server sends. The first pong makes the session usable.
func (v *Venus) receive(stream vicepb.Vice_CallbacksClient, p *pinger, watchdog *time.Timer, acknowledge func(number uint64) error) error {
	for {
		event, err := stream.Recv()
		if err != nil {
			return err
		}
		watchdog.Reset(v.cfg.Timing.Dead)
		switch part := event.Part.(type) {
		case *vicepb.CallbackEvent_Pong:
			if sent, ok := p.take(part.Pong); ok {
				v.renew(sent)
				v.setLink(linkUp, nil)
			}
		case *vicepb.CallbackEvent_Break:
			b, err := wire.BreakFromProto(part.Break)
			if err != nil {
				return fmt.Errorf("read a break: %w", err)
			}
			if err := v.takeBreak(b); err != nil {
				return err
			}
			if err := acknowledge(b.Number); err != nil {
				return err
			}
		}
	}
}

// renew extends the lease to what a ping that was sent then is worth.
func (v *Venus) renew(sent time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if until := sent.Add(v.session.lease); until.After(v.session.until) {
		v.session.until = until
	}
}

// connected reports whether the server is there, and gives the session to ask promises for.
func (v *Venus) connected() (session uint64, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.session.id, v.session.state == linkUp
}
