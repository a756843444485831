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

	"github.com/codastress/codastress/faults"
	"github.com/codastress/codastress/harness"
	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/cluster/mounts"
	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/harness/scenario"
)

// foreignFlags have a scenario carried out on a file system that is not ours.
type foreignFlags struct {
	mounts      []string
	consistency string
	hook        string
	hooks       []faults.Hook // what the hook can do
}

func (f *foreignFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.mounts, "mounts", nil, "directories that are mounts of one file system, which is not ours, a client each (docs/mounts.md)")
	flags.StringVar(&f.consistency, "consistency", string(history.CloseToOpen), "what that file system claims: close-to-open, session, or eventual=TIME")
	flags.StringVar(&f.hook, "fault-hook", "", "a command of your own that harms that file system: `codastress explain fault-hook`")
}

// ask asks the hook what it can do.
func (f *foreignFlags) ask(cmd *cobra.Command) (err error) {
	if f.hook == "" {
		return nil
	}
	f.hooks, err = faults.Hooks(cmd.Context(), f.hook)
	if errors.Is(err, faults.ErrHook) && cmd.Context().Err() == nil {
		return usageError{err}
	}
	return err
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
		f.leaveOutFaults(cmd.ErrOrStderr(), sc)
		addLooks(sc)
		sc.On(paths)
	}
	if err := f.claim(cmd, sc); err != nil {
		return err
	}
	if len(f.hooks) > 0 && !sc.Foreign() {
		return usageError{errors.New("--fault-hook needs --mounts: it harms a file system that is not ours")}
	}
	f.placeFaults(sc)
	if err := sc.Validate(); err != nil {
		return usageError{err}
	}
	return nil
}

// placeFaults has each fault of the hook injected once where the scenario says nothing of faults.
func (f *foreignFlags) placeFaults(sc *scenario.Scenario) {
	if len(sc.Faults.Must)+len(sc.Faults.Mix)+len(sc.Faults.Steps) == 0 {
		for _, hook := range f.hooks {
			sc.Faults.Must = append(sc.Faults.Must, hook.Name())
		}
	}
	for i := range f.hooks {
		f.hooks[i].Mounts = sc.Mounts
	}
}

// again has a stored run carried out again, on its mounts or on others. What its hook was is not stored, since a command that stands in a file should
// not be run because of that: it has to be named again.
func (f *foreignFlags) again(cmd *cobra.Command, stored *harness.Stored) error {
	sc := &stored.Scenario
	for _, name := range []string{"mounts", "consistency", "fault-hook"} {
		if cmd.Flags().Changed(name) && !sc.Foreign() {
			return usageError{fmt.Errorf("--%s cannot be chosen: the run was on a cluster of ours", name)}
		}
	}
	if cmd.Flags().Changed("mounts") {
		paths, err := absolute(f.mounts)
		if err != nil {
			return err
		}
		if len(paths) != len(sc.Mounts) {
			return usageError{fmt.Errorf("--mounts: the plan is for %d clients, and there are %d mounts", len(sc.Mounts), len(paths))}
		}
		sc.Mounts = paths
	}
	if err := f.claim(cmd, sc); err != nil {
		return err
	}
	for i := range f.hooks {
		f.hooks[i].Mounts = sc.Mounts
	}
	if !sc.Foreign() {
		return nil
	}
	for _, step := range stored.Plan {
		if step.Kind == "fault" && !f.can(step.Name) {
			return usageError{fmt.Errorf("step %d of the plan, %s, is a fault of a hook: name a command that can inject it with --fault-hook", step.Number, step.Name)}
		}
	}
	if err := sc.Validate(); err != nil {
		return usageError{err}
	}
	return nil
}

// can says whether the hook has a fault.
func (f *foreignFlags) can(name string) bool {
	return slices.ContainsFunc(f.hooks, func(hook faults.Hook) bool { return hook.Name() == name })
}

// claim takes the level that the flags say.
func (f *foreignFlags) claim(cmd *cobra.Command, sc *scenario.Scenario) error {
	if !cmd.Flags().Changed("consistency") {
		return nil
	}
	level, err := history.ParseConsistency(f.consistency)
	if err != nil {
		return usageError{fmt.Errorf("--consistency: %w", err)}
	}
	sc.Consistency = level
	return nil
}

// addLooks has somebody look at directories too, unless the scenario says how often: what caches of names and attributes hide shows nowhere else.
func addLooks(sc *scenario.Scenario) {
	const parameter, often = "looks", "2"
	sc.Workloads = slices.Clone(sc.Workloads)
	for _, w := range sc.AllWorkloads() {
		if _, said := w.Args[parameter]; said || !slices.Contains(names(catalog()).Workloads[w.Name], parameter) {
			continue
		}
		w.Args = maps.Clone(w.Args)
		if w.Args == nil {
			w.Args = map[string]string{}
		}
		w.Args[parameter] = often
	}
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

// leaveOutFaults takes the faults out of a scenario of ours that can be done to no other file system, unless the hook can, and says so.
func (f *foreignFlags) leaveOutFaults(to io.Writer, sc *scenario.Scenario) {
	var left []string
	out := func(name string) bool {
		if f.can(name) {
			return false
		}
		left = append(left, name)
		return true
	}
	sc.Faults.Must = slices.DeleteFunc(slices.Clone(sc.Faults.Must), out)
	sc.Faults.Steps = slices.DeleteFunc(slices.Clone(sc.Faults.Steps), func(step scenario.Step) bool { return out(step.Name) })
	said := len(left) // what the mix leaves out would have come only in a longer load
	sc.Faults.Mix = maps.Clone(sc.Faults.Mix)
	maps.DeleteFunc(sc.Faults.Mix, func(name string, _ int) bool { return out(name) })
	left = left[:said]
	slices.Sort(left)
	if left = slices.Compact(left); len(left) > 0 {
		fmt.Fprintf(to, "left out, since they are done to a cluster of ours: %s\n", strings.Join(left, ", "))
	}
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
