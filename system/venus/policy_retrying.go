package venus

import (
	"log/slog"
	"time"

	"github.com/codastress/codastress/system/coda"
)

// retrying decides how often and when something is tried again.
type retrying interface {
	// ask says how long to wait before an object is asked for once more that the server did not answer; ok is false where it is not to be.
	ask(attempt int) (pause time.Duration, ok bool)
	// send says how long to wait after a batch failed, so many times in a row.
	send(err error, awaited bool, failures int) time.Duration
	// refused reports whether a busy server counts as one that has refused what a caller waits for.
	refused(failures int) bool
}

// soon is the retrying of today: as long as the caller has time, with pauses that grow a little.
type soon struct{ most time.Duration }

func (s soon) ask(attempt int) (time.Duration, bool) {
	return min(10*time.Millisecond<<min(attempt, 8), s.most), true
}

func (s soon) send(_ error, _ bool, failures int) time.Duration {
	return min(s.most, 20*time.Millisecond<<min(failures, 8))
}

func (soon) refused(int) bool { return false }

// stubborn is the retrying of Coda: a busy volume is tried again after a fixed sleep, whenever it may have become free, and after so many times the
// caller gets an error.
type stubborn struct {
	soon
	timing Timing
	limits Limits
	log    *slog.Logger
}

// ask doubles the pause from one attempt to the next; all of them together take Timing.Again.
func (s stubborn) ask(attempt int) (time.Duration, bool) {
	if attempt >= s.limits.AgainTries {
		return 0, false
	}
	return s.timing.Again << attempt / (1<<s.limits.AgainTries - 1), true
}

func (s stubborn) send(err error, awaited bool, failures int) time.Duration {
	if coda.KindOf(err) != coda.Busy {
		return s.soon.send(err, awaited, failures)
	}
	pause := s.timing.LogBusy
	if awaited {
		pause = s.timing.Busy
	}
	s.log.Warn("volume busy, waiting", "pause", pause, "failures", failures)
	return pause
}

func (s stubborn) refused(failures int) bool { return failures >= s.limits.BusyTries }
