package history

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// bubbleBegin is what the clock of a testing/synctest bubble shows in the beginning.
func bubbleBegin() time.Time { return time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC) }

// Now reads CLOCK_MONOTONIC. In a testing/synctest bubble, where a simulated run lives, it is an hour more than the time since the
// bubble began, as zero stands for never: no other process has a clock that it could be compared with.
func Now() Time {
	if begin := bubbleBegin(); time.Now().Before(begin.AddDate(bubbleYears, 0, 0)) {
		return Time(time.Hour + time.Since(begin))
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		// Linux always has this clock; without it no record could be made at all.
		panic(fmt.Sprintf("reading CLOCK_MONOTONIC: %v", err))
	}
	return Time(now.Nano())
}

// bubbleYears is longer than a simulated run, and ended before the first real one.
const bubbleYears = 20

// A clock reads CLOCK_MONOTONIC at a tenth of the cost of Now, which is a real system call: Go's own clock is the same one, but for
// where it starts.
type clock struct {
	origin Time
	start  time.Time
}

func newClock() clock { return clock{origin: Now(), start: time.Now()} }

func (c clock) now() Time { return c.origin + Time(time.Since(c.start)) }
