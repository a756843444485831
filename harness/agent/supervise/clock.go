package supervise

import (
	"github.com/codastress/codastress/harness/history"
	"golang.org/x/sys/unix"
)

// now reads the clock that all nodes of a machine share.
func now() history.Time {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // fails only for an unknown clock
	return history.Time(t.Nano())
}
