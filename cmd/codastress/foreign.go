package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/cluster/mounts"
	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/harness/scenario"
)

// foreignFlags have a scenario carried out on a file system that is not ours.
type foreignFlags struct {
	mounts      []string
	consistency string
}

func (f *foreignFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.mounts, "mounts", nil, "directories that are mounts of one file system, which is not ours, a client each (docs/mounts.md)")
	flags.StringVar(&f.consistency, "consistency", string(history.CloseToOpen), "what that file system claims: close-to-open, session, or eventual=TIME")
}

// apply changes a scenario as the flags say. What cannot be done with mounts is a usageError.
func (f *foreignFlags) apply(cmd *cobra.Command, sc *scenario.Scenario) error {
	if cmd.Flags().Changed("mounts") {
		for _, other := range []string{"clients", "servers", "profile"} {
			if cmd.Flags().Changed(other) {
				return usageError{fmt.Errorf("--%s cannot be chosen with --mounts: each mount is a client, and the file system is not ours", other)}
			}
		}
		paths, err := absolute(f.mounts)
		if err != nil {
			return err
		}
		leaveOutFaults(cmd.ErrOrStderr(), sc)
		addLooks(sc)
		sc.On(paths)
	}
	if cmd.Flags().Changed("consistency") {
		level, err := history.ParseConsistency(f.consistency)
		if err != nil {
			return usageError{fmt.Errorf("--consistency: %w", err)}
		}
		sc.Consistency = level
	}
	if err := sc.Validate(); err != nil {
		return usageError{err}
	}
	return nil
}

// addLooks has somebody look at directories too, unless the scenario says how often: what caches of names and attributes hide shows nowhere else.
func addLooks(sc *scenario.Scenario) {
	const parameter, often = "looks", "2"
	if _, said := sc.Workload.Args[parameter]; said || !slices.Contains(names(catalog()).Workloads[sc.Workload.Name], parameter) {
		return
	}
	sc.Workload.Args = maps.Clone(sc.Workload.Args)
	if sc.Workload.Args == nil {
		sc.Workload.Args = map[string]string{}
	}
	sc.Workload.Args[parameter] = often
}

// absolute makes paths whole: the processes that use them work somewhere else.
func absolute(paths []string) ([]string, error) {
	var all []string
	for _, path := range paths {
		if path == "" {
			return nil, usageError{errors.New("--mounts: one of the directories has no name: separate them with single commas")}
		}
		whole, err := filepath.Abs(path)
		if err != nil {
			return nil, fmt.Errorf("finding %s: %w", path, err)
		}
		all = append(all, whole)
	}
	return all, nil
}

// leaveOutFaults takes the faults out of a scenario of ours that can be done to no other file system, and says so.
func leaveOutFaults(to io.Writer, sc *scenario.Scenario) {
	left := slices.Clone(sc.Faults.Must)
	for _, step := range sc.Faults.Steps {
		left = append(left, step.Name)
	}
	slices.Sort(left)
	if left = slices.Compact(left); len(left) > 0 {
		fmt.Fprintf(to, "left out, since they are done to a cluster of ours: %s\n", strings.Join(left, ", "))
	}
	sc.Faults.Must, sc.Faults.Mix, sc.Faults.Steps = nil, nil, nil
}

// chooseMounts gives the choice of a run on a file system that is not ours.
func chooseMounts(flags runFlags) (choice, error) {
	for name, value := range map[string]string{"--runtime": flags.runtime, "--mount": flags.mount} {
		if value != "auto" && value != mounts.Name && value != cluster.MountForeign {
			return choice{}, usageError{fmt.Errorf("%s %s cannot be chosen with mounts of another file system: its clients are on this machine", name, value)}
		}
	}
	return choice{driver: mounts.New(flags.mounts), mount: cluster.MountForeign, why: "on " + strings.Join(flags.mounts, ", ")}, nil
}

// tryMounts looks whether a run can be carried out on some mounts. That it cannot is a usageError.
func tryMounts(ctx context.Context, binary string, paths []string) error {
	err := mounts.Try(ctx, binary, paths)
	if errors.Is(err, mounts.ErrMounts) && ctx.Err() == nil {
		return usageError{err}
	}
	return err
}

// onlyOurs says that a scenario is for a file system that is not ours, where only one of ours will do.
func onlyOurs(sc scenario.Scenario, verb string) error {
	if sc.Foreign() {
		return usageError{fmt.Errorf("%s is for a file system that is not ours, of which there is no simulation to %s: use `codastress run`", sc.Name, verb)}
	}
	return nil
}
