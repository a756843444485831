package simulation

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A wire is one connection: two pipes with an end on either side.
type wire struct {
	network  *Network
	link     *link // nil within a node
	up, down *pipe
	dialer   *conn
	listener *conn
	open     atomic.Int32 // ends that have not been closed
}

// newWire makes a connection and adds it to the network.
func newWire(l *link, dialer, listener *Stack, address string) *wire {
	w := &wire{network: dialer.network, link: l}
	var up, down *gate
	if l != nil {
		up, down = &l.up, &l.down
	}
	w.up, w.down = newPipe(up, dialer, listener), newPipe(down, listener, dialer)
	w.dialer = &conn{wire: w, stack: dialer, in: w.down, out: w.up, local: addr(dialer.node), remote: addr(address)}
	w.listener = &conn{wire: w, stack: listener, in: w.up, out: w.down, local: addr(address), remote: addr(dialer.node)}
	w.open.Store(2)
	w.network.add(w)
	return w
}

// reset ends the connection at once, at both ends.
func (w *wire) reset() {
	w.up.breakOff()
	w.down.breakOff()
	w.network.remove(w)
}

func (w *wire) wake() {
	w.up.wake()
	w.down.wake()
}

// end returns the end that a stack has.
func (w *wire) end(s *Stack) *conn {
	if w.dialer.stack == s {
		return w.dialer
	}
	return w.listener
}

// conn is one end of a connection.
type conn struct {
	wire          *wire
	stack         *Stack
	in, out       *pipe
	local, remote addr
	once          sync.Once
}

var _ net.Conn = (*conn)(nil)

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) { return c.in.read(b) }

// Write implements net.Conn.
func (c *conn) Write(b []byte) (int, error) {
	if c.wire.link == nil {
		return c.send(b)
	}
	c.stack.tell(Sending)
	n, err := c.send(b)
	c.stack.tell(Sent)
	return n, err
}

// send sends bytes. That the peer has closed shows as it does with TCP: not before the news of it has come, so that whoever cannot write can
// read to the end as well. What is sent before that is lost. A connection that can only be read from, and brings nothing, does not exist; gRPC,
// for one, leaves it to its reader to notice that a connection is dead, and meanwhile tries again on it without a pause.
func (c *conn) send(b []byte) (int, error) {
	n, err := c.out.write(b)
	if errors.Is(err, syscall.EPIPE) && !c.in.ended() {
		return len(b), nil
	}
	return n, err
}

// Close implements net.Conn: what was written is still delivered.
func (c *conn) Close() error {
	c.once.Do(func() {
		c.out.finish()
		c.in.deafen()
		if c.wire.open.Add(-1) == 0 {
			c.wire.network.remove(c.wire)
		}
	})
	return nil
}

// LocalAddr implements net.Conn.
func (c *conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn.
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	c.in.setReading(t)
	c.out.setWriting(t)
	return nil
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.setReading(t)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.out.setWriting(t)
	return nil
}

// addr is an address of the network.
type addr string

// Network implements net.Addr.
func (addr) Network() string { return "simulated" }

// String implements net.Addr.
func (a addr) String() string { return string(a) }
