package wire

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// Liveness says how a peer that died without a word is found. The server pings a silent client each Interval, so a client hears from a
// live server at least that often; both ends drop the connection after Interval + Timeout of silence, and every call on it fails with
// coda.TimedOut. gRPC raises an Interval below one second to one second.
type Liveness struct {
	Interval time.Duration `doc:"between pings (1 s)"`
	Timeout  time.Duration `doc:"silence after a ping (4 s)"`
}

// DefaultLiveness finds a dead peer within six seconds.
func DefaultLiveness() Liveness { return Liveness{Interval: time.Second, Timeout: 4 * time.Second} }

// minInterval is the shortest interval that a gRPC server keeps.
const minInterval = time.Second

// silence is how long a connection may bring nothing before it counts as dead. The server looks at its clock only once each
// interval, so two of them can pass between pings.
func (l Liveness) silence() time.Duration { return 2*max(l.Interval, minInterval) + l.Timeout }

// ServerOptions are the gRPC options of a server: credentials (nil for none), limits of messages, liveness, and errors that keep their kind.
func ServerOptions(creds credentials.TransportCredentials, live Liveness) []grpc.ServerOption {
	if creds == nil {
		creds = insecure.NewCredentials()
	}
	return append(serverMemory(&buffers{}),
		grpc.Creds(creds),
		grpc.MaxRecvMsgSize(MaxMessage),
		grpc.MaxSendMsgSize(MaxReply),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: max(live.Interval, minInterval), Timeout: live.Timeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}),
		grpc.ChainUnaryInterceptor(unaryServerErrors),
		grpc.ChainStreamInterceptor(streamServerErrors),
	)
}

// ClientConfig says how a client connects.
type ClientConfig struct {
	Credentials credentials.TransportCredentials                         // nil for none
	Dialer      func(ctx context.Context, addr string) (net.Conn, error) // nil for TCP
	Liveness    Liveness
	MaxBackoff  time.Duration // longest pause between attempts to connect
	ConnectTime time.Duration // bound on one attempt, TLS included
}

// DefaultClientConfig connects over TCP without credentials and tries again at least once a second.
func DefaultClientConfig() ClientConfig {
	return ClientConfig{Liveness: DefaultLiveness(), MaxBackoff: time.Second, ConnectTime: 5 * time.Second}
}

// SocketDialer connects to a unix socket, whatever the address.
func SocketDialer(path string) func(ctx context.Context, address string) (net.Conn, error) {
	return func(ctx context.Context, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
}

// Dial makes a client connection to address; it does not wait for the server. Errors of calls on it have kinds (FromError).
// Interceptors are run in order, outside of the conversion of errors.
func Dial(address string, cfg ClientConfig, more ...grpc.DialOption) (*grpc.ClientConn, error) {
	creds := cfg.Credentials
	if creds == nil {
		creds = insecure.NewCredentials()
	}
	dial := cfg.Dialer
	if dial == nil {
		dial = func(ctx context.Context, addr string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		}
	}
	options := append(clientMemory(&buffers{}),
		grpc.WithTransportCredentials(creds),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			c, err := dial(ctx, addr)
			if err != nil {
				return nil, err
			}
			return &watched{Conn: c, silence: cfg.Liveness.silence(), made: time.Now()}, nil
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxReply), grpc.MaxCallSendMsgSize(MaxMessage)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: cfg.Liveness.Timeout, PermitWithoutStream: true}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: cfg.MaxBackoff / 10, Multiplier: 1.6, Jitter: 0.2, MaxDelay: cfg.MaxBackoff},
			MinConnectTimeout: cfg.ConnectTime,
		}),
		grpc.WithIdleTimeout(0),
		grpc.WithStatsHandler(patientRetries{}),
		grpc.WithChainUnaryInterceptor(unaryClientErrors),
		grpc.WithChainStreamInterceptor(streamClientErrors),
	)
	options = append(options, more...)
	conn, err := grpc.NewClient("passthrough:///"+address, options...)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	return conn, nil
}

// watched is a connection that fails when nothing has come for too long. A gRPC client's own keepalive cannot ping more often than each
// ten seconds; the server's can, and this end only has to notice when its pings stay away.
type watched struct {
	net.Conn
	silence time.Duration
	made    time.Time
	set     atomic.Int64 // when the deadline was moved last, nanoseconds since the connection was made; 0 for never
}

// Read moves the deadline on, at most some times in each period of allowed silence.
func (w *watched) Read(p []byte) (int, error) {
	now := time.Now()
	age := max(now.Sub(w.made), 1) // not by the wall clock, which can be set
	if last := w.set.Load(); last == 0 || int64(age)-last > int64(w.silence)/16 {
		w.set.Store(int64(age))
		if err := w.SetReadDeadline(now.Add(w.silence)); err != nil {
			return 0, err
		}
	}
	n, err := w.Conn.Read(p)
	return n, err
}
