package simulation

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness/cluster"
)

// pair is a link with one connection on it.
type pair struct {
	network        *Network
	client, server *Stack
	dialed         net.Conn
	accepted       net.Conn
}

const linkName = "client1-server1"

func connect(t *testing.T, up, down Shape) *pair {
	t.Helper()
	p := &pair{network: NewNetwork()}
	p.network.AddLink("client1", "server1", up, down)
	p.client, p.server = p.network.Stack("client1"), p.network.Stack("server1")
	listener, err := p.server.Listen("2432")
	require.NoError(t, err)
	p.dialed, err = p.client.Dial(t.Context(), Address("server1", "2432"))
	require.NoError(t, err)
	p.accepted, err = listener.Accept()
	require.NoError(t, err)
	return p
}

func (p *pair) set(t *testing.T, up, down cluster.Flow) {
	t.Helper()
	require.NoError(t, p.network.SetLink(t.Context(), linkName, cluster.LinkState{Up: up, Down: down}))
}

func (p *pair) counters(t *testing.T) cluster.LinkCounters {
	t.Helper()
	counters, err := p.network.LinkCounters(t.Context(), linkName)
	require.NoError(t, err)
	return counters
}

// receive reads exactly so many bytes within a time.
func receive(c net.Conn, n int, patience time.Duration) (string, error) {
	b := make([]byte, n)
	_ = c.SetReadDeadline(time.Now().Add(patience)) // it never fails
	read, err := io.ReadFull(c, b)
	return string(b[:read]), err
}

func TestBytesTakeTheirTimeAndKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Shape{Latency: time.Second, Bandwidth: 10}, Shape{Latency: time.Millisecond})
		began := time.Now()
		for _, part := range []string{"0123456789", "abcdefghij"} {
			_, err := p.dialed.Write([]byte(part))
			require.NoError(t, err)
		}
		got, err := receive(p.accepted, 10, time.Minute)
		require.NoError(t, err)
		require.Equal(t, "0123456789", got)
		require.Equal(t, 2*time.Second, time.Since(began))
		got, err = receive(p.accepted, 10, time.Minute)
		require.NoError(t, err)
		require.Equal(t, "abcdefghij", got)
		require.Equal(t, 3*time.Second, time.Since(began))
		_, err = p.accepted.Write([]byte("x"))
		require.NoError(t, err)
		_, err = receive(p.dialed, 1, time.Minute)
		require.NoError(t, err)
		require.Equal(t, 3*time.Second+time.Millisecond, time.Since(began))
		require.Equal(t, cluster.LinkCounters{BytesUp: 20, BytesDown: 1, Connections: 1}, p.counters(t))
	})
}

func TestAHeldDirectionDeliversEverythingAfterHealing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Shape{}, Shape{})
		p.set(t, cluster.FlowHold, cluster.FlowPass)
		_, err := p.dialed.Write([]byte("up"))
		require.NoError(t, err)
		require.NoError(t, p.dialed.Close())
		_, err = p.accepted.Write([]byte("down"))
		require.NoError(t, err, "it cannot know yet that nobody reads it any more")
		_, err = receive(p.accepted, 1, time.Hour)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Zero(t, p.counters(t).BytesUp)
		p.set(t, cluster.FlowPass, cluster.FlowPass)
		got, err := receive(p.accepted, 3, time.Hour)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.Equal(t, "up", got)
		require.Equal(t, uint64(2), p.counters(t).BytesUp)
		_, err = p.accepted.Write([]byte("down"))
		require.ErrorIs(t, err, syscall.EPIPE)
	})
}

func TestTheOtherDirectionOfACutLinkWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Shape{}, Shape{})
		p.set(t, cluster.FlowHold, "")
		_, err := p.accepted.Write([]byte("down"))
		require.NoError(t, err)
		got, err := receive(p.dialed, 4, time.Second)
		require.NoError(t, err)
		require.Equal(t, "down", got)
		require.Equal(t, uint64(4), p.counters(t).BytesDown)
	})
}

func TestADroppingDirectionResetsWhoLostBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Shape{}, Shape{})
		idle, err := p.client.Dial(t.Context(), Address("server1", "2432"))
		require.NoError(t, err)
		p.set(t, cluster.FlowDrop, cluster.FlowPass)
		_, err = p.dialed.Write([]byte("lost"))
		require.NoError(t, err)
		_, err = receive(p.accepted, 1, time.Second)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		p.set(t, cluster.FlowPass, cluster.FlowPass)
		_, err = receive(p.accepted, 1, time.Second)
		require.ErrorIs(t, err, syscall.ECONNRESET)
		_, err = p.dialed.Write([]byte("x"))
		require.ErrorIs(t, err, syscall.ECONNRESET)
		_, err = idle.Write([]byte("x"))
		require.NoError(t, err, "it lost nothing")
		require.Zero(t, p.counters(t).BytesUp-1)
	})
}

func TestReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Shape{}, Shape{})
		p.set(t, cluster.FlowHold, cluster.FlowHold)
		failed := make(chan error)
		go func() {
			_, err := p.accepted.Read(make([]byte, 1))
			failed <- err
		}()
		synctest.Wait()
		require.NoError(t, p.network.ResetLink(t.Context(), linkName))
		require.ErrorIs(t, <-failed, syscall.ECONNRESET)
		require.Zero(t, p.counters(t).Connections)
	})
}

func TestWritingWaitsForTheReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Shape{}, Shape{})
		require.NoError(t, p.dialed.SetWriteDeadline(time.Now().Add(time.Second)))
		n, err := p.dialed.Write(make([]byte, 2*window))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, window, n)
		_, err = receive(p.accepted, window, time.Second)
		require.NoError(t, err)
		require.NoError(t, p.dialed.SetWriteDeadline(time.Time{}))
		n, err = p.dialed.Write(make([]byte, window))
		require.NoError(t, err)
		require.Equal(t, window, n)
	})
}

func TestWhoIsKilledSaysNothingMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Shape{Latency: time.Second}, Shape{})
		_, err := p.dialed.Write([]byte("last words"))
		require.NoError(t, err)
		p.client.Kill()
		_, err = p.dialed.Write([]byte("of a zombie"))
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = p.dialed.Read(make([]byte, 1))
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = p.client.Dial(t.Context(), Address("server1", "2432"))
		require.ErrorIs(t, err, errStackDown)
		all, err := io.ReadAll(p.accepted)
		require.NoError(t, err)
		require.Equal(t, "last words", string(all))

		p.server.Kill()
		again := p.network.Stack("client1")
		_, err = again.Dial(t.Context(), Address("server1", "2432"))
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		listener, err := p.network.Stack("server1").Listen("2432")
		require.NoError(t, err, "the port is free again")
		require.NoError(t, listener.Close())
	})
}

func TestWhoIsFrozenStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Shape{}, Shape{})
		p.server.Freeze()
		_, err := p.dialed.Write([]byte("question"))
		require.NoError(t, err, "the kernel takes it")
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			question := make([]byte, 8)
			_, _ = io.ReadFull(p.accepted, question) // the answer tells
			_, _ = p.accepted.Write(question)
		}()
		_, err = receive(p.dialed, 1, time.Hour)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		p.server.Thaw()
		got, err := receive(p.dialed, 8, time.Hour)
		require.NoError(t, err)
		require.Equal(t, "question", got)
		<-answered
	})
}

// A process that was stopped learns of the end of its connections when it goes on, also of those that nobody else knows any more.
func TestConnectionsThatEndWhileTheirProcessIsFrozen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Shape{}, Shape{})
		var read, written error
		var all sync.WaitGroup
		all.Go(func() { _, read = p.accepted.Read(make([]byte, 1)) })
		all.Go(func() { _, written = io.Copy(p.accepted, zeros{}) })
		synctest.Wait()
		p.server.Freeze()
		require.NoError(t, p.network.ResetLink(t.Context(), "client1-server1"))
		synctest.Wait()
		p.server.Thaw()
		all.Wait()
		require.ErrorIs(t, read, syscall.ECONNRESET)
		require.ErrorIs(t, written, syscall.ECONNRESET)
	})
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

func TestNobodyGoesAroundALink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Shape{}, Shape{})
		_, err := p.server.Dial(t.Context(), Address("client1", "8080"))
		require.ErrorIs(t, err, syscall.ENETUNREACH)
		_, err = p.network.Stack("client2").Dial(t.Context(), Address("server1", "2432"))
		require.ErrorIs(t, err, syscall.ENETUNREACH)
		_, err = p.server.Dial(t.Context(), Address("server1", "2432"))
		require.NoError(t, err, "a node reaches itself")
		_, err = p.server.Listen("2432")
		require.ErrorIs(t, err, syscall.EADDRINUSE)
	})
}

func TestACancelledDialOfAFrozenProcessReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Shape{}, Shape{})
		p.client.Freeze()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := p.client.Dial(ctx, Address("server1", "2432"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// TestEveryByteArrives sends much over many connections while the link is cut and healed, and compares what arrives.
func TestEveryByteArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := NewNetwork()
		shape := Shape{Latency: 3 * time.Millisecond, Bandwidth: 100 << 20}
		network.AddLink("client1", "server1", shape, shape)
		server, client := network.Stack("server1"), network.Stack("client1")
		listener, err := server.Listen("1")
		require.NoError(t, err)
		var all sync.WaitGroup
		all.Go(func() {
			for {
				c, err := listener.Accept()
				if err != nil {
					return
				}
				all.Go(func() {
					_, err := io.Copy(c, c)
					require.NoError(t, errors.Join(err, c.Close()))
				})
			}
		})
		stop := make(chan struct{})
		all.Go(func() {
			random := rand.New(rand.NewPCG(1, 1))
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Duration(random.Int64N(int64(20 * time.Millisecond)))):
				}
				flows := []cluster.Flow{cluster.FlowPass, cluster.FlowHold}
				state := cluster.LinkState{Up: flows[random.IntN(2)], Down: flows[random.IntN(2)]}
				require.NoError(t, network.SetLink(t.Context(), linkName, state))
			}
		})
		var echoes sync.WaitGroup
		for i := range 8 {
			echoes.Go(func() { echo(t, client, uint64(i)) })
		}
		echoes.Wait()
		close(stop)
		require.NoError(t, listener.Close())
		all.Wait()
	})
}

func echo(t *testing.T, from *Stack, seed uint64) {
	c, err := from.Dial(t.Context(), Address("server1", "1"))
	require.NoError(t, err)
	random := rand.New(rand.NewPCG(seed, 2))
	sent := make([]byte, 3<<20)
	for i := range sent {
		sent[i] = byte(random.Uint32())
	}
	var writing sync.WaitGroup
	writing.Go(func() {
		for rest := sent; len(rest) > 0; {
			n, err := c.Write(rest[:min(len(rest), 1+random.IntN(100_000))])
			require.NoError(t, err)
			rest = rest[n:]
		}
	})
	got := make([]byte, len(sent))
	_, err = io.ReadFull(c, got)
	require.NoError(t, err)
	writing.Wait()
	require.Equal(t, sha256.Sum256(sent), sha256.Sum256(got))
	require.NoError(t, c.Close())
}
