package proxy

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkRoundTrip and BenchmarkBulk compare a link with a direct loopback connection: what the proxy itself costs.
func BenchmarkRoundTrip(b *testing.B) {
	eachWay(b, func(b *testing.B, client, peer *net.TCPConn) {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = io.Copy(struct{ io.Writer }{peer}, struct{ io.Reader }{peer})
		}()
		one := make([]byte, 1)
		for b.Loop() {
			_, err := client.Write(one)
			require.NoError(b, err)
			_, err = io.ReadFull(client, one)
			require.NoError(b, err)
		}
		_ = client.Close()
		<-ended
	})
}

func BenchmarkBulk(b *testing.B) {
	eachWay(b, func(b *testing.B, client, peer *net.TCPConn) {
		const length = 256 << 10
		b.SetBytes(length)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{peer}, make([]byte, length))
		}()
		piece := make([]byte, length)
		for b.Loop() {
			_, err := client.Write(piece)
			require.NoError(b, err)
		}
		_ = client.CloseWrite()
		<-ended
	})
}

func eachWay(b *testing.B, run func(b *testing.B, client, peer *net.TCPConn)) {
	for _, way := range []string{"direct", "link"} {
		b.Run(way, func(b *testing.B) {
			up := newUpstream(b)
			address := up.address
			if way == "link" {
				link, err := newServer(b).AddLink(b.Context(), "l", "127.0.0.1:0", up.address)
				require.NoError(b, err)
				address = link.Listen
			}
			client := dial(b, address)
			peer := up.next(b)
			require.NoError(b, client.SetDeadline(time.Time{}))
			require.NoError(b, peer.SetDeadline(time.Time{}))
			run(b, client, peer)
		})
	}
}
