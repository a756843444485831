package vice

import (
	"context"
	"time"

	"google.golang.org/grpc"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// Callbacks serves a session, from its Hello to its end.
func (s *Server) Callbacks(stream grpc.BidiStreamingServer[vicepb.CallbackRequest, vicepb.CallbackEvent]) error {
	session := s.newSession()
	defer session.end(errLeft) // frees what its context holds
	hello := make(chan error, 1)
	s.background(func() { receive(stream, session, hello) })
	select {
	case err := <-hello:
		if err != nil {
			return err
		}
	case <-time.After(s.cfg.Timing.Silence):
		return silent()
	case <-session.ended.Done():
		return context.Cause(session.ended)
	case <-stream.Context().Done():
		return stream.Context().Err()
	}
	if err := s.promises.open(session); err != nil {
		return err
	}
	defer s.policies.breaking.left(session)
	s.introduceRooms(session)
	log := s.cfg.Log.With("session", session.id, "client", session.client, "name", session.name)
	log.Info("session opened")
	s.background(func() { send(stream, session) })
	s.attend(stream.Context(), session)
	log.Info("session ended", "why", context.Cause(session.ended), "unsent", session.queue.length())
	return context.Cause(session.ended)
}

// newSession makes a session that is not entered in the table yet. Its queue starts with the Welcome.
func (s *Server) newSession() *session {
	session := &session{
		id: s.row.epoch<<32 | s.opened.Add(1), opened: time.Now(), heard: time.Now(), promised: map[coda.Fid]bool{}, counted: map[uint32]uint64{},
		forgotten: make(chan struct{}), more: make(chan struct{}),
		queue: queue{limit: s.cfg.Limits.Queue, filled: make(chan struct{}, 1)},
	}
	session.ended, session.end = context.WithCancelCause(s.stopping)
	session.push(&vicepb.CallbackEvent{Part: &vicepb.CallbackEvent_Welcome{Welcome: &vicepb.Welcome{
		Session: session.id, Lease: int64(s.cfg.Timing.Lease), ServerEpoch: s.row.epoch,
		Acknowledge: s.policies.breaking.acknowledged(), Protection: s.protection.version(), Restricted: s.restricted.Load(),
	}}}, 1)
	return session
}

// background runs f as part of the calls that Close waits for. The caller must be one of them.
func (s *Server) background(f func()) { s.calls.running.Go(f) }

// maxName bounds the name that a client gives itself for logs.
const maxName = 100

// receive takes the client's Hello, which it reports, and then its pings, until the stream ends.
func receive(stream grpc.BidiStreamingServer[vicepb.CallbackRequest, vicepb.CallbackEvent], session *session, hello chan<- error) {
	first, err := stream.Recv()
	if err == nil {
		name := first.GetHello().GetName()
		session.name = name[:min(len(name), maxName)]
		session.client, err = wire.ClientIDFromProto(first.GetHello().GetClient())
	}
	hello <- err
	for err == nil {
		var request *vicepb.CallbackRequest
		if request, err = stream.Recv(); err != nil {
			break
		}
		switch part := request.Part.(type) {
		case *vicepb.CallbackRequest_Ping:
			session.ping(part.Ping)
		case *vicepb.CallbackRequest_Acknowledged:
			session.acknowledge(part.Acknowledged)
		default:
			session.end(coda.Errorf("callbacks", coda.Invalid, "a %T after the Hello", request.Part))
			return
		}
	}
	session.end(errLeft)
}

// send sends what is queued until the session or the stream ends.
func send(stream grpc.BidiStreamingServer[vicepb.CallbackRequest, vicepb.CallbackEvent], session *session) {
	for {
		event, err := session.queue.pop(session.ended)
		if err != nil {
			return
		}
		if err := stream.Send(event); err != nil {
			session.end(errLeft)
			return
		}
	}
}

// attend returns when the session has ended, and ends it when its client has been silent for too long.
func (s *Server) attend(ctx context.Context, session *session) {
	bound := s.cfg.Timing.Silence
	timer := time.NewTimer(bound)
	defer timer.Stop()
	for {
		select {
		case <-session.ended.Done():
			return
		case <-ctx.Done():
			session.end(errLeft)
			return
		case <-timer.C:
			left := bound - session.silence()
			if left <= 0 {
				session.end(silent())
				return
			}
			timer.Reset(left)
		}
	}
}
