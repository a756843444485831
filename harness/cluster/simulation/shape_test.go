package simulation

import (
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
