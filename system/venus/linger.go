package venus

import (
	"time"

	"github.com/codastress/codastress/system/coda"
)

// A mapping outlives the descriptor that it was made with. Where the kernel writes containers by itself it tells of the release of a file although its
// container is still mapped, so that a session whose last writer has left may not be over. It goes on then, as if that writer
// were still there, until the kernel has nothing open any more, and what was written meanwhile is flushed.

const (
	// lingerFirst is how long the first look waits: usually the kernel is only about to close the container.
	lingerFirst = 100 * time.Microsecond
	// lingerMost is the longest pause between two looks.
	lingerMost = 200 * time.Millisecond
)

// linger takes over the last writer's part in a session until the mappings of it have gone. It reports false where nothing can be written any more.
func (v *Venus) linger(s *session) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if s.gone || v.closed {
		return false
	}
	v.daemons.Go(func() {
		used := true
		for wait := lingerFirst; used && pause(v.life, wait); wait = min(2*wait, lingerMost) {
			used, _ = v.containers.inUse(s.file) // it was told the first time
		}
		// Where venus ends first, whoever opens the cache next sees to it.
		c := v.enter("end of mappings", s.o.fid, "")
		defer c.leave()
		if err := v.endWriter(v.life, c, s); err != nil && coda.KindOf(err) != coda.Closed {
			v.logger.Error("store what was written after the close of a file", "error", err)
		}
		v.notices.object(s.o.fid)
	})
	return true
}

// changedUnseen reports whether a session's contents have changed since they were copied, which the time of the container does not always tell: a page
// that was being written to by way of a mapping then can be written to again unnoticed.
func (v *Venus) changedUnseen(s *session) (bool, error) {
	v.mu.Lock()
	copied := s.copied
	suspect := s.stored == nil && !copied.IsZero() && !s.gone && s.o.exists()
	v.mu.Unlock()
	if !suspect {
		return false, nil
	}
	_, digest, err := v.containers.digest(s.file)
	return digest != copied, err
}
