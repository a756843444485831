package simulation

import (
	"cmp"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/codastress/codastress/harness/cluster"
)

// A Shape is how one direction of a link carries bytes.
type Shape struct {
	Latency   time.Duration // of every byte
	Bandwidth int           // bytes a second; 0 is without bound
}

// transfer is how long bytes take on top of the latency.
func (s Shape) transfer(bytes int) time.Duration {
	if s.Bandwidth <= 0 {
		return 0
	}
	return time.Duration(float64(bytes) / float64(s.Bandwidth) * float64(time.Second))
}

// A gate is one direction of a link, which all its connections go through. A nil gate lets everything pass at once: the loopback of a node.
type gate struct {
	passed  atomic.Uint64 // bytes
	slices  atomic.Uint64
	late    atomic.Uint64 // ends
	flipped atomic.Uint64 // bits
	spoiled atomic.Uint64 // pipes that have had one

	mu      sync.Mutex
	state   cluster.Flow
	shaping Shape
	more    cluster.LinkShape // what a fault adds
	random  *rand.Rand        // of what it draws
	busy    time.Time         // until when its bandwidth is taken
	sound   int               // bytes until the next one of which a bit is flipped
}

func (g *gate) flow() cluster.Flow {
	if g == nil {
		return cluster.FlowPass
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return cmp.Or(g.state, cluster.FlowPass)
}

// schedule says when bytes have been transferred that are written now, behind others that have been at some time, and how long they are on their way
// then.
func (g *gate) schedule(now, behind time.Time, bytes int) (transferred time.Time, latency time.Duration) {
	transferred = now
	if behind.After(now) {
		transferred = behind // nothing overtakes
	}
	if g == nil {
		return transferred, 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	transferred = transferred.Add(g.shaping.transfer(bytes))
	if g.more.Bandwidth > 0 {
		if g.busy.Before(now) {
			g.busy = now
		}
		g.busy = g.busy.Add(Shape{Bandwidth: g.more.Bandwidth}.transfer(bytes))
		if g.busy.After(transferred) {
			transferred = g.busy
		}
	}
	latency = g.shaping.Latency + g.more.Latency
	if g.more.Jitter > 0 {
		latency += time.Duration(g.random.Int64N(int64(g.more.Jitter) + 1))
	}
	return transferred, latency
}

func (g *gate) count(bytes int) {
	if g != nil {
		g.passed.Add(uint64(bytes))
	}
}

func (g *gate) set(flow cluster.Flow, more cluster.LinkShape) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.state, g.more, g.busy = flow, more, time.Time{}
	g.random = rand.New(rand.NewPCG(more.Seed, 0))
	g.sound = g.untilFlip()
}

// slice returns what goes on at once of bytes that are written, and how long the rest waits; zero where there is none.
func (g *gate) slice(b []byte) (piece []byte, pause time.Duration) {
	if g == nil {
		return b, 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.more.Piece <= 0 || len(b) <= g.more.Piece {
		return b, 0
	}
	g.slices.Add(1)
	return b[:g.more.Piece], g.more.Pause
}

// linger is how late the end of a connection is delivered.
func (g *gate) linger() time.Duration {
	if g == nil {
		return 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.more.Linger
}

// spoils says whether bits of so many bytes that pass are flipped.
func (g *gate) spoils(size int) bool {
	if g == nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.more.Flip <= 0 {
		return false
	}
	flipped := 0
	at := g.sound
	for ; at < size; at += 1 + g.untilFlip() {
		flipped++
	}
	g.sound = at - size
	g.flipped.Add(uint64(flipped))
	return flipped > 0
}

// untilFlip draws how many bytes are left alone. g.mu is held.
func (g *gate) untilFlip() int { return int(g.random.ExpFloat64() * float64(g.more.Flip)) }
