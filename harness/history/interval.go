package history

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Forever is the end of an interval that has none.
const Forever Time = math.MaxInt64

// An Interval is the time from From until before To.
type Interval struct{ From, To Time }

// Length is how long the interval is, the longest duration for one that has no end.
func (i Interval) Length() time.Duration {
	if i.To == Forever {
		return math.MaxInt64
	}
	return time.Duration(max(0, i.To-i.From))
}

// Intervals are sorted, do not touch each other, and none is empty.
type Intervals []Interval

// Union makes the intervals that cover what any of the given ones covers. It may reorder its argument.
func Union(all []Interval) Intervals {
	slices.SortFunc(all, func(a, b Interval) int { return cmp.Compare(a.From, b.From) })
	var union Intervals
	for _, next := range all {
		switch n := len(union); {
		case next.From >= next.To:
		case n > 0 && next.From <= union[n-1].To:
			union[n-1].To = max(union[n-1].To, next.To)
		default:
			union = append(union, next)
		}
	}
	return union
}

// from is the first interval that ends after t.
func (all Intervals) from(t Time) int {
	i, _ := slices.BinarySearchFunc(all, t, func(in Interval, t Time) int {
		if in.To <= t {
			return -1
		}
		return 1
	})
	return i
}

// Contains says whether one of them covers a time.
func (all Intervals) Contains(t Time) bool {
	i := all.from(t)
	return i < len(all) && all[i].From <= t
}

// Overlap is how much of an interval they cover.
func (all Intervals) Overlap(in Interval) time.Duration {
	if in.From >= in.To {
		return 0
	}
	var covered Time
	for i := all.from(in.From); i < len(all) && all[i].From < in.To; i++ {
		covered += min(in.To, all[i].To) - max(in.From, all[i].From)
	}
	return time.Duration(covered)
}

// Subtract is what they leave of an interval.
func (all Intervals) Subtract(in Interval) Intervals {
	var left Intervals
	for i := all.from(in.From); i < len(all) && all[i].From < in.To; i++ {
		if in.From < all[i].From {
			left = append(left, Interval{in.From, all[i].From})
		}
		in.From = all[i].To
	}
	if in.From < in.To {
		left = append(left, in)
	}
	return left
}
