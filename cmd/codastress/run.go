package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/codastress/codastress/faults"
	"github.com/codastress/codastress/harness"
	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/harness/report"
	"github.com/codastress/codastress/harness/scenario"
	"github.com/spf13/cobra"
)

// runFlags are what run and replay have in common.
type runFlags struct {
	runtime string
	mount   string
	dir     string
	asJSON  bool
	verbose bool
	stored  string        // the run that is carried out again, if it is
	mounts  []string      // of a file system that is not ours; nil for a cluster of ours
	hooks   []faults.Hook // that harm it
	source  scenario.Source
}

func (f *runFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.runtime, "runtime", "auto", "where the nodes run: auto, containers, processes or simulation")
	flags.StringVar(&f.mount, "mount", "auto", "how the clients' files are reached: auto, fuse or direct")
	flags.StringVar(&f.dir, "dir", "", "the run directory to make (default runs/TIME-SCENARIO-SEED)")
	flags.BoolVar(&f.asJSON, "json", false, "print result.json instead of the summary")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "log what the harness does")
}

func runCommand() *cobra.Command {
	var flags runFlags
	var changes scenarioFlags
	var foreign foreignFlags
	var seed uint64
	cmd := &cobra.Command{
		Use:   "run SCENARIO",
		Short: "Run a scenario and judge it",
		Long: "Run starts a cluster, carries out the scenario, and says whether the file system kept its promises.\n" +
			"SCENARIO is a name of the library (`codastress list scenarios`) or a YAML file.\n\n" + exitHelp,
		Example: "  codastress run mass-delete --clients 3\n  codastress run mass-delete --set workload.rate=50 --seed 7\n" +
			"  codastress run mass-delete --mounts /mnt/a,/mnt/b,/mnt/c --consistency close-to-open",
		Args: oneArgument("scenario"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := foreign.ask(cmd); err != nil {
				return err
			}
			changes.hooks = foreign.hooks
			sc, err := changes.load(cmd, args[0])
			if err != nil {
				return err
			}
			if err := foreign.apply(cmd, &sc); err != nil {
				return err
			}
			flags.mounts, flags.hooks, flags.source = sc.Mounts, foreign.hooks, changes.source
			if !cmd.Flags().Changed("seed") {
				seed = uint64(time.Now().UnixNano() % 1_000_000)
			}
			return carryOut(cmd, flags, harness.Request{Scenario: sc, Seed: seed})
		},
	}
	flags.register(cmd)
	changes.register(cmd)
	foreign.register(cmd)
	cmd.Flags().Uint64Var(&seed, "seed", 0, "seed of everything random (default: another one each time)")
	return cmd
}

func replayCommand() *cobra.Command {
	var flags runFlags
	var foreign foreignFlags
	cmd := &cobra.Command{
		Use:   "replay RUN",
		Short: "Carry out the plan of a stored run again",
		Args:  oneArgument("run directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			stored, err := harness.ReadStored(args[0])
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("runtime") {
				flags.runtime = stored.Meta.Runtime
			}
			if !cmd.Flags().Changed("mount") {
				flags.mount = stored.Meta.Mount
			}
			if err := foreign.ask(cmd); err != nil {
				return err
			}
			if err := foreign.again(cmd, &stored); err != nil {
				return err
			}
			flags.stored, flags.mounts, flags.hooks = args[0], stored.Scenario.Mounts, foreign.hooks
			return carryOut(cmd, flags, harness.Request{Scenario: stored.Scenario, Seed: stored.Meta.Seed, Plan: stored.Plan})
		},
	}
	flags.register(cmd)
	foreign.register(cmd)
	return cmd
}

// carryOut chooses where the request runs, runs and judges it, and writes the reports.
func carryOut(cmd *cobra.Command, flags runFlags, request harness.Request) error {
	dir, runErr, err := execute(cmd.Context(), cmd.ErrOrStderr(), flags, request)
	if err != nil {
		return err
	}
	return conclude(cmd.Context(), cmd, flags, dir, runErr)
}

// execute chooses where the request runs, and runs it. dir is where the record is, and runErr why it may not be whole; err is why there is none.
func execute(ctx context.Context, stderr io.Writer, flags runFlags, request harness.Request) (dir string, runErr, err error) {
	known := hooked(flags.hooks)
	if request.Plan == nil {
		if request.Plan, err = harness.Plan(request.Scenario, request.Seed, known); err != nil {
			return "", nil, usageError{flags.source.Locate(err)}
		}
	}
	chosen, err := choose(ctx, flags)
	if err != nil {
		return "", nil, err
	}
	binary, err := os.Executable()
	if err != nil {
		return "", nil, fmt.Errorf("finding the executable that the nodes run: %w", err)
	}
	if flags.dir == "" {
		flags.dir = harness.RunDirectoryName("runs", request.Scenario.Name, request.Seed, time.Now())
	}
	if request.Dir, err = filepath.Abs(flags.dir); err != nil {
		return "", nil, fmt.Errorf("finding the run directory: %w", err)
	}
	if len(flags.mounts) > 0 {
		if err := tryMounts(ctx, binary, flags.mounts); err != nil {
			return "", nil, err
		}
	}
	request.Mount, request.Binary, request.Version = chosen.mount, binary, version()
	request.Log = logger(stderr, flags.verbose)
	place := faults.Simulation
	if chosen.driver != nil {
		place = chosen.driver.Name()
	}
	if err := elsewhere(request.Plan, known, place); err != nil {
		return "", nil, usageError{err}
	}
	if chosen.driver == nil {
		runErr, err := runSimulated(ctx, request, flags.verbose, stderr)
		if err == nil && flags.stored != "" {
			compareCourses(stderr, flags.stored, request.Dir)
		}
		return request.Dir, runErr, err
	}
	request.Runtime = cluster.In(chosen.driver)
	progress, err := progressOn(stderr, request, chosen.why)
	if err != nil {
		return "", nil, err
	}
	request.Progress = progress
	runErr = harness.Run(ctx, request, known)
	progress.Close()
	if runErr != nil && (errors.Is(runErr, harness.ErrRunDirectory) || !recorded(request.Dir)) {
		return "", nil, runErr // what is there is not of this run
	}
	return request.Dir, runErr, nil
}

// elsewhere says why a plan cannot be carried out in a runtime, nil where it can.
func elsewhere(plan []history.Step, known harness.Catalog, runtime string) error {
	for _, step := range plan {
		if step.When != nil && step.When.Failpoint != "" && runtime != faults.Simulation {
			return fmt.Errorf("step %d, %s, waits for a failpoint, which there are in a simulation only: use --runtime simulation, or `codastress simulate`",
				step.Number, step.Name)
		}
		fault, err := known.Fault(step.Name)
		if step.Kind != "fault" || err != nil || fault.Only == "" || fault.Only == runtime {
			continue
		}
		if fault.Only == faults.Simulation {
			return fmt.Errorf("step %d, %s, can be done in a simulation only: use --runtime simulation, or `codastress simulate`", step.Number, step.Name)
		}
		return fmt.Errorf("step %d, %s, cannot be done in %s: use --runtime %s", step.Number, step.Name, runtime, fault.Only)
	}
	return nil
}

// conclude judges what was recorded, writes the reports and prints the summary.
func conclude(ctx context.Context, cmd *cobra.Command, flags runFlags, dir string, runErr error) error {
	result, overall, err := judgeRun(ctx, cmd.ErrOrStderr(), dir, runErr)
	if err != nil {
		return err
	}
	_, unreported := writeReports(dir, result)
	out := cmd.OutOrStdout()
	if flags.asJSON {
		err = report.JSON(out, result)
	} else {
		err = report.Terminal(out, result, terminalOptions(out))
	}
	if err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	if unreported != nil && overall == history.Pass {
		return unreported
	} else if unreported != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), "codastress:", unreported)
	}
	return verdictOf(overall)
}

// judgeRun judges what was recorded of a run. One whose cluster was lost or that was interrupted is not judged: the error says where its record is.
func judgeRun(ctx context.Context, stderr io.Writer, dir string, runErr error) (result report.Result, overall history.Result, err error) {
	switch {
	case ctx.Err() != nil:
		return result, overall, endedError{fmt.Errorf("interrupted (%w)", ctx.Err()), relative(dir)}
	case errors.Is(runErr, errBroken) && !recorded(dir):
		return result, overall, runErr
	case errors.Is(runErr, errBroken), errors.Is(runErr, harness.ErrTask) && !errors.Is(runErr, harness.ErrCluster):
		fmt.Fprintln(stderr, "codastress:", runErr)
	case runErr != nil:
		return result, overall, endedError{runErr, relative(dir)}
	}
	if result, err = judgeStored(dir); err != nil {
		return result, overall, err
	}
	if overall = history.Overall(result.Verdicts); errors.Is(runErr, errBroken) {
		overall = history.Fail
	}
	return result, overall, nil
}

// recorded says whether a run got as far as its record.
func recorded(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, harness.PlanFile))
	return err == nil
}

// relative shortens a path for people, where it lies below the working directory.
func relative(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if short, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(short) {
		return short
	}
	return path
}

func logger(w io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}
