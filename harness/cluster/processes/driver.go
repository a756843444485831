package processes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/codastress/codastress/harness/cluster"
)

// Driver starts nodes as processes. It is a cluster.Driver and a cluster.Sweeper.
type Driver struct{}

var (
	_ cluster.Driver  = Driver{}
	_ cluster.Sweeper = Driver{}
)

// New returns the driver.
func New() Driver { return Driver{} }

// Name implements cluster.Driver.
func (Driver) Name() string { return "processes" }

// Available implements cluster.Driver. Processes can be had wherever /proc shows them.
func (Driver) Available(context.Context) error {
	if _, err := os.Stat("/proc/self/environ"); err != nil {
		return fmt.Errorf("processes cannot be found again: %w", err)
	}
	return nil
}

// Prepare implements cluster.Driver: it reserves loopback addresses and makes a folder for every node.
func (Driver) Prepare(_ context.Context, ground cluster.Ground) (cluster.Site, error) {
	addresses, err := reserve()
	if err != nil {
		return nil, err
	}
	s := &site{
		ground: ground, log: ground.Log, addresses: addresses, spawner: newSpawner(), places: make(map[string]cluster.Place),
	}
	for number, node := range ground.Nodes {
		folder := filepath.Join(ground.Folder, node.Name)
		place := cluster.Place{
			Agent: fmt.Sprintf("%s:%d", addresses.host(number), cluster.AgentPort),
			Host:  addresses.host(number),
			Side:  addresses.side(number),
			State: filepath.Join(folder, "state"),
			Logs:  filepath.Join(ground.Dir, "nodes", node.Name),
			Coda:  filepath.Join(folder, "coda"),
		}
		for _, made := range []string{place.State, place.Logs, place.Coda} {
			if err := os.MkdirAll(made, 0o755); err != nil {
				return nil, errors.Join(fmt.Errorf("making a folder of %s: %w", node.Name, err), s.end())
			}
		}
		s.places[node.Name] = place
	}
	return s, nil
}

// site is a run's processes.
type site struct {
	ground    cluster.Ground
	log       *slog.Logger
	addresses *addresses
	spawner   *spawner
	places    map[string]cluster.Place
}

// Place implements cluster.Site.
func (s *site) Place(node string) cluster.Place { return s.places[node] }

// Lost implements cluster.Site: nobody stands between the harness and its processes.
func (s *site) Lost() <-chan error { return nil }

// Close implements cluster.Site: it kills what still carries the run's name.
func (s *site) Close(ctx context.Context) error {
	defer s.addresses.release()
	err := killRun(ctx, s.ground.RunID)
	return errors.Join(err, s.end())
}

// end gives back what the site has in this process.
func (s *site) end() error {
	s.spawner.end()
	s.addresses.release()
	return nil
}

// killPause is between two looks at whether killed processes are gone.
const killPause = 10 * time.Millisecond

// killRun kills all processes of a run, and whatever they start meanwhile, until none is left.
func killRun(ctx context.Context, runID string) error {
	return killUntilGone(ctx, func() ([]process, error) {
		all, err := processesOfRuns()
		var found []process
		for _, p := range all {
			if p.runID == runID {
				found = append(found, p)
			}
		}
		return found, err
	})
}
