package simulation

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/stretchr/testify/require"
)

func (p *pair) shape(t *testing.T, shape cluster.LinkShape) {
	t.Helper()
	require.NoError(t, p.network.SetLink(t.Context(), linkName, cluster.LinkState{Shape: shape}))
}

// takes says how long it takes until bytes have arrived that are sent now.
func (p *pair) takes(t *testing.T, bytes string) time.Duration {
	t.Helper()
	began := time.Now()
	_, err := p.dialed.Write([]byte(bytes))
	require.NoError(t, err)
	got, err := receive(p.accepted, len(bytes), time.Hour)
	require.NoError(t, err)
	require.Equal(t, bytes, got)
	return time.Since(began)
}

func TestALongLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Shape{Latency: time.Millisecond}, Shape{})
		require.Equal(t, time.Millisecond, p.takes(t, "short"))
		p.shape(t, cluster.LinkShape{Latency: time.Second, Jitter: time.Second, Seed: 7})
		seen := map[time.Duration]bool{}
		for range 20 {
			took := p.takes(t, "long")
			require.GreaterOrEqual(t, took, time.Second+time.Millisecond)
			require.LessOrEqual(t, took, 2*time.Second+time.Millisecond)
			seen[took] = true
		}
		require.Greater(t, len(seen), 10, "the jitter is drawn for each")
		p.shape(t, cluster.LinkShape{})
		require.Equal(t, time.Millisecond, p.takes(t, "short again"))
	})
}

// All connections of a link share its bandwidth.
func TestANarrowLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Shape{}, Shape{})
		listener, err := p.server.Listen("2")
		require.NoError(t, err)
		other, err := p.client.Dial(t.Context(), Address("server1", "2"))
		require.NoError(t, err)
		_, err = listener.Accept()
		require.NoError(t, err)
		p.shape(t, cluster.LinkShape{Bandwidth: 10})
		require.Equal(t, time.Second, p.takes(t, "0123456789"))
		_, err = other.Write([]byte("0123456789"))
		require.NoError(t, err)
		require.Equal(t, 2*time.Second, p.takes(t, "0123456789"))
		p.shape(t, cluster.LinkShape{})
		require.Zero(t, p.takes(t, "wide again"))
	})
}

// What was written at once comes in pieces.
func TestALinkThatCuts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Shape{Latency: time.Millisecond}, Shape{})
		p.shape(t, cluster.LinkShape{Piece: 3, Pause: time.Second})
		began := time.Now()
		_, err := p.dialed.Write([]byte("12345678"))
		require.NoError(t, err)
		piece := make([]byte, 8)
		for i, want := range []string{"123", "456", "78"} {
			n, err := p.accepted.Read(piece)
			require.NoError(t, err)
			require.Equal(t, want, string(piece[:n]))
			require.Equal(t, time.Duration(i)*time.Second+time.Millisecond, time.Since(began))
		}
		require.Equal(t, uint64(2), p.counters(t).Slices)
		p.shape(t, cluster.LinkShape{})
		require.Equal(t, time.Millisecond, p.takes(t, "12345678"))
	})
}

func TestALinkThatEndsConnectionsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Shape{Latency: time.Millisecond}, Shape{})
		p.shape(t, cluster.LinkShape{Linger: time.Second})
		began := time.Now()
		_, err := p.dialed.Write([]byte("last"))
		require.NoError(t, err)
		require.NoError(t, p.dialed.Close())
		got, err := io.ReadAll(p.accepted)
		require.NoError(t, err)
		require.Equal(t, "last", string(got))
		require.Equal(t, time.Second+time.Millisecond, time.Since(began))
		require.Equal(t, uint64(1), p.counters(t).Late)
	})
}

func TestHealingALinkThatEndsConnectionsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Shape{}, Shape{})
		p.shape(t, cluster.LinkShape{Linger: time.Hour})
		require.NoError(t, p.dialed.Close())
		time.AfterFunc(time.Second, func() { p.shape(t, cluster.LinkShape{}) })
		began := time.Now()
		_, err := p.accepted.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, time.Second, time.Since(began))
		require.Zero(t, p.counters(t).Late)
	})
}

// Nothing wrong is ever read: what comes before the flipped bit does, and then an error.
func TestALinkThatFlipsBits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Shape{}, Shape{})
		p.shape(t, cluster.LinkShape{Flip: 1000, Seed: 7})
		sent, piece := 0, []byte(strings.Repeat("x", 100))
		for range 100 {
			n, err := p.dialed.Write(piece)
			require.NoError(t, err)
			sent += n
		}
		got, err := io.ReadAll(p.accepted)
		require.ErrorIs(t, err, errSpoiled)
		require.Less(t, len(got), sent)
		require.Equal(t, strings.Repeat("x", len(got)), string(got))
		counters := p.counters(t)
		require.InDelta(t, 10, counters.Flipped, 8)
		require.Equal(t, []uint64{1, 1}, []uint64{counters.Spoiled, counters.Trusted})
		p.shape(t, cluster.LinkShape{})
		_, err = p.accepted.Read(piece)
		require.ErrorIs(t, err, errSpoiled, "it does not come right again")
		require.NoError(t, p.accepted.Close())
		require.Zero(t, p.counters(t).Trusted)
	})
}
