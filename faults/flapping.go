package faults

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// Flapping cuts a link and heals it, again and again.
type Flapping struct{}

var _ Fault = Flapping{}

// Name implements Fault.
func (Flapping) Name() string { return "flapping" }

// Doc implements Fault.
func (Flapping) Doc() string {
	return "a link is cut in both directions and healed again, over and over, each time for as long as it takes to be noticed"
}

// Applies implements Fault.
func (f Flapping) Applies(topology Topology) error { return appliesToLinks(f.Name(), topology) }

// Targets implements Fault: both ends of each link.
func (Flapping) Targets(topology Topology) [][]string { return links(topology) }

// Cuts implements Fault.
func (Flapping) Cuts(step history.Step) []history.Cut { return linkCut(step) }

// Prepare implements Fault.
func (f Flapping) Prepare(handles Handles, step history.Step) (*Injection, error) {
	node, link, err := linkOf(handles, step)
	if err != nil {
		return nil, fmt.Errorf("preparing %s: %w", f.Name(), err)
	}
	return newInjection(f, step, &flaps{once: cut{Partition: Partition{Up: true, Down: true}, node: node, link: link}}), nil
}

// openTime is how long a flapping link stays open after it was seen to be.
const openTime = 200 * time.Millisecond

// flaps is one series of partitions of one link.
type flaps struct {
	once cut
	series

	mu     sync.Mutex
	cuts   int   // that were proven
	opened int   // healings that were proven
	why    error // why the last look proved nothing
}

// inject cuts the link, and goes on with the series until recover.
func (f *flaps) inject(ctx context.Context) error {
	if err := f.once.inject(ctx); err != nil {
		return err
	}
	f.begin(ctx, f.flap)
	return nil
}

// flap looks whether the link is cut, heals it, looks whether it is healed, and cuts it again.
func (f *flaps) flap(ctx context.Context) {
	_, err := f.once.prove(ctx)
	f.count(ctx, &f.cuts, err)
	f.count(ctx, nil, f.once.recover(ctx))
	_, err = f.once.proveRecovered(ctx)
	f.count(ctx, &f.opened, err)
	select { // what is open for a moment only is as good as cut
	case <-ctx.Done():
	case <-time.After(openTime):
	}
	f.count(ctx, nil, f.once.inject(ctx))
}

// count notes what a look has shown. One that the end of the series cut short shows nothing.
func (f *flaps) count(ctx context.Context, seen *int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case ctx.Err() != nil:
	case err != nil:
		f.why = err
	case seen != nil:
		*seen++
	}
}

func (f *flaps) prove(context.Context) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cuts == 0 || f.opened == 0 {
		if f.why != nil {
			return "", f.why
		}
		return "", errors.New("the first round is not over")
	}
	return fmt.Sprintf("%s was %d times unable to reach %s, and reached it %d times in between", f.once.link.From(), f.cuts, f.once.link.To(), f.opened), nil
}

func (f *flaps) recover(ctx context.Context) error {
	f.end()
	return f.once.recover(ctx)
}

func (f *flaps) proveRecovered(ctx context.Context) (string, error) {
	return f.once.proveRecovered(ctx)
}
