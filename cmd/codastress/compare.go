package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/codastress/codastress/harness"
	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/harness/report"
	"github.com/codastress/codastress/harness/scenario"
)

// compareFlags are what a comparison is told.
type compareFlags struct {
	runFlags
	scenarioFlags
	profiles []string
	seed     uint64
}

func compareCommand() *cobra.Command {
	var flags compareFlags
	cmd := &cobra.Command{
		Use:   "compare SCENARIO",
		Short: "Run a scenario with several profiles of the file system, and show them side by side",
		Long: "Compare runs the same scenario with the same seed once with each profile, and prints what the checks say and what had to be waited for.\n" +
			"Each run has a directory of its own in --dir.\n\n" + exitHelp + "\n\nIt is 0 where every run passed, symptoms that the scenario expects included.",
		Example: "  codastress compare web-hosting-2007 --profiles coda-6.1,coda-6.9,modern --runtime simulation",
		Args:    oneArgument("scenario"),
		RunE: func(cmd *cobra.Command, args []string) error {
			sc, err := flags.load(cmd, args[0])
			if err != nil {
				return err
			}
			return compareProfiles(cmd, sc, flags)
		},
	}
	flags.runFlags.register(cmd)
	flags.registerShape(cmd)
	f := cmd.Flags()
	f.Lookup("dir").Usage = "the folder to make, with a run directory for each profile (default runs/TIME-SCENARIO-SEED)"
	f.Lookup("json").Usage = "print the comparison as JSON instead of the table"
	f.StringSliceVar(&flags.profiles, "profiles", names(catalog()).Profiles, "the profiles, in the order of the columns")
	f.Uint64Var(&flags.seed, "seed", 1, "seed of everything random")
	return cmd
}

// compareProfiles runs a scenario with each profile.
func compareProfiles(cmd *cobra.Command, sc scenario.Scenario, flags compareFlags) error {
	if len(flags.profiles) == 0 {
		return usageError{errors.New("profiles: at least one is needed")}
	}
	if err := onlyOurs(sc, "compare"); err != nil {
		return err
	}
	known := names(catalog())
	for i, profile := range flags.profiles {
		if slices.Contains(flags.profiles[:i], profile) {
			return usageError{fmt.Errorf("profiles: %s stands there twice", profile)}
		}
		sc.Profile = profile
		if err := sc.LookUp(known); err != nil {
			return usageError{err}
		}
	}
	if flags.dir == "" {
		flags.dir = harness.RunDirectoryName("runs", sc.Name, flags.seed, time.Now())
	}
	var runs []report.Compared
	worst := history.Pass
	for _, profile := range flags.profiles {
		sc.Profile = profile
		result, overall, err := compareOne(cmd.Context(), cmd.ErrOrStderr(), sc, flags)
		if err != nil {
			return fmt.Errorf("with the profile %s: %w", profile, err)
		}
		worst = max(worst, overall)
		runs = append(runs, report.Compared{Name: profile, Result: result})
	}
	write := report.Compare
	if flags.asJSON {
		write = report.CompareJSON
	}
	if err := write(cmd.OutOrStdout(), runs); err != nil {
		return err
	}
	return verdictOf(worst)
}

// compareOne runs and judges a scenario with its profile.
func compareOne(ctx context.Context, stderr io.Writer, sc scenario.Scenario, flags compareFlags) (report.Result, history.Result, error) {
	fmt.Fprintf(stderr, "with the profile %s:\n", sc.Profile)
	one := flags.runFlags
	one.source = flags.scenarioFlags.source
	one.dir = filepath.Join(flags.dir, sc.Profile)
	dir, runErr, err := execute(ctx, stderr, one, harness.Request{Scenario: sc, Seed: flags.seed})
	if err != nil {
		return report.Result{}, 0, err
	}
	result, overall, err := judgeRun(ctx, stderr, dir, runErr)
	if err != nil {
		return result, overall, err
	}
	result.Dir = relative(dir)
	_, err = writeReports(dir, result)
	return result, overall, err
}
