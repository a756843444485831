package history

import "encoding/binary"

// A generator makes the bytes of a content's body from its nonce: SplitMix64 (Steele, Lea, Flood 2014), whose word i can be had without
// those before it. Part of the format: the same nonce gives the same bytes for ever.
type generator struct {
	state uint64
	rest  [8]byte // the last word
	left  int     // bytes of rest that were not used yet
}

func newGenerator(nonce Nonce) *generator {
	low, high := binary.LittleEndian.Uint64(nonce[:8]), binary.LittleEndian.Uint64(nonce[8:])
	return &generator{state: mix(low) ^ high}
}

// fill gives the next bytes.
func (g *generator) fill(to []byte) {
	n := copy(to, g.rest[len(g.rest)-g.left:])
	g.left -= n
	to = to[n:]
	for ; len(to) >= 8; to = to[8:] {
		binary.LittleEndian.PutUint64(to, g.next())
	}
	if len(to) > 0 {
		binary.LittleEndian.PutUint64(g.rest[:], g.next())
		g.left = len(g.rest) - copy(to, g.rest[:])
	}
}

// skip leaves out so many of the first bytes.
func (g *generator) skip(n int64) {
	g.state += uint64(n/8) * golden
	var rest [8]byte
	g.fill(rest[:n%8])
}

// golden is 2^64 divided by the golden ratio.
const golden = 0x9e3779b97f4a7c15

func (g *generator) next() uint64 {
	g.state += golden
	return mix(g.state)
}

func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
