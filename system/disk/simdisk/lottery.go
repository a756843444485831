package simdisk

import "math/rand/v2"

// lottery decides what survives a loss of power.
type lottery struct {
	random *rand.Rand
	chance float64 // of what was not synced
}

// newLottery draws how much survives: quite often nothing or everything, since those are the states that code is most often wrong about.
func newLottery(random *rand.Rand) *lottery {
	l := &lottery{random: random}
	switch random.IntN(4) {
	case 0:
	case 1:
		l.chance = 1
	default:
		l.chance = random.Float64()
	}
	return l
}

// wins decides about one thing.
func (l *lottery) wins() bool {
	switch l.chance {
	case 0:
		return false
	case 1:
		return true
	default:
		return l.random.Float64() < l.chance
	}
}

// some gives a part of a number of things that happen in order.
func (l *lottery) some(n int) int {
	switch {
	case n == 0 || l.chance == 0:
		return 0
	case l.chance == 1:
		return n
	default:
		return l.random.IntN(n + 1)
	}
}

// length draws the length of a file.
func (l *lottery) length(c *contents) int64 {
	switch {
	case l.chance == 0 || c.size == c.base:
		return c.base
	case l.chance == 1:
		return c.size
	}
	switch l.random.IntN(4) {
	case 0:
		return c.base
	case 1:
		return c.size
	case 2:
		return max(c.base, c.lengths[l.random.IntN(len(c.lengths))])
	default:
		first, last := blocksOf(c.base), c.size/blockSize
		if last < int64(first) {
			return c.base
		}
		return max(c.base, (int64(first)+l.random.Int64N(last-int64(first)+1))*blockSize)
	}
}
