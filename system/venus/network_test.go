package venus_test

import (
	"context"
	"net"
	"sync"

	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/vice"
	"github.com/codastress/codastress/system/vice/vicetest"
)

type viceConfig = vice.Config

// network stands between a client and a server. It can hold everything back, in both directions, and cut connections.
type network struct {
	s *vicetest.Server

	mu     sync.Mutex
	open   chan struct{} // closed while bytes may pass
	conns  map[*link]struct{}
	onRead func(n *network, bytes int) // called after bytes came from the server, before the client gets them
	sent   int                         // bytes that the client has sent
}

func newNetwork(s *vicetest.Server) *network {
	n := &network{s: s, open: make(chan struct{}), conns: map[*link]struct{}{}}
	close(n.open)
	return n
}

// use makes a client use the network.
func (n *network) use(c *venus.Config) { c.Dial = n.dial }

func (n *network) dial(ctx context.Context, address string) (net.Conn, error) {
	if err := n.pass(ctx.Done()); err != nil {
		return nil, err
	}
	c, err := n.s.Dial(ctx, address)
	if err != nil {
		return nil, err
	}
	l := &link{Conn: c, n: n, closed: make(chan struct{})}
	n.mu.Lock()
	n.conns[l] = struct{}{}
	n.mu.Unlock()
	return l, nil
}

// pass waits until bytes may pass.
func (n *network) pass(stop <-chan struct{}) error {
	n.mu.Lock()
	open := n.open
	n.mu.Unlock()
	select {
	case <-open:
		return nil
	case <-stop:
		return net.ErrClosed
	}
}

func (n *network) hold() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.open = make(chan struct{})
}

func (n *network) release() {
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.open)
}

// held reports whether everything is held back.
func (n *network) held() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	select {
	case <-n.open:
		return false
	default:
		return true
	}
}

// cut ends the connections that there are.
func (n *network) cut() {
	n.mu.Lock()
	conns := n.conns
	n.conns = map[*link]struct{}{}
	n.mu.Unlock()
	for l := range conns {
		_ = l.Close()
	}
}

type link struct {
	net.Conn
	n      *network
	once   sync.Once
	closed chan struct{}
}

// Read reads what may pass.
func (l *link) Read(p []byte) (int, error) {
	k, err := l.Conn.Read(p)
	if err == nil {
		l.n.mu.Lock()
		onRead := l.n.onRead
		l.n.mu.Unlock()
		if onRead != nil {
			onRead(l.n, k)
		}
		err = l.n.pass(l.closed)
	}
	if err != nil {
		return 0, err
	}
	return k, nil
}

// Write writes when bytes may pass.
func (l *link) Write(p []byte) (int, error) {
	if err := l.n.pass(l.closed); err != nil {
		return 0, err
	}
	l.n.mu.Lock()
	l.n.sent += len(p)
	l.n.mu.Unlock()
	return l.Conn.Write(p)
}

// Close closes the connection.
func (l *link) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Conn.Close()
}

// setOnRead has a function called after bytes came from the server; nil for none.
func (n *network) setOnRead(f func(n *network, bytes int)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.onRead = f
}
