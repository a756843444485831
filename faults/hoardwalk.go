package faults

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// HoardWalk is what a person does at a bad time who is about to travel: the client is told to have the whole volume at hand, and walks through it over and over.
type HoardWalk struct{}

var _ Fault = HoardWalk{}

// hoardPause is the pause between two walks.
const hoardPause = 200 * time.Millisecond

// Name implements Fault.
func (HoardWalk) Name() string { return "hoard-walk" }

// Doc implements Fault.
func (HoardWalk) Doc() string {
	return "a client is told to hoard the whole volume, and fetches what it does not have, with one walk after the other"
}

// Applies implements Fault.
func (h HoardWalk) Applies(topology Topology) error {
	return appliesToDaemon(h.Name(), cluster.Venus, topology)
}

// Targets implements Fault: each client.
func (HoardWalk) Targets(topology Topology) [][]string { return singles(topology.Clients) }

// Cuts implements Fault. Nobody has to wait for a walk.
func (HoardWalk) Cuts(history.Step) []history.Cut { return nil }

// Prepare implements Fault.
func (h HoardWalk) Prepare(handles Handles, step history.Step) (*Injection, error) {
	victim, err := victimOf(handles, step, cluster.Venus)
	if err != nil {
		return nil, fmt.Errorf("preparing %s: %w", h.Name(), err)
	}
	return newInjection(h, step, &walking{victim: victim}), nil
}

// walking is one series of walks on one client.
type walking struct {
	victim
	series

	mu      sync.Mutex
	walks   int   // that came to an end
	objects int   // that the last one found to be hoarded
	why     error // why the last one came to none
}

// inject begins to walk, and goes on until recover.
func (w *walking) inject(ctx context.Context) error {
	if err := w.meet(ctx); err != nil {
		return err
	}
	w.begin(ctx, func(ctx context.Context) {
		w.walk(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(hoardPause):
		}
	})
	return nil
}

func (w *walking) walk(ctx context.Context) {
	objects, err := w.node.Order(ctx, cluster.OrderHoard)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.why = err
		return
	}
	w.walks++
	w.objects = objects
}

func (w *walking) prove(context.Context) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.walks == 0 && w.why != nil:
		return "", w.why
	case w.walks == 0:
		return "", errors.New("the first walk is not over")
	case w.objects == 0:
		return "", fmt.Errorf("a walk of %s found nothing to hoard", w.node.Name())
	}
	return fmt.Sprintf("%s has walked, and hoards %d objects", w.node.Name(), w.objects), nil
}

func (w *walking) recover(ctx context.Context) error {
	w.end()
	_, err := w.node.Order(ctx, cluster.OrderForget)
	return err
}

func (w *walking) proveRecovered(ctx context.Context) (string, error) {
	hoarded, err := w.node.Order(ctx, cluster.OrderHoarded)
	switch {
	case err != nil:
		return "", err
	case hoarded > 0:
		return "", fmt.Errorf("%s still hoards everything", w.node.Name())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return fmt.Sprintf("%s has walked %d times, and hoards no more than before", w.node.Name(), w.walks), nil
}
