package simulation

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// A halt waits for a daemon at one of its moments.
type halt struct {
	moment Moment
	left   int           // how many of these pass before
	there  chan struct{} // closed when the daemon has come
	goOn   chan struct{} // closed when it may go on
}

// haltTime is how long a daemon stands at most. A fault that strikes at once does so in no time.
const haltTime = 10 * time.Millisecond

var _ cluster.Failpoints = (*node)(nil)

// AwaitFailpoint implements cluster.Failpoints. The daemon's later lives count as well.
func (n *node) AwaitFailpoint(ctx context.Context, point history.Failpoint, count int) (goOn func(), err error) {
	d, err := n.find(n.machine.Role.Daemons()[0])
	if err != nil {
		return nil, err
	}
	h := &halt{moment: point, left: count - 1, there: make(chan struct{}), goOn: make(chan struct{})}
	n.mu.Lock()
	d.halts = append(d.halts, h)
	n.mu.Unlock()
	select {
	case <-h.there:
	case <-ctx.Done():
		n.mu.Lock()
		waited := slices.Contains(d.halts, h)
		d.halts = slices.DeleteFunc(d.halts, func(other *halt) bool { return other == h })
		n.mu.Unlock()
		if waited {
			return nil, fmt.Errorf("it was there %d times: %w", count-1-h.left, ctx.Err())
		}
	}
	return sync.OnceFunc(func() { close(h.goOn) }), nil
}

// come counts a moment, and gives those that have waited for it. The node's mutex is held.
func (d *daemon) come(moment Moment) (met []*halt) {
	if len(d.halts) == 0 || d.state == cluster.StateExited {
		return nil
	}
	d.halts = slices.DeleteFunc(d.halts, func(h *halt) bool {
		if h.moment != moment {
			return false
		}
		if h.left > 0 {
			h.left--
			return false
		}
		met = append(met, h)
		return true
	})
	return met
}

// stand keeps the goroutine that a moment happens in where it is. Meanwhile a fault that hits the daemon waits for no other moment.
func (n *node) stand(d *daemon, met []*halt) {
	n.mu.Lock()
	d.standing++
	dead := d.dead
	n.mu.Unlock()
	timer := time.NewTimer(haltTime)
	defer timer.Stop()
	for _, h := range met {
		close(h.there)
	}
	for _, h := range met {
		select {
		case <-h.goOn:
		case <-dead:
		case <-timer.C:
			timer.Reset(0)
		}
	}
	n.mu.Lock()
	d.standing--
	n.mu.Unlock()
}
