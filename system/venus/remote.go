package venus

import (
	"context"
	"errors"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// errGate is what dialling gives between Disconnect and Reconnect.
var errGate = errors.New("disconnected by cfs")

// remote is the connection to a server. It knows the connections under gRPC, so that one that went silent can be cut without waiting
// for the network to notice.
type remote struct {
	conn *grpc.ClientConn
	vice vicepb.ViceClient
	auth vicepb.AuthClient
	dial func(ctx context.Context, address string) (net.Conn, error)

	mu    sync.Mutex
	gated bool
	conns map[*trackedConn]struct{}
}

func newRemote(cfg Config, server Server, t *tally) (*remote, error) {
	r := &remote{dial: cfg.Dial, conns: map[*trackedConn]struct{}{}}
	client := wire.DefaultClientConfig()
	client.Dialer = r.connect
	// With gRPC's jitter of a fifth its pause is over when the session is tried again. Its pause is never cut short: ResetConnectBackoff reads a
	// map that other goroutines of gRPC write to.
	client.MaxBackoff = cfg.Timing.Retry * 4 / 5
	client.Liveness.Timeout = cfg.Timing.Silence - 2*client.Liveness.Interval
	client.ConnectTime = cfg.Timing.Connect
	if cfg.TLS != nil {
		security := cfg.TLS
		if server.Name != "" {
			security = security.Clone()
			security.ServerName = server.Name
		}
		client.Credentials = credentials.NewTLS(security)
	}
	conn, err := wire.Dial(server.Address, client, grpc.WithStatsHandler(t))
	if err != nil {
		return nil, &coda.Error{Op: "prepare the connection to " + server.Address, Kind: coda.Invalid, Err: err}
	}
	r.conn, r.vice, r.auth = conn, vicepb.NewViceClient(conn), vicepb.NewAuthClient(conn)
	return r, nil
}

func (r *remote) connect(ctx context.Context, address string) (net.Conn, error) {
	r.mu.Lock()
	gated := r.gated
	r.mu.Unlock()
	if gated {
		return nil, errGate
	}
	c, err := r.dial(ctx, address)
	if err != nil {
		return nil, err
	}
	t := &trackedConn{Conn: c, remote: r}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gated {
		_ = c.Close()
		return nil, errGate
	}
	r.conns[t] = struct{}{}
	return t, nil
}

// gate makes the server unreachable, or reachable again.
func (r *remote) gate(shut bool) {
	r.mu.Lock()
	r.gated = shut
	r.mu.Unlock()
	if shut {
		r.cut()
	}
}

func (r *remote) isGated() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gated
}

// cut closes the connections that there are. gRPC makes new ones when they are needed.
func (r *remote) cut() {
	r.mu.Lock()
	conns := make([]*trackedConn, 0, len(r.conns))
	for c := range r.conns {
		conns = append(conns, c)
	}
	r.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
	}
}

func (r *remote) close() {
	_ = r.conn.Close() // fails only when it was closed before
	r.cut()
}

// trackedConn leaves its remote's list when it is closed.
type trackedConn struct {
	net.Conn
	remote *remote
}

// Close closes the connection.
func (c *trackedConn) Close() error {
	c.remote.mu.Lock()
	delete(c.remote.conns, c)
	c.remote.mu.Unlock()
	return c.Conn.Close()
}
