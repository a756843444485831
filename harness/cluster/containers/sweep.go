package containers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/codastress/codastress/harness/cluster"
)

// The kinds of what a run has in the engine, in the order in which they can be removed.
const (
	kindContainer = "container"
	kindNetwork   = "network"
	kindVolume    = "volume"
)

// strangersTime is the age from which something of another machine's run is taken to be left over when nothing uses it.
const strangersTime = time.Hour

// Find implements cluster.Sweeper. Whether a harness on another machine lives cannot be known here: of its run only what is old and not used is found.
func (Driver) Find(ctx context.Context) ([]cluster.Leftover, error) {
	e, err := connect(ctx)
	if err != nil {
		return nil, err
	}
	defer e.close()
	return e.find(ctx, "")
}

// Remove implements cluster.Sweeper.
func (Driver) Remove(ctx context.Context, what []cluster.Leftover) error {
	e, err := connect(ctx)
	if err != nil {
		return err
	}
	defer e.close()
	return e.remove(ctx, what)
}

// Close implements cluster.Site.
func (s *site) Close(ctx context.Context) error {
	defer s.engine.close()
	err := s.engine.removeRun(ctx, s.ground.RunID)
	s.stop()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.following.Wait()
	}()
	select {
	case <-ended:
		return err
	case <-ctx.Done():
		return errors.Join(err, errors.New("something that follows the containers is left behind"))
	}
}

// removePause is between two looks at what is left.
const removePause = 50 * time.Millisecond

// removeRun removes what a run has until nothing is there.
func (e *engine) removeRun(ctx context.Context, runID string) error {
	for {
		found, err := e.find(ctx, runID)
		if err != nil || len(found) == 0 {
			return err
		}
		removing := e.remove(ctx, found)
		select {
		case <-time.After(removePause):
		case <-ctx.Done():
			return errors.Join(removing, fmt.Errorf("removing what is left of run %s: %w: %v", runID, ctx.Err(), found))
		}
	}
}

// find returns what one run has, or what all runs have.
func (e *engine) find(ctx context.Context, runID string) ([]cluster.Leftover, error) {
	label := runLabel
	if runID != "" {
		label += "=" + runID
	}
	filters := make(client.Filters).Add("label", label)
	var found []cluster.Leftover
	add := func(kind, name, id string, labels map[string]string, unusedSince time.Time) {
		stranger := labels[machineLabel] != machineOf(labels[lockLabel])
		if stranger && runID == "" && (unusedSince.IsZero() || time.Since(unusedSince) < strangersTime) {
			return
		}
		found = append(found, cluster.Leftover{RunID: labels[runLabel], Kind: kind, Name: name, ID: id, Lock: labels[lockLabel]})
	}
	containers, err := e.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filters})
	if err != nil {
		return nil, fmt.Errorf("looking for containers: %w", err)
	}
	for _, one := range containers.Items {
		unused := time.Time{}
		if one.State != "running" && one.State != "paused" {
			unused = time.Unix(one.Created, 0)
		}
		add(kindContainer, strings.TrimPrefix(strings.Join(one.Names, " "), "/"), one.ID, one.Labels, unused)
	}
	networks, err := e.api.NetworkList(ctx, client.NetworkListOptions{Filters: filters})
	if err != nil {
		return found, fmt.Errorf("looking for networks: %w", err)
	}
	for _, one := range networks.Items { // one that is used cannot be removed
		add(kindNetwork, one.Name, one.ID, one.Labels, one.Created)
	}
	volumes, err := e.api.VolumeList(ctx, client.VolumeListOptions{Filters: filters})
	if err != nil {
		return found, fmt.Errorf("looking for volumes: %w", err)
	}
	for _, one := range volumes.Items { // likewise
		created, _ := time.Parse(time.RFC3339, one.CreatedAt) // without it, it counts as new
		add(kindVolume, one.Name, one.Name, one.Labels, created)
	}
	return found, nil
}

// remove removes containers, then what they used.
func (e *engine) remove(ctx context.Context, what []cluster.Leftover) error {
	var errs []error
	for _, kind := range []string{kindContainer, kindNetwork, kindVolume} {
		some := slices.DeleteFunc(slices.Clone(what), func(one cluster.Leftover) bool { return one.Kind != kind })
		results := make([]error, len(some))
		var all sync.WaitGroup
		for i, one := range some {
			all.Go(func() { results[i] = e.removeOne(ctx, one) })
		}
		all.Wait()
		errs = append(errs, results...)
	}
	return errors.Join(errs...)
}

func (e *engine) removeOne(ctx context.Context, what cluster.Leftover) error {
	var err error
	switch what.Kind {
	case kindContainer:
		err = e.removeContainer(ctx, what.ID)
	case kindNetwork:
		_, err = e.api.NetworkRemove(ctx, what.ID, client.NetworkRemoveOptions{})
	case kindVolume:
		_, err = e.api.VolumeRemove(ctx, what.ID, client.VolumeRemoveOptions{Force: true})
	}
	if err == nil || errdefs.IsNotFound(err) {
		return nil
	}
	return fmt.Errorf("removing the %s: %w", what, err)
}
