package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/codastress/codastress/faults"
	"github.com/codastress/codastress/harness"
	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/harness/scenario"
)

// simulateFlags are what the search for a failing seed is told.
type simulateFlags struct {
	seeds     string
	jobs      int
	budget    time.Duration
	keepGoing bool
	dir       string
	scenarioFlags
}

func simulateCommand() *cobra.Command {
	var flags simulateFlags
	cmd := &cobra.Command{
		Use:   "simulate SCENARIO",
		Short: "Run a scenario in virtual time with many seeds, and stop at one that fails",
		Long: "Simulate runs the whole cluster inside one process a seed, where time passes only when everything waits, and judges each run.\n" +
			"Each seed has its own plan, network and order of events. A run that fails is kept, with the command that replays it.\n\n" + exitHelp,
		Example: "  codastress simulate mass-delete --seeds 1..1000\n" +
			"  codastress simulate mass-delete --set workload.pages=270 --set workload.delete=90 --budget 10m --keep-going",
		Args: oneArgument("scenario"),
		RunE: func(cmd *cobra.Command, args []string) error {
			sc, err := flags.load(cmd, args[0])
			if err != nil {
				return err
			}
			return search(cmd.Context(), sc, flags, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&flags.seeds, "seeds", "1..100", "the seeds to run: N, or FIRST..LAST")
	f.IntVar(&flags.jobs, "jobs", runtime.NumCPU(), "runs at the same time; each takes one processor")
	f.DurationVar(&flags.budget, "budget", 0, "time after which no run begins any more (default: none)")
	f.BoolVar(&flags.keepGoing, "keep-going", false, "go on after a failure")
	f.StringVar(&flags.dir, "dir", "runs", "the folder where the directories of runs that fail are kept")
	flags.register(cmd)
	return cmd
}

// parseSeeds reads N or FIRST..LAST.
func parseSeeds(text string) (first, last uint64, err error) {
	from, to, found := strings.Cut(text, "..")
	if !found {
		to = from
	}
	first, err = strconv.ParseUint(from, 10, 64)
	if err == nil {
		last, err = strconv.ParseUint(to, 10, 64)
	}
	if err != nil || last < first {
		return 0, 0, usageError{fmt.Errorf("seeds: %q is neither a number nor two, the smaller first, as in 1..1000", text)}
	}
	return first, last, nil
}

// search simulates seed after seed.
func search(ctx context.Context, sc scenario.Scenario, flags simulateFlags, stdout, stderr io.Writer) (err error) {
	if err := onlyOurs(sc, "search"); err != nil {
		return err
	}
	first, last, err := parseSeeds(flags.seeds)
	if err != nil {
		return err
	}
	if flags.jobs < 1 {
		return usageError{fmt.Errorf("jobs: %d is not possible: at least one run is needed at a time", flags.jobs)}
	}
	if _, err := planSimulated(sc, first); err != nil {
		return usageError{flags.source.Locate(err)}
	}
	text, err := sc.Marshal()
	if err != nil {
		return fmt.Errorf("writing the scenario: %w", err)
	}
	work, err := openWorkplace(flags.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, work.close()) }()
	c := &campaign{
		first: first, last: last, jobs: flags.jobs, budget: flags.budget, keepGoing: flags.keepGoing, out: stderr, terminal: terminalWidth(stderr) > 0,
		run: func(ctx context.Context, seed uint64) (outcome, error) {
			plan, err := planSimulated(sc, seed)
			if err != nil {
				return outcome{}, err
			}
			return simulateSeed(ctx, sc.Name, order{Scenario: string(text), Plan: plan, Seed: seed, Version: version()}, work, flags.dir)
		},
	}
	total, err := c.carryOut(ctx)
	total.print(stdout)
	if err != nil {
		return err
	}
	return verdictOf(total.result())
}

// planSimulated plans a run that a simulation can carry out.
func planSimulated(sc scenario.Scenario, seed uint64) ([]history.Step, error) {
	plan, err := harness.Plan(sc, seed, catalog())
	if err == nil {
		err = elsewhere(plan, catalog(), faults.Simulation)
	}
	return plan, err
}

// simulateSeed simulates and judges one seed. The run directory is kept unless the run passed.
func simulateSeed(ctx context.Context, name string, what order, work *workplace, dir string) (o outcome, err error) {
	folder, err := work.room()
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, removeAll(folder)) }()
	a, taken, err := simulate(ctx, what, folder, io.Discard)
	if err != nil {
		return o, err
	}
	o = outcome{seed: what.Seed, cost: taken, simulated: a.Simulated, exact: a.Exact}
	o.result, o.why = a.overall()
	if o.failed = failedOf(a.Verdicts); errors.Is(a.err(), errBroken) {
		o.failed = []string{errBroken.Error()}
	}
	if o.result != history.Pass {
		o.dir = harness.RunDirectoryName(dir, name, what.Seed, time.Now())
		if err := keep(folder, o.dir); err != nil {
			return o, err
		}
		if a.Problem == "" || a.Problem == problemTask || a.Problem == problemLeft {
			result, err := judgeStored(o.dir)
			if err == nil {
				_, err = writeReports(o.dir, result)
			}
			if err != nil {
				return o, err
			}
		}
	}
	return o, nil
}

// overall is what came of a simulated run, and the reasons where it did not pass.
func (a answer) overall() (history.Result, []string) {
	result := history.Overall(a.Verdicts)
	var why []string
	for _, verdict := range a.Verdicts {
		if verdict.Result == result && result != history.Pass && !verdict.Expected {
			why = append(why, verdict.Check+": "+verdict.Summary)
		}
	}
	switch err := a.err(); {
	case a.Problem == "" || a.Problem == problemTask:
		if a.Verdicts == nil {
			result, why = history.Undecided, append(why, "nothing was judged")
		}
	case errors.Is(err, errBroken):
		result, why = history.Fail, append(why, err.Error())
	default:
		result, why = max(result, history.Undecided), append(why, err.Error())
	}
	return result, why
}

// replay is the command that carries out the run of an outcome again.
func (o outcome) replay() string { return "codastress replay " + relative(mustAbs(o.dir)) }

func mustAbs(path string) string {
	if absolute, err := filepath.Abs(path); err == nil {
		return absolute
	}
	return path
}
