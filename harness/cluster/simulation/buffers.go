package simulation

import (
	"math/bits"
	"sync"
)

// buffers is memory for bytes on their way, which is used again and again: what is sent is copied once, and gone when it was read.
type buffers struct {
	mu   sync.Mutex
	free [largestBuffer + 1][][]byte // by the logarithm of their length
}

const (
	smallestBuffer = 9       // the logarithm of the length of the shortest
	largestBuffer  = 16      // and of the longest that is kept
	mostFree       = 1 << 20 // bytes in those of one length that are kept
)

// class is the logarithm of the length of the buffer that n bytes take.
func class(n int) int { return max(smallestBuffer, bits.Len(uint(n-1))) }

// copyOf gives a buffer with the bytes of b, of which there is at least one.
func (s *buffers) copyOf(b []byte) []byte {
	k := class(len(b))
	if k > largestBuffer {
		return append([]byte(nil), b...)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if last := len(s.free[k]) - 1; last >= 0 {
		taken := s.free[k][last]
		s.free[k] = s.free[k][:last]
		return append(taken[:0], b...)
	}
	return append(make([]byte, 0, 1<<k), b...)
}

// done takes back a buffer that nobody reads any more, whole: as copyOf gave it.
func (s *buffers) done(b []byte) {
	k := class(cap(b))
	if k > largestBuffer || cap(b) != 1<<k {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.free[k]) < mostFree>>k {
		s.free[k] = append(s.free[k], b)
	}
}
