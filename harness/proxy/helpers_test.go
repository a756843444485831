package proxy

import (
	"context"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

const patience = 20 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// upstream is a listener that hands its connections to the test.
type upstream struct {
	address string
	accept  chan *net.TCPConn
}

func newUpstream(t testing.TB) *upstream {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	u := &upstream{address: listener.Addr().String(), accept: make(chan *net.TCPConn, 1000)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			socket, err := listener.Accept()
			if err != nil {
				return
			}
			u.accept <- socket.(*net.TCPConn)
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-ended
		for len(u.accept) > 0 {
			_ = (<-u.accept).Close()
		}
	})
	return u
}

// next returns the next connection that arrived.
func (u *upstream) next(t testing.TB) *net.TCPConn {
	select {
	case socket := <-u.accept:
		return tended(t, socket)
	case <-time.After(patience):
		require.Fail(t, "no connection reached the upstream")
		return nil
	}
}

func newServer(t testing.TB) *Server {
	server := NewServer(slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, server.Close(ctx))
	})
	return server
}

// newTestLink returns a link named "l" to a new upstream.
func newTestLink(t testing.TB) (*Server, Link, *upstream) {
	server, up := newServer(t), newUpstream(t)
	added, err := server.AddLink(t.Context(), "l", "127.0.0.1:0", up.address)
	require.NoError(t, err)
	return server, added, up
}

func set(t testing.TB, server *Server, state State) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	described, err := server.SetLink(ctx, "l", state)
	require.NoError(t, err)
	require.Equal(t, state, described.State)
}

func state(t testing.TB, server *Server) Link {
	links, err := server.Links(t.Context())
	require.NoError(t, err)
	require.Len(t, links, 1)
	return links[0]
}

func dial(t testing.TB, address string) *net.TCPConn {
	socket, err := net.DialTimeout("tcp", address, patience)
	require.NoError(t, err)
	return tended(t, socket.(*net.TCPConn))
}

// tended gives a socket the test's deadline and closes it in the end.
func tended(t testing.TB, socket *net.TCPConn) *net.TCPConn {
	require.NoError(t, socket.SetDeadline(time.Now().Add(patience)))
	t.Cleanup(func() { _ = socket.Close() })
	return socket
}

func send(t testing.TB, socket net.Conn, text string) {
	_, err := socket.Write([]byte(text))
	require.NoError(t, err)
}

func receive(t testing.TB, socket net.Conn, text string) {
	got := make([]byte, len(text))
	_, err := io.ReadFull(socket, got)
	require.NoError(t, err)
	require.Equal(t, text, string(got))
}

// silent says that nothing comes for a moment. It cannot fail wrongly, only miss something.
func silent(t testing.TB, socket net.Conn) {
	require.NoError(t, socket.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	n, err := socket.Read(make([]byte, 1))
	require.Zero(t, n)
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	require.True(t, timeout.Timeout(), "%v", err)
	require.NoError(t, socket.SetReadDeadline(time.Now().Add(patience)))
}
