package proxy

import (
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
