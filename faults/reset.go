package faults

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// Reset breaks all connections of a link again and again.
type Reset struct{}

var _ Fault = Reset{}

// resetPause is the pause between two resets: long enough for a client to be back at work, short enough to hit it there.
const resetPause = 500 * time.Millisecond

// Name implements Fault.
func (Reset) Name() string { return "reset" }

// Doc implements Fault.
func (Reset) Doc() string { return "every half second, all connections of a link are reset" }

// Applies implements Fault.
func (r Reset) Applies(topology Topology) error { return appliesToLinks(r.Name(), topology) }

// Targets implements Fault: both ends of each link.
func (Reset) Targets(topology Topology) [][]string { return links(topology) }

// Cuts implements Fault.
func (Reset) Cuts(step history.Step) []history.Cut { return linkCut(step) }

// Prepare implements Fault.
func (r Reset) Prepare(handles Handles, step history.Step) (*Injection, error) {
	node, link, err := linkOf(handles, step)
	if err != nil {
		return nil, fmt.Errorf("preparing %s: %w", r.Name(), err)
	}
	return newInjection(r, step, &resets{node: node, link: link}), nil
}

// resets is one series of resets of one link.
type resets struct {
	node Node
	link Link
	series

	mu    sync.Mutex
	count int   // resets so far
	ended int   // connections that were seen to end by a reset
	why   error // why the last reset ended none
}

// inject resets once, and goes on until recover.
func (r *resets) inject(ctx context.Context) error {
	if err := r.once(ctx); err != nil {
		return err
	}
	r.begin(ctx, func(ctx context.Context) {
		select {
		case <-ctx.Done():
		case <-time.After(resetPause):
			_ = r.once(ctx) // prove tells what went wrong
		}
	})
	return nil
}

// once resets and looks what became of the connections.
func (r *resets) once(ctx context.Context) error {
	before, after, err := r.reset(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count++
	r.ended += max(before-after, 0)
	switch {
	case err != nil:
		r.why = err
	case before == 0:
		r.why = errors.New("no connection was open when it was to be reset")
	case before <= after:
		r.why = errors.New("as many connections were open after a reset as before")
	}
	return err
}

// reset resets and returns how many connections were open before and after it.
func (r *resets) reset(ctx context.Context) (before, after int, err error) {
	counters, err := r.link.Counters(ctx)
	if err != nil {
		return 0, 0, err
	}
	before = counters.Connections
	if err := r.link.Reset(ctx); err != nil {
		return before, before, err
	}
	counters, err = r.link.Counters(ctx)
	return before, counters.Connections, err
}

func (r *resets) prove(context.Context) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended == 0 {
		return "", r.why
	}
	return fmt.Sprintf("%d connections from %s to %s ended in %d resets", r.ended, r.link.From(), r.link.To(), r.count), nil
}

func (r *resets) recover(context.Context) error {
	r.end()
	return nil
}

func (r *resets) proveRecovered(ctx context.Context) (string, error) {
	if err := r.node.Reach(ctx, r.link.To()); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s reached %s", r.link.From(), r.link.To()), nil
}
