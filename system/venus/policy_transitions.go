package venus

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/codastress/codastress/system/coda"
)

// volumeState is what the volume is to those who use it.
type volumeState int

const (
	volumeUnreachable volumeState = iota // no server: what is cached is all there is, and changes are logged
	volumeReachable                      //
	volumeLogging                        // a server is there, but changes are logged behind others that are left; only up to Coda 6.1
	volumeResolving                      // the replicas are making one thing of what they differ in, because this client asked them to
)

// of names the state as the Coda of a profile did.
func (s volumeState) of(p coda.Profile) string {
	names := [...]string{"unreachable", "reachable", "logging", "resolving"}
	if p == coda.Coda61 {
		names = [...]string{"emulating", "hoarding", "logging", "resolving"}
	}
	return names[s]
}

// transitions decides when the volume goes from one state to another, and who may be in it meanwhile.
type transitions interface {
	// enter returns when an operation may be in the volume, or an error where its process has given up. It must be matched by exit.
	enter(ctx context.Context, c *call) error
	// visit is enter for the reintegrator, which does not wait; with must it is let in always, since somebody who is in the volume waits for it.
	visit(must bool) bool
	exit()
	// lead is told what state the volume should be in. v.mu is held.
	lead(to volumeState)
	state() volumeState
	describe() string // for those who look for a hang; "" for nothing
}

// nextState is the state that the volume should be in. It is not known while the first attempt to reach a server, or to reach it again, has not ended.
// v.mu is held.
func (v *Venus) nextState() (s volumeState, known bool) {
	switch v.group.state {
	case linkStarting, linkLost:
		return volumeUnreachable, false
	case linkDown:
		return volumeUnreachable, true
	}
	switch {
	case v.resolving > 0:
		return volumeResolving, true
	case v.cfg.Profile == coda.Coda61 && v.leftOver(nil):
		return volumeLogging, true
	}
	return volumeReachable, true
}

// leftOver reports whether the log has a record that nobody waits for; one may be left out. v.mu is held.
func (v *Venus) leftOver(out *record) bool {
	for r := v.log.head; r != nil; r = r.next {
		if r != out && !r.connected && r.session == nil {
			return true
		}
	}
	return false
}

// review works out anew what follows from the link and the log. v.mu is held.
func (v *Venus) review() {
	if forced := v.policies.tokens.disconnect(); forced != v.group.forced {
		v.group.force(forced)
		v.logger.Info("a log without its owner", "disconnected", forced)
	}
	if next, known := v.nextState(); known || !v.cfg.Profile.Historical() {
		v.policies.transitions.lead(next)
	}
}

// following are the transitions of today: the state is what it is, and nobody waits for it.
type following struct{ now *volumeState }

func (following) enter(context.Context, *call) error { return nil }

func (following) visit(bool) bool { return true }

func (following) exit() {}

// lead and state are called with v.mu held, which guards the state.
func (f following) lead(to volumeState) { *f.now = to }

func (f following) state() volumeState { return *f.now }

func (following) describe() string { return "" }

// emptying are the transitions of Coda. One is made when nobody is in the volume: by the last who leaves it. As long as it is pending nobody else is let
// in, so that one who is slow keeps everybody waiting, each with a worker.
type emptying struct {
	log     *slog.Logger
	profile coda.Profile
	life    context.Context // of venus
	made    func()          // called after each transition

	mu      sync.Mutex
	now     volumeState
	next    volumeState // of the transition that is pending
	pending bool
	since   time.Time
	inside  int
	waiting int
	moved   chan struct{} // closed and replaced with each transition
}

func newEmptying(life context.Context, v *Venus) *emptying {
	g := &emptying{log: v.cfg.Log, profile: v.cfg.Profile, life: life, made: v.wakeReintegrator, now: volumeReachable, moved: make(chan struct{})}
	if v.log.head != nil {
		g.now = volumeUnreachable
	}
	return g
}

func (g *emptying) enter(ctx context.Context, c *call) error {
	for {
		g.mu.Lock()
		if !g.pending {
			g.inside++
			g.mu.Unlock()
			return nil
		}
		moved, what := g.moved, fmt.Sprintf("the %d who are in the volume to leave it, so that it can become %s", g.inside, g.next.of(g.profile))
		g.waiting++
		g.mu.Unlock()
		err := waitUnbounded(ctx, g.life, c, moved, what)
		g.mu.Lock()
		g.waiting--
		g.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

func (g *emptying) visit(must bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pending && !must {
		return false
	}
	g.inside++
	return true
}

func (g *emptying) exit() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside--; g.inside == 0 && g.pending {
		g.move()
	}
}

func (g *emptying) lead(to volumeState) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next = to
	if to == g.now || g.pending {
		return // a transition that is pending stays so, although it may lead nowhere
	}
	g.pending, g.since = true, time.Now()
	if g.inside == 0 {
		g.move()
	}
}

// move makes the transition. g.mu is held.
func (g *emptying) move() {
	if g.now != g.next {
		g.log.Info("the volume is "+g.next.of(g.profile), "before", g.now.of(g.profile), "after", time.Since(g.since))
	}
	g.now, g.pending = g.next, false
	close(g.moved)
	g.moved = make(chan struct{})
	g.made()
}

func (g *emptying) state() volumeState {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now
}

func (g *emptying) describe() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := fmt.Sprintf("%d in it", g.inside)
	if g.pending {
		s += fmt.Sprintf(", %d wait until it is %s, which is pending for %v", g.waiting, g.next.of(g.profile), time.Since(g.since).Round(time.Millisecond))
	}
	return s
}
