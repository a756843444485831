package proxy

import (
	"math/rand/v2"
	"sync"
	"time"
)

// shaper says when the chunks of all connections that share a gate are due.
type shaper struct {
	shape Shape

	mu     sync.Mutex
	random *rand.Rand
	busy   time.Time // until when the bandwidth is taken
}

// newShaper is nil for a shape that adds nothing.
func newShaper(shape Shape) *shaper {
	if shape.Latency <= 0 && shape.Jitter <= 0 && shape.Bandwidth <= 0 {
		return nil
	}
	return &shaper{shape: shape, random: rand.New(rand.NewPCG(shape.Seed, 0))}
}

// due says when a chunk that was read at some time may go on, which is not before the one before it.
func (s *shaper) due(read, last time.Time, bytes int) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	due := read
	if s.shape.Bandwidth > 0 {
		now := time.Now()
		if s.busy.Before(now) {
			s.busy = now
		}
		s.busy = s.busy.Add(time.Duration(float64(bytes) / float64(s.shape.Bandwidth) * float64(time.Second)))
		due = s.busy
	}
	due = due.Add(s.shape.Latency)
	if s.shape.Jitter > 0 {
		due = due.Add(time.Duration(s.random.Int64N(int64(s.shape.Jitter) + 1)))
	}
	if due.Before(last) {
		return last
	}
	return due
}
