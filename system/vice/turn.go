package vice

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/codastress/codastress/system/coda"
)

// turn is a lock whose waiters are served in order and give up when their context ends.
type turn struct {
	name  string
	taken chan struct{} // holds one value while somebody has the turn

	mu     sync.Mutex
	holder string
	since  time.Time
}

func newTurn(name string) *turn { return &turn{name: name, taken: make(chan struct{}, 1)} }

// take waits for the turn. The holder is named for those who look for a hang.
func (t *turn) take(ctx context.Context, holder string) error {
	waiting(ctx, t.name)
	defer waiting(ctx, "")
	select {
	case t.taken <- struct{}{}:
		t.mu.Lock()
		t.holder, t.since = holder, time.Now()
		t.mu.Unlock()
		return nil
	case <-ctx.Done():
		return &coda.Error{Op: "wait for the " + t.name, Kind: coda.TimedOut, Err: fmt.Errorf("held by %s: %w", t.held(), context.Cause(ctx))}
	}
}

// give ends what take began.
func (t *turn) give() {
	t.mu.Lock()
	t.holder = ""
	t.mu.Unlock()
	<-t.taken
}

// held says who has the turn, and for how long.
func (t *turn) held() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.holder == "" {
		return "nobody"
	}
	return fmt.Sprintf("%s for %v", t.holder, time.Since(t.since).Round(time.Millisecond))
}
