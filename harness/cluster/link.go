package cluster

import (
	"context"
	"fmt"
	"time"
)

// Flow says what happens to the bytes of one direction of a link.
type Flow string

// The flows.
const (
	FlowPass Flow = "pass" // bytes are forwarded
	FlowHold Flow = "hold" // bytes wait in the proxy and are delivered in order after healing; no connection ends
	FlowDrop Flow = "drop" // bytes are lost, and the connections that lost some are reset by healing
)

// LinkState is what a link does in each direction. The zero Flow is FlowPass.
type LinkState struct {
	Up    Flow // from its From to its To
	Down  Flow
	Shape LinkShape
}

// LinkShape is how a link that passes carries bytes, in each direction. The zero value adds nothing.
type LinkShape struct {
	Latency   time.Duration // that is added to every byte
	Jitter    time.Duration // more latency, drawn up to this; the order of bytes is kept
	Bandwidth int           // bytes a second of all connections together; 0 is without bound
	Seed      uint64        // of what is drawn
	Piece     int           // bytes that go on at once at most; 0 is without bound
	Pause     time.Duration // of a connection, between two pieces of what came at once
	Linger    time.Duration // by which the end of a connection is delivered late
	Flip      int           // a bit of one byte in so many is flipped, on average; 0 for none
}

// LinkCounters are what a link has carried since the start of the cluster, and what it carries now.
type LinkCounters struct {
	BytesUp     uint64 // that were forwarded; a direction that is cut adds nothing
	BytesDown   uint64
	Connections int // that are open now

	// What a shape has done since the start.
	Slices  uint64 // places at which bytes that came at once were cut
	Late    uint64 // ends of a direction of a connection that were delivered late
	Flipped uint64 // bits
	Spoiled uint64 // directions of connections that have carried one of these
	Trusted uint64 // of them, those of connections that are open now
}

// Link is a directed link between two nodes of the system: connections that its From makes to its To, and what flows on them in both
// directions. Its methods may be called from several goroutines.
type Link struct {
	from, to string
	network  Network
}

// A Network carries the links of a cluster, by their names.
type Network interface {
	// SetLink returns when open connections of the link obey the state.
	SetLink(ctx context.Context, name string, state LinkState) error
	// ResetLink ends all connections of now.
	ResetLink(ctx context.Context, name string) error
	// LinkCounters says what the link has carried.
	LinkCounters(ctx context.Context, name string) (LinkCounters, error)
}

// From returns the node that connects.
func (l *Link) From() string { return l.from }

// To returns the node that is connected to.
func (l *Link) To() string { return l.to }

func (l *Link) name() string { return LinkName(l.from, l.to) }

// LinkName is the name of the link between two nodes.
func LinkName(from, to string) string { return from + "-" + to }

// Set cuts or heals the link. When it returns, open connections obey and later ones will.
func (l *Link) Set(ctx context.Context, state LinkState) error {
	if err := l.network.SetLink(ctx, l.name(), state); err != nil {
		return fmt.Errorf("setting the link %s: %w", l.name(), err)
	}
	return nil
}

// Reset ends all connections of now with RST, those that wait for healing included.
func (l *Link) Reset(ctx context.Context) error {
	if err := l.network.ResetLink(ctx, l.name()); err != nil {
		return fmt.Errorf("resetting the link %s: %w", l.name(), err)
	}
	return nil
}

// Counters returns what the link has carried.
func (l *Link) Counters(ctx context.Context) (LinkCounters, error) {
	counters, err := l.network.LinkCounters(ctx, l.name())
	if err != nil {
		return LinkCounters{}, fmt.Errorf("asking for the counters of the link %s: %w", l.name(), err)
	}
	return counters, nil
}
