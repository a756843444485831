package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/codastress/codastress/harness/agent/fusemount"
)

// The kinds of leftovers that are the same for all drivers.
const (
	kindFolder = "folder"
	kindMount  = "mount"
)

// A Leftover is one thing that a run has outside its run directory.
type Leftover struct {
	RunID string
	Kind  string // process, mount, folder, container, network, volume
	Name  string // for people
	ID    string // for who removes it; "" where the name is enough
	Lock  string // the file that is locked while the run's harness lives
}

// String is one line for people.
func (l Leftover) String() string { return fmt.Sprintf("%s %s of run %s", l.Kind, l.Name, l.RunID) }

// A Sweeper finds and removes what runs of one driver have. The drivers are sweepers.
type Sweeper interface {
	Name() string
	Available(ctx context.Context) error
	// Find returns what all runs have here, of harnesses that live and that do not.
	Find(ctx context.Context) ([]Leftover, error)
	// Remove removes some of what Find returned. What is gone already is no error.
	Remove(ctx context.Context, what []Leftover) error
}

// Leftovers returns what runs left behind whose harness does not live any more. What belongs to a run that is alive is not among it. Where a
// sweeper is not available nothing can be left behind either.
func Leftovers(ctx context.Context, sweepers ...Sweeper) ([]Leftover, error) {
	found, _, err := find(ctx, sweepers)
	dead := map[string]bool{}
	for _, one := range found {
		if _, known := dead[one.Lock]; !known {
			dead[one.Lock] = !Alive(one.Lock)
		}
	}
	return slices.DeleteFunc(found, func(one Leftover) bool { return !dead[one.Lock] }), err
}

// LeftoversOf returns what one run has, whether it is alive or not. The sweepers are those of the drivers that it ran with: that one is not available
// now is an error, since the run may have something there.
func LeftoversOf(ctx context.Context, runID string, sweepers ...Sweeper) ([]Leftover, error) {
	found, away, err := find(ctx, sweepers)
	err = errors.Join(append(away, err)...)
	return slices.DeleteFunc(found, func(one Leftover) bool { return one.RunID != runID }), err
}

// Clean removes what Leftovers returns, and returns what it removed.
func Clean(ctx context.Context, sweepers ...Sweeper) ([]Leftover, error) {
	found, finding := Leftovers(ctx, sweepers...)
	removing := remove(ctx, sweepers, found)
	remaining, looking := Leftovers(ctx, sweepers...)
	removed := slices.DeleteFunc(found, func(one Leftover) bool { return slices.Contains(remaining, one) })
	return removed, errors.Join(finding, removing, looking)
}

// find returns what all runs have, and why some sweepers could not look.
func find(ctx context.Context, sweepers []Sweeper) (all []Leftover, away []error, err error) {
	found, err := foldersOfRuns()
	errs := []error{err}
	for _, folder := range found {
		mounted, err := fusemount.Under(folder.Name)
		if err != nil {
			errs = append(errs, fmt.Errorf("looking for mounts in %s: %w", folder.Name, err))
		}
		for _, path := range mounted {
			found = append(found, Leftover{RunID: folder.RunID, Kind: kindMount, Name: path, Lock: folder.Lock})
		}
	}
	for _, sweeper := range sweepers {
		if err := sweeper.Available(ctx); err != nil {
			away = append(away, fmt.Errorf("looking for %s: %w", sweeper.Name(), err))
			continue
		}
		more, err := sweeper.Find(ctx)
		found = append(found, more...)
		if err != nil {
			errs = append(errs, fmt.Errorf("looking for %s: %w", sweeper.Name(), err))
		}
	}
	return found, away, errors.Join(errs...)
}

// remove lets every sweeper remove what it knows, then removes the folders with the mounts in them, which nobody uses any more.
func remove(ctx context.Context, sweepers []Sweeper, what []Leftover) error {
	if len(what) == 0 {
		return nil
	}
	var errs []error
	for _, sweeper := range sweepers {
		if sweeper.Available(ctx) != nil {
			continue
		}
		if err := sweeper.Remove(ctx, what); err != nil {
			errs = append(errs, fmt.Errorf("removing %s: %w", sweeper.Name(), err))
		}
	}
	for _, one := range what {
		if one.Kind == kindFolder {
			errs = append(errs, removeFolder(ctx, one.Name))
		}
	}
	return errors.Join(errs...)
}
