package agent

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// heart is the dead man's switch.
type heart struct {
	mu       sync.Mutex
	last     time.Time     // of the last beat
	patience time.Duration // from it on
	normal   time.Duration // the patience after a beat
}

func newHeart(first, normal time.Duration) *heart {
	return &heart{last: time.Now(), patience: first, normal: normal}
}

// beat records a heartbeat.
func (h *heart) beat() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last, h.patience = time.Now(), h.normal
}

// silence returns how long the patience is exceeded already; negative while it lasts.
func (h *heart) silence() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Since(h.last) - h.patience
}

// excuse prolongs the patience by a time in which the agent itself stood still, and could not have taken notice of a beat.
func (h *heart) excuse(still time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = h.last.Add(still)
}

// watch returns ErrHeartbeat when the heartbeat stops, or nil when ctx ends.
func (h *heart) watch(ctx context.Context) error {
	interval := h.normal / 20
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for before := time.Now(); ; before = time.Now() {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if still := time.Since(before) - interval; still > h.normal/4 {
			h.excuse(still)
		}
		if h.silence() > 0 {
			return fmt.Errorf("%w for %v", ErrHeartbeat, h.normal)
		}
	}
}
