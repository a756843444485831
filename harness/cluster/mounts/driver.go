package mounts

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/cluster/processes"
)

// Driver runs each client as a process that works on one of the mounts.
type Driver struct {
	mounts []string
	inner  processes.Driver
}

var _ cluster.Driver = Driver{}

// Name is the name of the driver.
const Name = "mounts"

// New returns the driver for some mounts, the first of which is client1's.
func New(mounts []string) Driver { return Driver{mounts: mounts, inner: processes.New()} }

// Name implements cluster.Driver.
func (Driver) Name() string { return Name }

// Sweeper says whose sweeper finds what a run leaves on this machine. What it leaves in the mounts, nobody looks for later: they are not ours.
func (d Driver) Sweeper() string { return d.inner.Name() }

// Available implements cluster.Driver.
func (d Driver) Available(ctx context.Context) error { return d.inner.Available(ctx) }

// Prepare implements cluster.Driver: it makes the directory of the run, and waits until all mounts show it.
func (d Driver) Prepare(ctx context.Context, ground cluster.Ground) (cluster.Site, error) {
	if len(ground.Nodes) != len(d.mounts) {
		return nil, fmt.Errorf("there are %d mounts for %d clients", len(d.mounts), len(ground.Nodes))
	}
	s := &site{mounts: d.mounts, name: directoryPrefix + ground.RunID, binary: ground.Binary, log: ground.Log, works: map[string]string{}}
	for i, node := range ground.Nodes {
		s.works[node.Name] = filepath.Join(d.mounts[i], s.name, workName)
	}
	if err := lay(ctx, ground.Binary, d.mounts, s.name, showing); err != nil {
		return nil, err
	}
	inner, err := d.inner.Prepare(ctx, ground)
	if err != nil {
		s.clear(context.WithoutCancel(ctx))
		return nil, err
	}
	s.Site = inner
	return s, nil
}

// directoryPrefix begins the name of what a run makes in the mounts.
const directoryPrefix = "codastress-"

// site is where the nodes of one run work.
type site struct {
	cluster.Site
	mounts []string
	name   string // of the directory in each of the mounts
	binary string
	log    *slog.Logger
	works  map[string]string // the directory of each node
}

// Place implements cluster.Site.
func (s *site) Place(node string) cluster.Place {
	place := s.Site.Place(node)
	place.Coda = s.works[node]
	return place
}

// StartNode implements cluster.Site.
func (s *site) StartNode(ctx context.Context, node cluster.NodeSpec) (cluster.Instance, error) {
	started, err := s.Site.StartNode(ctx, node)
	if err != nil {
		return nil, err
	}
	return &instance{Instance: started, node: node.Name, log: s.log}, nil
}

// dyingTime is how long a killed process of the run is waited for. One that waits in the kernel for a file system that hangs does not die before that
// answers, and can do nothing any more.
const dyingTime = 4 * time.Second

// Close implements cluster.Site. That the file system keeps processes from their end, or the directory from being removed, is told, and is no error: it
// is what the run is about.
func (s *site) Close(ctx context.Context) error {
	late, err := dying(ctx, s.Site.Close)
	if err != nil {
		return err
	}
	if late != nil {
		s.log.Warn("processes that were killed still wait for the file system, and end when it answers", "error", late)
	}
	s.clear(ctx)
	return nil
}

// dying has something ended, and tells what did not end in time from what could not be ended.
func dying(ctx context.Context, end func(context.Context) error) (late, err error) {
	bounded, cancel := context.WithTimeout(ctx, dyingTime)
	defer cancel()
	if err = end(bounded); bounded.Err() != nil {
		return err, nil
	}
	return nil, err
}

// clear removes the directory of the run, through the first mount that lets it.
func (s *site) clear(ctx context.Context) {
	var problems []error
	for _, mount := range s.mounts {
		directory := filepath.Join(mount, s.name)
		_, err := ask(ctx, s.binary, removing, request{Verb: verbRemove, Directory: directory})
		if err == nil {
			return
		}
		problems = append(problems, err)
	}
	s.log.Warn("the directory of the run is left in the mounts: remove it when they answer", "directory", s.name, "errors", problems)
}

// instance is a client.
type instance struct {
	cluster.Instance
	node string
	log  *slog.Logger
}

// Kill implements cluster.Instance.
func (i *instance) Kill(ctx context.Context) error {
	late, err := dying(ctx, i.Instance.Kill)
	if late != nil {
		i.log.Warn("a killed client still waits for the file system, and ends when it answers", "node", i.node, "error", late)
	}
	return err
}
