package history

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// The clock of a testing/synctest bubble begins with the year 2000, and no simulated run lasts until 2020; real ones came later. In nanoseconds since
// 1970.
const (
	bubbleBegin = 946_684_800 * int64(time.Second)
	bubbleEnd   = 1_577_836_800 * int64(time.Second)
)

// Now reads CLOCK_MONOTONIC. In a testing/synctest bubble, where a simulated run lives, it is an hour more than the time since the
// bubble began, as zero stands for never: no other process has a clock that it could be compared with.
func Now() Time {
	if shown := time.Now().UnixNano(); shown < bubbleEnd {
		return Time(int64(time.Hour) + shown - bubbleBegin)
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		// Linux always has this clock; without it no record could be made at all.
		panic(fmt.Sprintf("reading CLOCK_MONOTONIC: %v", err))
	}
	return Time(now.Nano())
}

// A clock reads CLOCK_MONOTONIC at a tenth of the cost of Now, which is a real system call: Go's own clock is the same one, but for
// where it starts.
type clock struct {
	origin Time
	start  time.Time
}

// newClock reads both clocks as close together as it gets in a few attempts: a thread that is made to wait between the two would put every time of the
// record as much too early.
func newClock() clock {
	var best clock
	var apart Time
	for attempt := range 20 {
		before, start := Now(), time.Now()
		if after := Now(); attempt == 0 || after-before < apart {
			best, apart = clock{origin: before + (after-before)/2, start: start}, after-before
		}
		if apart < Time(time.Microsecond) {
			break
		}
	}
	return best
}

func (c clock) now() Time { return c.origin + Time(time.Since(c.start)) }
