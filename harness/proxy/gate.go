package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

// gateType is the name under which the gate is registered with Toxiproxy.
const gateType = "gate"

// closing ends every connection of a gate. It is not a flow that can be asked for.
const closing Flow = 255

// registerGate makes the gate known to Toxiproxy. Doing it again changes nothing.
func registerGate() { toxics.Register(gateType, new(gate)) }

// gate is the toxic in one direction of one link; all connections of the link share it.
type gate struct {
	now             atomic.Pointer[setting] // nil, before the first connection, is pass
	passed, dropped atomic.Uint64           // bytes
	slices, flipped atomic.Uint64

	mu       sync.Mutex
	late     uint64                // ends
	spoiled  uint64                // passages that have had a bit flipped
	trusted  uint64                // of them, those that have not ended
	passages map[*passage]struct{} // the connections that go through
	settled  chan struct{}         // closed and replaced whenever a passage has taken notice of a setting, or ended
}

// setting is one position of the gate. Its identity tells which change it came with.
type setting struct {
	flow    Flow
	shaper  *shaper       // nil where nothing is added
	changed chan struct{} // closed when another setting follows
}

// passage is the state of one connection in the gate. Only its own pipe changes it, but for seen, which the gate's mutex guards.
type passage struct {
	seen  *setting            // the setting that the pipe obeys
	chunk *stream.StreamChunk // taken from the input and not yet delivered
	due   time.Time           // when the shape of the link lets it through, or the end; zero for at once
	last  time.Time           // due of the chunk before
	ended bool                // the input has ended
	lost  bool                // bytes were dropped: the rest would be torn
	wrong bool                // bits were flipped
}

var (
	_ toxics.Toxic         = (*gate)(nil)
	_ toxics.StatefulToxic = (*gate)(nil)
)

// NewState is called by Toxiproxy once for each connection, before Pipe.
func (g *gate) NewState() any {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.passages == nil {
		g.passages = make(map[*passage]struct{})
	}
	if g.now.Load() == nil {
		g.now.CompareAndSwap(nil, &setting{flow: Pass, changed: make(chan struct{})})
	}
	p := new(passage)
	g.passages[p] = struct{}{}
	return p
}

// set changes the flow and the shape and returns when every connection obeys: from then on no byte passes that should not.
func (g *gate) set(ctx context.Context, flow Flow, shape Shape) error {
	next := g.change(flow, shape)
	for {
		settled, done := g.obeyed(next)
		if done {
			return nil
		}
		select {
		case <-settled:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the connections to obey %v: %w", flow, ctx.Err())
		}
	}
}

func (g *gate) change(flow Flow, shape Shape) *setting {
	next := &setting{flow: flow, shaper: newShaper(shape), changed: make(chan struct{})}
	if before := g.now.Swap(next); before != nil {
		close(before.changed)
	}
	return next
}

// obeyed says whether all connections know the setting or a later one, and otherwise what to wait for.
func (g *gate) obeyed(wanted *setting) (<-chan struct{}, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.settled == nil {
		g.settled = make(chan struct{})
	}
	if g.now.Load() != wanted {
		return nil, true
	}
	for p := range g.passages {
		if p.seen != wanted {
			return g.settled, false
		}
	}
	return nil, true
}

// notice records that a passage obeys a setting; with end, that it is over.
func (g *gate) notice(p *passage, now *setting, end bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p.seen = now
	if end {
		delete(g.passages, p)
		if p.ended && !p.due.IsZero() && now.shaper.linger() > 0 {
			g.late++
		}
		if p.wrong {
			g.trusted--
		}
	}
	if g.settled != nil {
		close(g.settled)
		g.settled = nil
	}
}

// Pipe moves the bytes of one connection until it ends, or Toxiproxy interrupts it to change the chain and calls it again.
// Each wait can be interrupted; what is in hand stays in the passage.
func (g *gate) Pipe(stub *toxics.ToxicStub) {
	p := stub.State.(*passage)
	for {
		now := g.now.Load()
		if p.seen != now {
			p.due, p.last = time.Time{}, time.Time{} // of the shape before
			g.notice(p, now, false)
		}
		var going bool
		switch {
		case now.flow == Hold:
			going = wait(stub, now)
		case now.flow == Drop:
			going = g.drop(stub, now, p)
		case now.flow == closing || p.lost || p.ended && p.chunk == nil && time.Until(p.due) <= 0:
			g.end(stub, p)
			return
		case p.ended && p.chunk == nil:
			going = linger(stub, now, time.Until(p.due))
		default:
			going = g.pass(stub, now, p)
		}
		if !going {
			return
		}
	}
}

// wait lets nothing through until the setting changes. It returns false when it was interrupted.
func wait(stub *toxics.ToxicStub, now *setting) bool {
	select {
	case <-stub.Interrupt:
		return false
	case <-now.changed:
		return true
	}
}

// linger waits for a time, or until the setting changes. It returns false when it was interrupted.
func linger(stub *toxics.ToxicStub, now *setting, long time.Duration) bool {
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-stub.Interrupt:
		return false
	case <-now.changed:
	case <-timer.C:
	}
	return true
}

// pass moves a chunk one step on: into the hand, or out of it.
func (g *gate) pass(stub *toxics.ToxicStub, now *setting, p *passage) bool {
	if p.chunk == nil {
		going := take(stub, now, p)
		switch {
		case p.chunk != nil && now.shaper != nil:
			p.due = now.shaper.due(p.chunk.Timestamp, p.last, len(p.chunk.Data))
			p.last = p.due
		case p.ended && now.shaper.linger() > 0:
			p.due = time.Now().Add(now.shaper.linger())
		}
		return going
	}
	if early := time.Until(p.due); early > 0 {
		return linger(stub, now, early)
	}
	return g.deliver(stub, now, p)
}

// deliver lets go of the chunk in the hand, or of a piece of it.
func (g *gate) deliver(stub *toxics.ToxicStub, now *setting, p *passage) bool {
	piece, rest := now.shaper.slice(p.chunk)
	piece, flipped := now.shaper.spoil(piece)
	select {
	case <-stub.Interrupt:
		return false
	case <-now.changed:
		return true
	case stub.Output <- piece:
		g.passed.Add(uint64(len(piece.Data)))
		if flipped > 0 {
			g.flipped.Add(uint64(flipped))
			g.distrust(p)
		}
		p.chunk = rest
		if rest != nil {
			g.slices.Add(1)
			p.due = time.Now().Add(now.shaper.shape.Pause)
		}
		return true
	}
}

// distrust notes that bits of a connection were flipped.
func (g *gate) distrust(p *passage) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !p.wrong {
		p.wrong = true
		g.spoiled++
		g.trusted++
	}
}

// harm adds what the gate has done to bytes and connections.
func (g *gate) harm(h *Harm) {
	h.Slices += g.slices.Load()
	h.Flipped += g.flipped.Load()
	g.mu.Lock()
	defer g.mu.Unlock()
	h.Late += g.late
	h.Spoiled += g.spoiled
	h.Trusted += g.trusted
}

// drop loses a chunk. The end of the input is kept for later, as a cut link would not carry it either.
func (g *gate) drop(stub *toxics.ToxicStub, now *setting, p *passage) bool {
	if p.chunk == nil && p.ended {
		return wait(stub, now)
	}
	if p.chunk == nil && !take(stub, now, p) {
		return false
	}
	if p.chunk != nil {
		g.dropped.Add(uint64(len(p.chunk.Data)))
		p.chunk, p.lost = nil, true
	}
	return true
}

// take waits for the next chunk or the end of the input.
func take(stub *toxics.ToxicStub, now *setting, p *passage) bool {
	select {
	case <-stub.Interrupt:
		return false
	case <-now.changed:
		return true
	case chunk := <-stub.Input:
		p.chunk, p.ended = chunk, chunk == nil
		return true
	}
}

// end closes the output and swallows the rest of the input, without which the toxic before this one would wait for ever.
func (g *gate) end(stub *toxics.ToxicStub, p *passage) {
	stub.Close()
	g.notice(p, p.seen, true)
	for !p.ended {
		p.ended = <-stub.Input == nil
	}
}

// MarshalJSON shows the gate in Toxiproxy's own interface.
func (g *gate) MarshalJSON() ([]byte, error) {
	flow := Pass
	if now := g.now.Load(); now != nil {
		flow = now.flow
	}
	return json.Marshal(map[string]any{"flow": flow.String(), "passed": g.passed.Load(), "dropped": g.dropped.Load()})
}
