package simulation

import (
	"context"
	"fmt"
	"net"
	"sync"
	"syscall"
)

// A Stack is the network as one process on a node has it.
type Stack struct {
	network *Network
	node    string

	mu        sync.Mutex
	thawed    chan struct{} // nil while the process runs; closed when it goes on
	dead      bool
	listeners []*listener
	at        func(Moment) // nil tells nobody
}

// watch has moments told, Sending and Sent, by the goroutines that they happen in.
func (s *Stack) watch(at func(Moment)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = at
}

// tell tells of a moment.
func (s *Stack) tell(moment Moment) {
	s.mu.Lock()
	at := s.at
	s.mu.Unlock()
	if at != nil {
		at(moment)
	}
}

// Stack returns the network of a new process on a node.
func (n *Network) Stack(node string) *Stack { return &Stack{network: n, node: node} }

// Address is the address of a port of a node.
func Address(node, port string) string { return net.JoinHostPort(node, port) }

// Listen answers on a port of the node.
func (s *Stack) Listen(port string) (net.Listener, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return nil, errStackDown
	}
	l := &listener{stack: s, address: Address(s.node, port), queue: make(chan *conn, backlog), closed: make(chan struct{})}
	n := s.network
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners[l.address] != nil {
		return nil, fmt.Errorf("listening on %s: %w", l.address, syscall.EADDRINUSE)
	}
	n.listeners[l.address] = l
	s.listeners = append(s.listeners, l)
	return l, nil
}

// Dial connects to an address: of the node itself, or of one that a link leads to. Connections are made at once; it is the first byte that a cut link
// holds, as with a proxy that accepts connections.
func (s *Stack) Dial(ctx context.Context, address string) (net.Conn, error) {
	if err := s.whileFrozen(ctx); err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	l, err := s.network.between(s.node, host)
	if err != nil {
		return nil, err
	}
	s.network.mu.Lock()
	peer := s.network.listeners[address]
	s.network.mu.Unlock()
	if peer == nil {
		return nil, fmt.Errorf("connecting to %s: %w", address, syscall.ECONNREFUSED)
	}
	s.mu.Lock()
	if s.dead {
		s.mu.Unlock()
		return nil, errStackDown
	}
	w := newWire(l, s, peer.stack, address)
	s.mu.Unlock()
	if !peer.offer(w.listener) {
		w.reset()
		return nil, fmt.Errorf("connecting to %s: %w", address, syscall.ECONNREFUSED)
	}
	return w.dialer, nil
}

// whileFrozen waits until the process runs.
func (s *Stack) whileFrozen(ctx context.Context) error {
	for {
		s.mu.Lock()
		thawed := s.thawed
		s.mu.Unlock()
		if thawed == nil {
			return ctx.Err()
		}
		select {
		case <-thawed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// awaitThaw waits as long as the process is stopped. What happens to its connections meanwhile it learns afterwards, also of those that have ended.
func (s *Stack) awaitThaw() {
	_ = s.whileFrozen(context.Background()) // which never ends, so there is no error
}

// Freeze stops the process from reading, writing, connecting and accepting, as SIGSTOP does: its sockets still take what comes.
func (s *Stack) Freeze() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.thawed == nil {
		s.thawed = make(chan struct{})
	}
}

// Thaw lets it go on.
func (s *Stack) Thaw() {
	s.mu.Lock()
	if s.thawed != nil {
		close(s.thawed)
		s.thawed = nil
	}
	s.mu.Unlock()
	for _, w := range s.network.of(s) {
		w.wake()
	}
}

// Kill takes the network from a process that died: its peers get what it had sent, and then the end of the connection. Nothing that a zombie
// does later leaves it.
func (s *Stack) Kill() {
	s.mu.Lock()
	s.dead = true
	listeners := s.listeners
	s.mu.Unlock()
	s.Thaw()
	for _, l := range listeners {
		_ = l.Close() // it never fails
	}
	for _, w := range s.network.of(s) {
		_ = w.end(s).Close() // it never fails
	}
}

// backlog is how many connections wait to be accepted.
const backlog = 1024

// listener accepts connections.
type listener struct {
	stack   *Stack
	address string
	closed  chan struct{}

	mu    sync.Mutex
	shut  bool
	queue chan *conn
}

var _ net.Listener = (*listener)(nil)

// offer queues a connection, and says whether there was room.
func (l *listener) offer(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shut {
		return false
	}
	select {
	case l.queue <- c:
		return true
	default:
		return false
	}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Connections that were not accepted are reset.
func (l *listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shut {
		return nil
	}
	l.shut = true
	n := l.stack.network
	n.mu.Lock()
	delete(n.listeners, l.address)
	n.mu.Unlock()
	close(l.closed)
	for len(l.queue) > 0 {
		select {
		case c := <-l.queue:
			c.wire.reset()
		default: // Accept was faster
		}
	}
	return nil
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return addr(l.address) }
