package proxy

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
)

// shaper says when the chunks of all connections that share a gate are due, and what becomes of them. A nil one leaves them alone.
type shaper struct {
	shape Shape

	mu     sync.Mutex
	random *rand.Rand
	busy   time.Time // until when the bandwidth is taken
	sound  int       // bytes until the next one that is spoiled
}

// newShaper is nil for a shape that adds nothing.
func newShaper(shape Shape) *shaper {
	if shape == (Shape{Seed: shape.Seed}) {
		return nil
	}
	s := &shaper{shape: shape, random: rand.New(rand.NewPCG(shape.Seed, 0))}
	s.sound = s.untilFlip()
	return s
}

// due says when a chunk that was read at some time may go on, which is not before the one before it.
func (s *shaper) due(read, last time.Time, size int) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	due := read
	if s.shape.Bandwidth > 0 {
		now := time.Now()
		if s.busy.Before(now) {
			s.busy = now
		}
		s.busy = s.busy.Add(time.Duration(float64(size) / float64(s.shape.Bandwidth) * float64(time.Second)))
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

// slice cuts a chunk in two, of which the first is no longer than a piece; rest is nil where it was not longer.
func (s *shaper) slice(chunk *stream.StreamChunk) (piece, rest *stream.StreamChunk) {
	if s == nil || s.shape.Piece <= 0 || len(chunk.Data) <= s.shape.Piece {
		return chunk, nil
	}
	piece, rest = new(stream.StreamChunk), new(stream.StreamChunk)
	*piece, *rest = *chunk, *chunk
	piece.Data, rest.Data = chunk.Data[:s.shape.Piece], chunk.Data[s.shape.Piece:]
	return piece, rest
}

// spoil flips bits of a chunk, and says how many. The chunk itself stays as it is: it is not known yet whether it goes on.
func (s *shaper) spoil(chunk *stream.StreamChunk) (spoiled *stream.StreamChunk, flipped int) {
	if s == nil || s.shape.Flip <= 0 {
		return chunk, 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	spoiled = chunk
	at := s.sound
	for ; at < len(chunk.Data); at += 1 + s.untilFlip() {
		if flipped == 0 {
			spoiled = &stream.StreamChunk{Data: bytes.Clone(chunk.Data), Timestamp: chunk.Timestamp}
		}
		spoiled.Data[at] ^= 1 << s.random.IntN(8)
		flipped++
	}
	s.sound = at - len(chunk.Data)
	return spoiled, flipped
}

// untilFlip draws how many bytes are left alone. s.mu is held, or nobody else knows s.
func (s *shaper) untilFlip() int { return int(s.random.ExpFloat64() * float64(s.shape.Flip)) }

// linger is how late the end of a connection is delivered.
func (s *shaper) linger() time.Duration {
	if s == nil {
		return 0
	}
	return s.shape.Linger
}
