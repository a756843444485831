package history

import "slices"

// LongestSilence is the longest time in which calls were pending and none returned, from the times of the calls of one client. A completion of zero is a
// call that never returned: it is pending until the end of the record.
func LongestSilence(invoked, completed []Time, end Time) Interval {
	starts, ends := slices.Clone(invoked), make([]Time, 0, len(completed))
	for _, t := range completed {
		if t != 0 {
			ends = append(ends, t)
		}
	}
	slices.Sort(starts)
	slices.Sort(ends)
	var longest Interval
	var from Time // since when calls have been pending without one returning
	pending, next := 0, 0
	advance := func(to Time) {
		for ; next < len(starts) && starts[next] <= to; next++ {
			if pending == 0 {
				from = max(from, starts[next])
			}
			pending++
		}
		if pending > 0 && to-from > longest.To-longest.From {
			longest = Interval{from, to}
		}
	}
	for _, t := range ends {
		advance(t)
		pending--
		from = t
	}
	advance(end)
	return longest
}
