package simulation

import (
	"cmp"
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
	passed atomic.Uint64 // bytes

	mu      sync.Mutex
	state   cluster.Flow
	shaping Shape
}

func (g *gate) flow() cluster.Flow {
	if g == nil {
		return cluster.FlowPass
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return cmp.Or(g.state, cluster.FlowPass)
}

func (g *gate) shape() Shape {
	if g == nil {
		return Shape{}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shaping
}

func (g *gate) count(bytes int) {
	if g != nil {
		g.passed.Add(uint64(bytes))
	}
}

func (g *gate) set(flow cluster.Flow) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.state = flow
}
