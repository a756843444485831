package checks

import (
	"math/bits"
	"time"
)

// latencies counts lengths of time with a precision of a thirty-second: a power of two has 32 buckets.
type latencies struct {
	buckets [64 * 32]uint32
	count   int
}

func (l *latencies) add(d time.Duration) {
	l.count++
	l.buckets[bucketOf(uint64(max(0, d)))]++
}

func bucketOf(n uint64) int {
	if n < 32 {
		return int(n)
	}
	exponent := bits.Len64(n) - 6 // so that 5 bits follow the first
	return exponent*32 + int(n>>exponent)
}

// most is the greatest length of a bucket.
func most(bucket int) time.Duration {
	if bucket < 64 {
		return time.Duration(bucket)
	}
	exponent := bucket/32 - 1
	return time.Duration((uint64(bucket%32+32)+1)<<exponent - 1)
}

// quantile is how long a part of them took at most, not exactly but never too little.
func (l *latencies) quantile(part float64) time.Duration {
	left := int(float64(l.count) * (1 - part))
	for bucket := len(l.buckets) - 1; bucket >= 0; bucket-- {
		if left -= int(l.buckets[bucket]); left < 0 {
			return most(bucket)
		}
	}
	return 0
}
