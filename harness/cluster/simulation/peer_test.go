package simulation

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/stats"
	"pgregory.net/rapid"

	"github.com/codastress/codastress/harness/cluster"
)

// As with TCP, who cannot write on a connection does not wait for bytes from it either: it reads what has arrived and then why there is no more. So
// it is whatever is done to the connection and its link.
func TestWhoCannotWriteDoesNotWaitForBytes(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		latency := rapid.SampledFrom([]time.Duration{0, time.Millisecond, time.Second})
		up, down := Shape{Latency: latency.Draw(r, "up")}, Shape{Latency: latency.Draw(r, "down")}
		flows := rapid.SampledFrom([]cluster.Flow{cluster.FlowPass, cluster.FlowHold, cluster.FlowDrop})
		steps := rapid.SliceOfN(rapid.SampledFrom([]string{
			"client writes", "server writes", "client closes", "server closes", "client dies", "server dies", "link", "reset", "time", "time",
		}), 1, 20).Draw(r, "steps")
		states := rapid.SliceOfN(flows, 2*len(steps), 2*len(steps)).Draw(r, "states")
		synctest.Test(t, func(t *testing.T) {
			p := connect(t, up, down)
			for i, step := range steps {
				switch step {
				case "client writes":
					written(t, p.dialed)
				case "server writes":
					written(t, p.accepted)
				case "client closes":
					require.NoError(t, p.dialed.Close())
				case "server closes":
					require.NoError(t, p.accepted.Close())
				case "client dies":
					p.client.Kill()
				case "server dies":
					p.server.Kill()
				case "link":
					p.set(t, states[2*i], states[2*i+1])
				case "reset":
					require.NoError(t, p.network.ResetLink(t.Context(), linkName))
				case "time":
					time.Sleep(700 * time.Millisecond)
				}
			}
		})
	})
}

// written writes, and where that fails, reads to the end without waiting.
func written(t *testing.T, c net.Conn) {
	t.Helper()
	_, failed := c.Write([]byte("some"))
	if failed == nil {
		return
	}
	began := time.Now()
	require.NoError(t, c.SetReadDeadline(began.Add(time.Hour)))
	_, err := io.Copy(io.Discard, c)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "writing fails with %v, and reading waits", failed)
	require.Zero(t, time.Since(began))
}

// attempts counts the attempts of calls, and has the test fail where there are more than a program makes in any time.
type attempts struct {
	t     *testing.T
	count int
}

func (a *attempts) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (a *attempts) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (a *attempts) HandleConn(context.Context, stats.ConnStats)                       {}

func (a *attempts) HandleRPC(_ context.Context, s stats.RPCStats) {
	if _, begin := s.(*stats.Begin); begin {
		a.count++
		require.Less(a.t, a.count, 1000, "gRPC tries again and again without time passing")
	}
}

// A server dies behind a link that does not bring the news: calls end when their time is up.
func TestCallsToAServerThatDiedBehindACutLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork()
		n.AddLink("client1", "server1", Shape{Latency: time.Millisecond}, Shape{Latency: time.Millisecond})
		client, server := n.Stack("client1"), n.Stack("server1")
		listener, err := server.Listen("2432")
		require.NoError(t, err)
		served := grpc.NewServer()
		grpc_health_v1.RegisterHealthServer(served, grpc_health_v1.UnimplementedHealthServer{})
		ended := make(chan error, 1)
		go func() { ended <- served.Serve(listener) }()
		counting := &attempts{t: t}
		conn, err := grpc.NewClient("passthrough:///"+Address("server1", "2432"), grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(client.Dial), grpc.WithStatsHandler(counting))
		require.NoError(t, err)
		call := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			_, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
			return err
		}
		require.ErrorContains(t, call(), "Unimplemented")

		require.NoError(t, n.SetLink(t.Context(), linkName, cluster.LinkState{Up: cluster.FlowPass, Down: cluster.FlowHold}))
		server.Kill()
		began := time.Now()
		for range 5 {
			require.ErrorContains(t, call(), "DeadlineExceeded")
		}
		require.Equal(t, 50*time.Second, time.Since(began))
		require.NoError(t, conn.Close())
		served.Stop()
		if err := <-ended; err != nil && !errors.Is(err, net.ErrClosed) {
			require.NoError(t, err)
		}
	})
}
