package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/stream"
	"golang.org/x/sys/unix"
)

// dialTime bounds the dialling of an upstream. One that answers does so at once.
const dialTime = 10 * time.Second

// link is one directed link.
type link struct {
	name     string
	api      *toxiproxy.ApiServer
	proxy    *toxiproxy.Proxy
	up, down *gate
	listener *net.TCPListener
	log      *slog.Logger

	stop    context.CancelFunc
	running sync.WaitGroup // the accept loop and every connection

	setting sync.Mutex // held while the gates move, so that two callers do not mix their states

	mu          sync.Mutex
	state       State
	healed      chan struct{} // closed and replaced when the upward direction comes to pass
	waiting     map[*net.TCPConn]struct{}
	connections map[*connection]struct{}
	accepted    uint64
}

// newLink binds the listener and starts to accept.
func newLink(api *toxiproxy.ApiServer, name, listen, upstream string, log *slog.Logger) (*link, error) {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("listening for the link %s: %w", name, err)
	}
	l := &link{
		name: name, api: api, listener: listener.(*net.TCPListener), log: log.With("link", name),
		proxy:       toxiproxy.NewProxy(api, name, listener.Addr().String(), upstream),
		healed:      make(chan struct{}),
		waiting:     make(map[*net.TCPConn]struct{}),
		connections: make(map[*connection]struct{}),
	}
	if l.up, err = l.addGate(stream.Upstream); err == nil {
		l.down, err = l.addGate(stream.Downstream)
	}
	if err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("making the link %s: %w", name, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.running.Go(func() { l.accept(ctx) })
	return l, nil
}

// addGate puts a gate into one direction of the Toxiproxy proxy. There is no connection yet.
func (l *link) addGate(direction stream.Direction) (*gate, error) {
	text := fmt.Sprintf(`{"type":%q,"stream":%q}`, gateType, direction)
	added, err := l.proxy.Toxics.AddToxicJson(strings.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("adding the %v gate: %w", direction, err)
	}
	return added.Toxic.(*gate), nil
}

// accept takes connections until the listener is closed.
func (l *link) accept(ctx context.Context) {
	for {
		client, err := l.listener.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors, or a connection that was reset before it was accepted
			l.log.Warn("accepting a connection", "error", err)
			select {
			case <-time.After(10 * time.Millisecond):
				continue
			case <-ctx.Done():
				return
			}
		}
		l.mu.Lock()
		l.accepted++
		number := l.accepted
		l.waiting[client] = struct{}{}
		cut := l.state.Up != Pass
		l.mu.Unlock()
		l.running.Add(1)
		go l.connect(ctx, client, number, cut)
	}
}

// connect waits until the upward direction passes, dials the upstream and lets Toxiproxy carry the connection. cut says that it did not pass
// when the connection was accepted.
func (l *link) connect(ctx context.Context, client *net.TCPConn, number uint64, cut bool) {
	if err := l.waitHealed(ctx, client, cut); err != nil {
		l.refuse(client, err)
		return
	}
	dialer := net.Dialer{Timeout: dialTime}
	upstream, err := dialer.DialContext(ctx, "tcp", l.proxy.Upstream)
	if err != nil {
		l.refuse(client, err)
		return
	}
	whole, up, down := newConnection(client, upstream.(*net.TCPConn), nil)
	whole.ended = func() { l.forget(whole) }
	l.mu.Lock()
	_, wanted := l.waiting[client] // a reset may have come meanwhile
	delete(l.waiting, client)
	if wanted {
		l.connections[whole] = struct{}{}
	}
	l.mu.Unlock()
	if !wanted {
		resetSocket(upstream.(*net.TCPConn))
		l.running.Done()
		return
	}
	name := strconv.FormatUint(number, 10)
	l.proxy.Toxics.StartLink(l.api, name+"up", up, up, stream.Upstream)
	l.proxy.Toxics.StartLink(l.api, name+"down", down, down, stream.Downstream)
}

// errGone says that who connected did not wait for the link to heal.
var errGone = errors.New("the connection was given up during the cut")

// waitHealed waits until the upward direction passes.
func (l *link) waitHealed(ctx context.Context, client *net.TCPConn, cut bool) error {
	for ; ; cut = true {
		l.mu.Lock()
		passes, healed := l.state.Up == Pass, l.healed
		_, wanted := l.waiting[client]
		l.mu.Unlock()
		if !wanted || passes && cut && hungUp(client) {
			return errGone
		}
		if passes {
			return nil
		}
		select {
		case <-healed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// hungUp says whether the peer of a socket has closed it. Such a connection would never have come about without the proxy.
func hungUp(socket *net.TCPConn) bool {
	raw, err := socket.SyscallConn()
	if err != nil {
		return true
	}
	gone := false
	err = raw.Control(func(fd uintptr) {
		polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(polled, 0)
		gone = err == nil && n > 0 && polled[0].Revents != 0
	})
	return gone || err != nil
}

// refuse ends an accepted connection that has no upstream, with RST: a direct connection would have been refused too.
func (l *link) refuse(client *net.TCPConn, why error) {
	l.log.Debug("a connection did not come about", "client", client.RemoteAddr(), "error", why)
	resetSocket(client)
	l.mu.Lock()
	delete(l.waiting, client)
	l.mu.Unlock()
	l.running.Done()
}

// forget is called when a connection is over.
func (l *link) forget(whole *connection) {
	l.mu.Lock()
	delete(l.connections, whole)
	l.mu.Unlock()
	l.running.Done()
}

// set moves both gates and returns when every connection obeys.
func (l *link) set(ctx context.Context, state State) error {
	l.setting.Lock()
	defer l.setting.Unlock()
	l.mu.Lock()
	l.state = state
	if state.Up == Pass {
		close(l.healed)
		l.healed = make(chan struct{})
	}
	l.mu.Unlock()
	if err := errors.Join(l.up.set(ctx, state.Up, state.Shape), l.down.set(ctx, state.Down, state.Shape)); err != nil {
		return fmt.Errorf("setting the link %s: %w", l.name, err)
	}
	return nil
}

// reset ends all connections with RST and returns how many there were.
func (l *link) reset() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.connections) + len(l.waiting)
	for whole := range l.connections {
		whole.reset()
		delete(l.connections, whole)
	}
	for client := range l.waiting {
		resetSocket(client)
		delete(l.waiting, client)
	}
	return n
}

func (l *link) describe() Link {
	l.mu.Lock()
	defer l.mu.Unlock()
	var harm Harm
	l.up.harm(&harm)
	l.down.harm(&harm)
	return Link{
		Name: l.name, Listen: l.proxy.Listen, Upstream: l.proxy.Upstream, State: l.state,
		BytesUp: l.up.passed.Load(), BytesDown: l.down.passed.Load(),
		DroppedUp: l.up.dropped.Load(), DroppedDown: l.down.dropped.Load(),
		Connections: l.accepted, Open: uint64(len(l.connections) + len(l.waiting)), Harm: harm,
	}
}

// close ends the link and its connections, and waits for its goroutines.
func (l *link) close(ctx context.Context) error {
	l.stop()
	_ = l.listener.Close()
	l.up.change(closing, Shape{})
	l.down.change(closing, Shape{})
	l.reset()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.running.Wait()
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("ending the link %s: %w", l.name, ctx.Err())
	}
}
