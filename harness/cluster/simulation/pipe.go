package simulation

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/codastress/codastress/harness/cluster"
)

// window is how many bytes of one direction of a connection are on their way until writing blocks: the buffers of two sockets.
const window = 1 << 20

// A pipe carries the bytes of one direction of a connection from a writing to a reading end. Bytes are on their way until they are due, wait
// at the gate while it is held, and have arrived when they have passed it.
type pipe struct {
	gate *gate
	from *Stack
	to   *Stack
	bufs *buffers

	readable chan struct{} // has a token when a reader should look again
	writable chan struct{}

	mu       sync.Mutex
	coming   []segment // sent and not yet past the gate
	arrived  []segment
	size     int       // bytes in both
	last     time.Time // when the last segment is due
	finished bool      // the writer has closed; the reader gets io.EOF after the last byte
	ends     time.Time // when the news of that is due
	deaf     bool      // the reader has closed
	reset    error     // why there is nothing any more
	torn     bool      // bytes were dropped at the gate
	spoiled  bool      // bits were flipped at the gate
	told     bool      // the reader has got io.EOF
	reading  time.Time // deadlines
	writing  time.Time
}

// A segment is bytes that were written at once.
type segment struct {
	data []byte
	due  time.Time
	read int // bytes that are gone
}

func newPipe(g *gate, from, to *Stack) *pipe {
	return &pipe{gate: g, from: from, to: to, bufs: &from.network.buffers, readable: make(chan struct{}, 1), writable: make(chan struct{}, 1)}
}

// wake makes both ends look again.
func (p *pipe) wake() {
	for _, end := range []chan struct{}{p.readable, p.writable} {
		signal(end)
	}
}

func signal(token chan struct{}) {
	select {
	case token <- struct{}{}:
	default: // it is there
	}
}

// write sends everything, or returns an error and how much of it was sent.
func (p *pipe) write(b []byte) (written int, err error) {
	for {
		p.from.awaitThaw()
		n, deadline, err := p.tryWrite(b[written:])
		written += n
		if err != nil || written == len(b) {
			return written, err
		}
		wait(p.writable, deadline)
	}
}

func (p *pipe) tryWrite(b []byte) (n int, deadline time.Time, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	switch {
	case p.reset != nil:
		return 0, now, p.reset
	case p.finished:
		return 0, now, net.ErrClosed
	case p.deaf:
		return 0, now, syscall.EPIPE
	case expired(p.writing, now):
		return 0, now, os.ErrDeadlineExceeded
	}
	n = min(len(b), window-p.size)
	if n == 0 {
		return 0, p.writing, nil
	}
	for rest := b[:n]; len(rest) > 0; {
		piece, pause := p.gate.slice(rest)
		transferred, latency := p.gate.schedule(now, p.last, len(piece))
		p.coming = append(p.coming, segment{data: p.bufs.copyOf(piece), due: transferred.Add(latency)})
		p.last = transferred.Add(pause)
		rest = rest[len(piece):]
	}
	p.size += n
	signal(p.readable)
	return n, p.writing, nil
}

// read waits for bytes.
func (p *pipe) read(b []byte) (int, error) {
	for {
		p.to.awaitThaw()
		n, next, err := p.tryRead(b)
		if n > 0 || err != nil {
			return n, err
		}
		wait(p.readable, next)
	}
}

// tryRead takes bytes that have arrived, and says when more may.
func (p *pipe) tryRead(b []byte) (n int, next time.Time, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.pass(now)
	switch {
	case p.deaf:
		return 0, now, net.ErrClosed
	case expired(p.reading, now):
		return 0, now, os.ErrDeadlineExceeded
	case len(b) == 0:
		return 0, now, nil
	}
	for len(p.arrived) > 0 && n < len(b) {
		first := &p.arrived[0]
		taken := copy(b[n:], first.data[first.read:])
		n += taken
		if first.read += taken; first.read == len(first.data) {
			p.bufs.done(first.data)
			p.arrived = dropFirst(p.arrived)
		}
	}
	if n > 0 {
		p.size -= n
		signal(p.writable)
		if len(p.arrived) > 0 || len(p.coming) > 0 {
			signal(p.readable) // for another reader
		}
		return n, now, nil
	}
	next = p.reading
	switch {
	case p.reset != nil:
		return 0, now, p.reset
	case p.spoiled:
		return 0, now, errSpoiled
	case p.over(now):
		p.tell()
		return 0, now, io.EOF
	case p.gate.flow() == cluster.FlowPass:
		next = p.soonest(next)
	}
	return 0, next, nil
}

// soonest is when something more may arrive, or the deadline. p.mu is held.
func (p *pipe) soonest(deadline time.Time) time.Time {
	var next time.Time
	switch {
	case len(p.coming) > 0:
		next = p.coming[0].due
	case p.finished:
		next = p.ends.Add(p.gate.linger())
	}
	if next.IsZero() || !deadline.IsZero() && deadline.Before(next) {
		return deadline
	}
	return next
}

// over says whether the news that the writer has closed is past the gate. p.mu is held, and what is due has passed.
func (p *pipe) over(now time.Time) bool {
	return p.finished && len(p.coming) == 0 && !p.ends.Add(p.gate.linger()).After(now) && p.gate.flow() == cluster.FlowPass
}

// tell notes that the reader knows that nothing more comes. p.mu is held.
func (p *pipe) tell() {
	if !p.told && p.gate.linger() > 0 {
		p.gate.late.Add(1)
	}
	p.told = true
}

// ended says whether the reader gets no more than what has arrived.
func (p *pipe) ended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.pass(now)
	return p.reset != nil || p.spoiled || p.over(now)
}

// pass lets through the gate what is due. p.mu is held.
func (p *pipe) pass(now time.Time) {
	for len(p.coming) > 0 && !p.coming[0].due.After(now) {
		switch p.gate.flow() {
		case cluster.FlowHold:
			return
		case cluster.FlowDrop:
			p.size -= len(p.coming[0].data)
			p.bufs.done(p.coming[0].data)
			p.torn = true
			signal(p.writable)
		default:
			if p.torn {
				return // the rest would be torn; whoever heals the gate resets the connection
			}
			p.gate.count(len(p.coming[0].data))
			p.arrive(p.coming[0])
		}
		p.coming = dropFirst(p.coming)
	}
}

// arrive hands a segment that has passed the gate to the reader. There is no TLS here, but what it makes of flipped bits: who reads gets an error instead of what
// they are in, and of everything behind that, and knows to end the connection. p.mu is held.
func (p *pipe) arrive(s segment) {
	if p.gate.spoils(len(s.data)) && !p.spoiled {
		p.spoiled = true
		p.gate.spoiled.Add(1)
	}
	if p.spoiled {
		p.size -= len(s.data)
		p.bufs.done(s.data)
		signal(p.writable)
		return
	}
	p.arrived = append(p.arrived, s)
}

// dropFirst takes the first of some segments away, and begins at the start of their memory again once there are no more.
func dropFirst(s []segment) []segment {
	s[0] = segment{}
	if len(s) == 1 {
		return s[:0]
	}
	return s[1:]
}

// settle lets through what is due now, before the gate changes or its counter is read.
func (p *pipe) settle() (torn bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pass(time.Now())
	return p.torn
}

// trusted is 1 where bits were flipped and the reader has not ended the connection.
func (p *pipe) trusted() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.spoiled && !p.deaf && p.reset == nil {
		return 1
	}
	return 0
}

// finish ends the writing end: the reader gets what was sent, and then io.EOF.
func (p *pipe) finish() {
	p.mu.Lock()
	transferred, latency := p.gate.schedule(time.Now(), p.last, 0)
	p.finished, p.ends = true, transferred.Add(latency)
	p.mu.Unlock()
	p.wake()
}

// deafen ends the reading end: the writer gets EPIPE.
func (p *pipe) deafen() {
	p.mu.Lock()
	p.deaf = true
	p.mu.Unlock()
	p.wake()
}

// breakOff ends both ends with an error. What has arrived can be read no more.
func (p *pipe) breakOff() {
	p.mu.Lock()
	if p.reset == nil {
		p.reset = syscall.ECONNRESET
	}
	p.coming, p.arrived, p.size = nil, nil, 0
	p.mu.Unlock()
	p.wake()
}

func (p *pipe) setReading(t time.Time) {
	p.mu.Lock()
	p.reading = t
	p.mu.Unlock()
	p.wake()
}

func (p *pipe) setWriting(t time.Time) {
	p.mu.Lock()
	p.writing = t
	p.mu.Unlock()
	p.wake()
}

func expired(deadline, now time.Time) bool { return !deadline.IsZero() && !deadline.After(now) }

// wait waits for a token, or until a moment that is not zero.
func wait(token chan struct{}, until time.Time) {
	if until.IsZero() {
		<-token
		return
	}
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-token:
	case <-timer.C:
	}
}

var errSpoiled = errors.New("bits were flipped on the way, which TLS would have noticed")

var errStackDown = errors.New("the process that had this network is dead")
