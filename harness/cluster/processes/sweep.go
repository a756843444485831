package processes

import (
	"context"
	"slices"
	"strconv"

	"github.com/codastress/codastress/harness/cluster"
)

// kindProcess is the kind of what this package finds.
const kindProcess = "process"

// Find implements cluster.Sweeper.
func (Driver) Find(context.Context) ([]cluster.Leftover, error) {
	found, err := processesOfRuns()
	var all []cluster.Leftover
	for _, p := range found {
		all = append(all, cluster.Leftover{RunID: p.runID, Kind: kindProcess, Name: p.name, ID: strconv.Itoa(p.pid), Lock: p.lock})
	}
	return all, err
}

// Remove implements cluster.Sweeper: it kills the processes, and what they start meanwhile.
func (Driver) Remove(ctx context.Context, what []cluster.Leftover) error {
	var runs []string
	for _, one := range what {
		if one.Kind == kindProcess && !slices.Contains(runs, one.RunID) {
			runs = append(runs, one.RunID)
		}
	}
	for _, run := range runs {
		if err := killRun(ctx, run); err != nil {
			return err
		}
	}
	return nil
}
