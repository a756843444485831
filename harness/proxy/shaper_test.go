package proxy

import (
	"io"
	"math/bits"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestALongLinkDelaysAndKeepsTheOrder(t *testing.T) {
	server, link, up := newTestLink(t)
	client := dial(t, link.Listen)
	peer := up.next(t)
	const latency = 50 * time.Millisecond
	set(t, server, State{Shape: Shape{Latency: latency, Jitter: latency, Seed: 1}})
	began := time.Now()
	for _, part := range []string{"one ", "two ", "three"} {
		send(t, client, part)
	}
	receive(t, peer, "one two three")
	require.GreaterOrEqual(t, time.Since(began), latency)
	send(t, peer, "answer")
	receive(t, client, "answer")
	require.GreaterOrEqual(t, time.Since(began), 2*latency)
}

// Healing lets go at once what a long link would have kept for an hour.
func TestHealingALongLinkDelivers(t *testing.T) {
	server, link, up := newTestLink(t)
	client := dial(t, link.Listen)
	peer := up.next(t)
	set(t, server, State{Shape: Shape{Latency: time.Hour}})
	send(t, client, "late")
	silent(t, peer)
	set(t, server, State{})
	receive(t, peer, "late")
}

func TestANarrowLinkIsSharedByItsConnections(t *testing.T) {
	server, link, up := newTestLink(t)
	one, other := dial(t, link.Listen), dial(t, link.Listen)
	first, second := up.next(t), up.next(t)
	const bytes, bandwidth = 10_000, 200_000
	set(t, server, State{Shape: Shape{Bandwidth: bandwidth}})
	began := time.Now()
	text := strings.Repeat("x", bytes)
	send(t, one, text)
	send(t, other, text)
	receive(t, first, text)
	receive(t, second, text)
	require.GreaterOrEqual(t, time.Since(began), time.Second*2*bytes/bandwidth)
}

// TestALinkCutsBytesIntoPieces reads what comes at once of what was sent at once.
func TestALinkCutsBytesIntoPieces(t *testing.T) {
	server, link, up := newTestLink(t)
	client := dial(t, link.Listen)
	peer := up.next(t)
	const pause = 20 * time.Millisecond
	set(t, server, State{Shape: Shape{Piece: 3, Pause: pause}})
	began := time.Now()
	send(t, client, "12345678")
	receive(t, peer, "12345678")
	require.GreaterOrEqual(t, time.Since(began), 2*pause)
	require.Equal(t, Harm{Slices: 2}, harmOf(t, server))
	set(t, server, State{})
	send(t, client, "12345678")
	receive(t, peer, "12345678")
	require.Equal(t, Harm{Slices: 2}, harmOf(t, server))
}

// TestHealingDeliversTheRestOfWhatWasCut has a piece on its way and the others an hour away.
func TestHealingDeliversTheRestOfWhatWasCut(t *testing.T) {
	server, link, up := newTestLink(t)
	client := dial(t, link.Listen)
	peer := up.next(t)
	set(t, server, State{Shape: Shape{Piece: 3, Pause: time.Hour}})
	send(t, client, "12345678")
	receive(t, peer, "123")
	silent(t, peer)
	set(t, server, State{})
	receive(t, peer, "45678")
}

func TestTheEndOfAConnectionComesLate(t *testing.T) {
	server, link, up := newTestLink(t)
	client := dial(t, link.Listen)
	peer := up.next(t)
	const late = 100 * time.Millisecond
	set(t, server, State{Shape: Shape{Linger: late}})
	send(t, client, "last words")
	began := time.Now()
	require.NoError(t, client.Close())
	receive(t, peer, "last words")
	_, err := peer.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	require.GreaterOrEqual(t, time.Since(began), late)
	require.Equal(t, Harm{Late: 1}, harmOf(t, server))
}

// TestHealingEndsAConnection brings at once the end that would have come in an hour.
func TestHealingEndsAConnection(t *testing.T) {
	server, link, up := newTestLink(t)
	client := dial(t, link.Listen)
	peer := up.next(t)
	set(t, server, State{Shape: Shape{Linger: time.Hour}})
	require.NoError(t, client.Close())
	silent(t, peer)
	set(t, server, State{})
	_, err := peer.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	require.Zero(t, harmOf(t, server))
}

// TestBitsAreFlipped compares what comes with what was sent, bit by bit.
func TestBitsAreFlipped(t *testing.T) {
	server, link, up := newTestLink(t)
	client := dial(t, link.Listen)
	peer := up.next(t)
	const size, every = 20_000, 100
	set(t, server, State{Shape: Shape{Flip: every, Seed: 1}})
	send(t, client, strings.Repeat("\x00", size))
	got := make([]byte, size)
	_, err := io.ReadFull(peer, got)
	require.NoError(t, err)
	flipped := 0
	for _, b := range got {
		flipped += bits.OnesCount8(b)
	}
	require.InDelta(t, size/every, flipped, size/every/2)
	require.Equal(t, Harm{Flipped: uint64(flipped), Spoiled: 1, Trusted: 1}, harmOf(t, server))
	set(t, server, State{})
	send(t, client, "sound")
	receive(t, peer, "sound")
	require.NoError(t, client.Close())
	require.NoError(t, peer.Close())
	require.Eventually(t, func() bool { return harmOf(t, server).Trusted == 0 }, time.Minute, time.Millisecond)
	require.Equal(t, uint64(1), harmOf(t, server).Spoiled)
}

// harmOf is what the shapes of the one link have done.
func harmOf(t *testing.T, server *Server) Harm {
	t.Helper()
	links, err := server.Links(t.Context())
	require.NoError(t, err)
	require.Len(t, links, 1)
	return links[0].Harm
}
