package wire_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// vice answers two calls as the test says.
type vice struct {
	vicepb.UnimplementedViceServer
	volume func(context.Context) error
	fetch  error
}

func (v vice) Volume(ctx context.Context, _ *vicepb.VolumeRequest) (*vicepb.VolumeReply, error) {
	return &vicepb.VolumeReply{}, v.volume(ctx)
}

func (v vice) Fetch(*vicepb.FetchRequest, grpc.ServerStreamingServer[vicepb.FetchReply]) error {
	return v.fetch
}

// mute is a listener whose connections stop sending when told to, as those of a machine that lost its power do.
type mute struct {
	*bufconn.Listener
	silent *atomic.Bool
}

func (m mute) Accept() (net.Conn, error) {
	c, err := m.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return muteConn{c, m.silent}, nil
}

type muteConn struct {
	net.Conn
	silent *atomic.Bool
}

func (c muteConn) Write(p []byte) (int, error) {
	if c.silent.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// connect runs v on an in-memory network and gives a client of it.
func connect(t *testing.T, v vice, silent *atomic.Bool) vicepb.ViceClient {
	listener := bufconn.Listen(1 << 16)
	server := grpc.NewServer(wire.ServerOptions(nil, wire.DefaultLiveness())...)
	vicepb.RegisterViceServer(server, v)
	served := make(chan error, 1)
	go func() { served <- server.Serve(mute{listener, silent}) }()
	cfg := wire.DefaultClientConfig()
	cfg.Dialer = func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }
	conn, err := wire.Dial("server", cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, conn.Close())
		server.Stop()
		require.NoError(t, <-served)
	})
	return vicepb.NewViceClient(conn)
}

func TestErrorsKeepTheirKind(t *testing.T) {
	for kind := coda.ErrorKind(1); kind <= coda.MaxErrorKind; kind++ {
		failure := &coda.Error{Op: "look \xff up", Kind: kind, Err: errors.New("no luck")}
		client := connect(t, vice{volume: func(context.Context) error { return failure }, fetch: failure}, new(atomic.Bool))
		_, err := client.Volume(t.Context(), &vicepb.VolumeRequest{})
		require.ErrorIs(t, err, kind)
		require.ErrorContains(t, err, "no luck")
		stream, err := client.Fetch(t.Context(), &vicepb.FetchRequest{})
		require.NoError(t, err)
		_, err = stream.Recv()
		require.ErrorIs(t, err, kind)
	}
}

func TestEndOfStreamStaysEOF(t *testing.T) {
	client := connect(t, vice{}, new(atomic.Bool))
	stream, err := client.Fetch(t.Context(), &vicepb.FetchRequest{})
	require.NoError(t, err)
	_, err = stream.Recv()
	require.Equal(t, io.EOF, err)
}

func TestUnknownMethodIsUnsupported(t *testing.T) {
	client := connect(t, vice{}, new(atomic.Bool))
	_, err := client.Probe(t.Context(), &vicepb.ProbeRequest{})
	require.ErrorIs(t, err, coda.Unsupported)
}

func TestDeadlineAndCancel(t *testing.T) {
	client := connect(t, vice{volume: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}, new(atomic.Bool))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := client.Volume(ctx, &vicepb.VolumeRequest{})
	require.ErrorIs(t, err, coda.TimedOut)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	_, err = client.Volume(ctx, &vicepb.VolumeRequest{})
	require.ErrorIs(t, err, coda.TimedOut)
	require.ErrorIs(t, err, context.Canceled)
}

func TestNobodyListens(t *testing.T) {
	cfg := wire.DefaultClientConfig()
	cfg.Dialer = func(context.Context, string) (net.Conn, error) { return nil, errors.New("refused") }
	conn, err := wire.Dial("server", cfg)
	require.NoError(t, err)
	defer conn.Close()
	_, err = vicepb.NewViceClient(conn).Volume(t.Context(), &vicepb.VolumeRequest{})
	require.ErrorIs(t, err, coda.TimedOut)
}

// A call on a connection whose server went silent fails within the bound, and the clock of the test shows that a server that is only
// idle is left alone for as long as it lives.
func TestSilentServerIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var silent atomic.Bool
		client := connect(t, vice{volume: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}, &silent)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		failed := make(chan error, 1)
		go func() {
			_, err := client.Volume(ctx, &vicepb.VolumeRequest{})
			failed <- err
		}()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.Empty(t, failed, "an idle connection was dropped")
		silent.Store(true)
		start := time.Now()
		require.ErrorIs(t, <-failed, coda.TimedOut)
		require.LessOrEqual(t, time.Since(start), 6*time.Second+time.Millisecond)
	})
}

// brokenConn can be read and not be written to any more when it is told to.
type brokenConn struct {
	net.Conn
	broken *atomic.Bool
}

func (c brokenConn) Write(p []byte) (int, error) {
	if c.broken.Load() {
		return 0, io.ErrClosedPipe
	}
	return c.Conn.Write(p)
}

// Time passes in the bubble only when every goroutine waits: a call that tries again and again without waiting would never end.
func TestRetriesWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := bufconn.Listen(1 << 16)
		server := grpc.NewServer(wire.ServerOptions(nil, wire.DefaultLiveness())...)
		vicepb.RegisterViceServer(server, vice{volume: func(context.Context) error { return nil }})
		served := make(chan error, 1)
		go func() { served <- server.Serve(listener) }()
		var broken atomic.Bool
		cfg := wire.DefaultClientConfig()
		cfg.Dialer = func(ctx context.Context, _ string) (net.Conn, error) {
			c, err := listener.DialContext(ctx)
			return brokenConn{c, &broken}, err
		}
		conn, err := wire.Dial("server", cfg)
		require.NoError(t, err)
		client := vicepb.NewViceClient(conn)
		_, err = client.Volume(t.Context(), &vicepb.VolumeRequest{})
		require.NoError(t, err)
		broken.Store(true)
		for range 2 { // with the first, the writer finds out; with the second, the reader does not know yet
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			_, err = client.Volume(ctx, &vicepb.VolumeRequest{})
			require.ErrorIs(t, err, coda.TimedOut)
			cancel()
		}
		require.NoError(t, conn.Close())
		server.Stop()
		require.NoError(t, <-served)
	})
}
