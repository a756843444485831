package vice

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// session is one client's Callbacks stream: the promises made to it and the queue of what it still has to be told.
type session struct {
	id     uint64
	client coda.ClientID
	name   string
	opened time.Time

	// Guarded by promises.mu.
	breaks   uint64            // the number of the last break queued
	promised map[coda.Fid]bool // what the client is promised to be told about
	counted  map[uint32]uint64 // the client's last record in each volume that the session has seen committed

	forgotten chan struct{} // closed when it has no promises any more and gets no new ones

	queue queue
	ended context.Context // done when the session is over; its cause says why
	end   context.CancelCauseFunc

	mu     sync.Mutex
	heard  time.Time     // when the client pinged last
	number uint64        // of that ping
	acked  uint64        // the number of the last break that the client acknowledged
	more   chan struct{} // closed and replaced when acked rises
}

// ping notes that the client is alive and queues the answer behind all breaks there are.
func (s *session) ping(n uint64) {
	select {
	case <-s.forgotten:
		s.end(coda.Errorf("callbacks", coda.Busy, "the server has forgotten the client: it has to validate its cache"))
		return
	default:
	}
	s.mu.Lock()
	s.heard, s.number = time.Now(), n
	s.mu.Unlock()
	s.push(&vicepb.CallbackEvent{Part: &vicepb.CallbackEvent_Pong{Pong: n}}, 1)
}

// acknowledge notes that the client has processed a break, and with it those before.
func (s *session) acknowledge(n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = time.Now()
	if n > s.acked {
		s.acked = n
		close(s.more)
		s.more = make(chan struct{})
	}
}

// acknowledgements gives the number of the last break that the client acknowledged, and what is closed when there is a later one.
func (s *session) acknowledgements() (number uint64, more <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acked, s.more
}

// silence is how long nothing has come from the client.
func (s *session) silence() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.heard)
}

// push queues an event, or ends the session of a client that does not keep up.
func (s *session) push(e *vicepb.CallbackEvent, weight int) {
	if !s.queue.push(e, weight) {
		s.end(coda.Errorf("callbacks", coda.Busy, "the client does not take its events: it has to validate its cache"))
	}
}

// errLeft is why a session ends whose client ends it.
var errLeft = errors.New("the client left")

// silent is why a session ends whose client does not ping.
func silent() error {
	return coda.Errorf("callbacks", coda.TimedOut, "the client was silent for too long")
}

// queue holds the events that a session has not sent yet. It never blocks who pushes.
type queue struct {
	mu     sync.Mutex
	events []queued
	weight int
	limit  int
	filled chan struct{} // has room for one signal that there are events
}

type queued struct {
	event  *vicepb.CallbackEvent
	weight int
}

// push adds an event and reports whether there was room.
func (q *queue) push(e *vicepb.CallbackEvent, weight int) bool {
	q.mu.Lock()
	if q.weight > 0 && q.weight+weight > q.limit {
		q.mu.Unlock()
		return false
	}
	q.events = append(q.events, queued{e, weight})
	q.weight += weight
	q.mu.Unlock()
	select {
	case q.filled <- struct{}{}:
	default:
	}
	return true
}

// pop takes the oldest event, waiting for one until ctx ends.
func (q *queue) pop(ctx context.Context) (*vicepb.CallbackEvent, error) {
	for {
		q.mu.Lock()
		if len(q.events) > 0 {
			e := q.events[0]
			q.events[0] = queued{}
			q.events = q.events[1:]
			q.weight -= e.weight
			q.mu.Unlock()
			return e.event, nil
		}
		q.mu.Unlock()
		select {
		case <-q.filled:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// length is the number of events that wait.
func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.events)
}

// promises is the table of sessions and of what each is promised. It belongs together with the current view: whoever reads a version to
// promise something about it, and whoever publishes a new one, does it under mu.
type promises struct {
	mu       sync.Mutex
	current  *view
	sessions map[uint64]*session
	holders  map[coda.Fid]map[*session]bool
	limits   Limits
}

func newPromises(v *view, limits Limits) *promises {
	return &promises{current: v, sessions: map[uint64]*session{}, holders: map[coda.Fid]map[*session]bool{}, limits: limits}
}

// open enters a session and ends an older one of the same client, whose stream its client can no longer be reading.
func (p *promises) open(s *session) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, old := range p.sessions {
		if old.client == s.client {
			p.forget(old)
			old.end(coda.Errorf("callbacks", coda.Busy, "the client opened another session"))
		}
	}
	if len(p.sessions) >= p.limits.Sessions {
		return coda.Errorf("callbacks", coda.Busy, "the server has %d sessions", len(p.sessions))
	}
	p.sessions[s.id] = s
	return nil
}

// close forgets a session and its promises. It is allowed more than once.
func (p *promises) close(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget(s)
}

func (p *promises) forget(s *session) {
	if p.sessions[s.id] != s {
		return
	}
	delete(p.sessions, s.id)
	for f := range s.promised {
		p.removeHolder(f, s)
	}
	s.promised = nil
	close(s.forgotten)
}

func (p *promises) removeHolder(f coda.Fid, s *session) {
	delete(p.holders[f], s)
	if len(p.holders[f]) == 0 {
		delete(p.holders, f)
	}
}

// live gives the session with this number, nil when there is none. The caller holds mu.
func (p *promises) live(id uint64) *session {
	s := p.sessions[id]
	if s != nil && s.ended.Err() != nil {
		return nil
	}
	return s
}

// add promises to tell s about f, and reports whether it may hold so many promises. The caller holds mu.
func (p *promises) add(s *session, f coda.Fid) bool {
	if s.promised[f] {
		return true
	}
	if len(s.promised) >= p.limits.Promises {
		return false
	}
	s.promised[f] = true
	if p.holders[f] == nil {
		p.holders[f] = map[*session]bool{}
	}
	p.holders[f][s] = true
	return true
}

// withdraw takes back what add promised. The caller holds mu.
func (p *promises) withdraw(s *session, f coda.Fid) {
	if s.promised[f] {
		delete(s.promised, f)
		p.removeHolder(f, s)
	}
}

// read holds the current view and promises, in the same moment, to tell the session about all of fids. It returns the view, the number
// of the last break queued to the session, and whether each fid is promised; all of them false when there is no such session.
func (p *promises) read(id uint64, fids ...coda.Fid) (v *view, breaks uint64, promised []bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	promised = make([]bool, len(fids))
	if s := p.live(id); s != nil {
		breaks = s.breaks
		for i, f := range fids {
			promised[i] = p.add(s, f)
		}
	}
	return p.current.hold(), breaks, promised
}

// retract withdraws promises about objects that turned out not to exist.
func (p *promises) retract(id uint64, fids ...coda.Fid) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.live(id); s != nil {
		for _, f := range fids {
			p.withdraw(s, f)
		}
	}
}

// takeBack ends promises of which the client may have been told before, and so has to be told.
func (p *promises) takeBack(id uint64, fids ...coda.Fid) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.live(id); s != nil {
		for _, f := range fids {
			if s.promised[f] {
				p.sendBreak(s, f, nil)
			}
		}
	}
}

// sendBreak queues a break. With a change the promise stays. The caller holds mu.
func (p *promises) sendBreak(s *session, f coda.Fid, change *vicepb.DirectoryChange) {
	s.breaks++
	weight := 1
	if change == nil {
		p.withdraw(s, f)
	} else {
		weight += len(change.Added) + len(change.Removed)
	}
	s.push(&vicepb.CallbackEvent{Part: &vicepb.CallbackEvent_Break{
		Break: &vicepb.Break{Number: s.breaks, Fid: wire.FidToProto(f), Change: change},
	}}, weight)
}
