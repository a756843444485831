package proxy

import (
	"errors"
	"fmt"
	"time"
)

// Flow says what happens to the bytes of one direction of a link.
type Flow uint8

// The flows.
const (
	Pass Flow = iota // bytes are forwarded
	Hold             // bytes wait, in order and with backpressure, and are delivered after healing; no connection ends
	Drop             // bytes are lost; a connection that lost some is reset by healing
)

// String returns the flow's name in lower case.
func (f Flow) String() string {
	switch f {
	case Pass:
		return "pass"
	case Hold:
		return "hold"
	case Drop:
		return "drop"
	}
	return fmt.Sprintf("flow %d", uint8(f))
}

// ErrFlow says that a name is not that of a flow.
var ErrFlow = errors.New("a flow is pass, hold or drop")

// ParseFlow is the inverse of Flow.String.
func ParseFlow(name string) (Flow, error) {
	for _, flow := range []Flow{Pass, Hold, Drop} {
		if flow.String() == name {
			return flow, nil
		}
	}
	return Pass, fmt.Errorf("%w, not %q", ErrFlow, name)
}

// State is what a link does in each direction. While the upward direction does not pass, a new connection does not reach the upstream: it is
// accepted and then waits. One that is closed before healing never reaches it.
type State struct {
	Up    Flow // from who connects to the upstream
	Down  Flow // from the upstream to who connected
	Shape Shape
}

// Shape is how a link that passes carries bytes, in each direction. The zero value adds nothing. Bytes that come while others wait to be forwarded are
// not read from their socket, so a long latency narrows a link as a small window does.
type Shape struct {
	Latency   time.Duration // that is added to every byte
	Jitter    time.Duration // more latency, drawn up to this; the order of bytes is kept
	Bandwidth int           // bytes a second of all connections together; 0 is without bound
	Seed      uint64        // of what is drawn
	Piece     int           // bytes that go on at once at most; 0 is without bound
	Pause     time.Duration // of a connection, between two pieces of what came at once
	Linger    time.Duration // by which the end of a connection is delivered late
	Flip      int           // a bit of one byte in so many is flipped, on average; 0 for none
}

// Link is the description of a directed link and what it has done so far.
type Link struct {
	Name     string
	Listen   string // host:port as it was bound
	Upstream string // host:port
	State    State

	BytesUp, BytesDown     uint64 // that passed the gate; they stand still from the moment that SetLink has cut the direction
	DroppedUp, DroppedDown uint64
	Connections            uint64 // accepted ever
	Open                   uint64 // accepted and not ended, those that wait for healing included
	Harm                   Harm   // in both directions together
}

// Harm is what the shapes of a link have done so far.
type Harm struct {
	Slices  uint64 // places at which bytes that came at once were cut
	Late    uint64 // ends of a direction of a connection that were delivered late
	Flipped uint64 // bits
	Spoiled uint64 // directions of connections that have carried one of these
	Trusted uint64 // of them, those that have not ended
}

// Errors of the operations on links.
var (
	ErrNoLink     = errors.New("no such link")
	ErrLinkExists = errors.New("the link exists already")
	ErrClosed     = errors.New("the proxy is closed")
)
