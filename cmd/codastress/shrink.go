package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/codastress/codastress/harness"
	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/harness/scenario"
	"github.com/codastress/codastress/harness/shrink"
)

// shrinkFlags are what the search for a small scenario is told.
type shrinkFlags struct {
	tries, jobs int
	budget      time.Duration
	dir         string
}

func shrinkCommand() *cobra.Command {
	var flags shrinkFlags
	cmd := &cobra.Command{
		Use:   "shrink RUN",
		Short: "Find the smallest scenario that still fails as a stored run did",
		Long: "Shrink takes the scenario and the faults of a run that failed, leaves out and makes smaller what it can, and keeps what still fails the same check.\n" +
			"Everything runs in virtual time, each smaller scenario with some seeds. The smallest one is kept as the run directory of a failing run, whose\n" +
			"scenario.yaml is a scenario like any other.\n\n" + exitHelp,
		Example: "  codastress shrink runs/20261126-120000-mass-delete-7 --tries 20 --budget 10m",
		Args:    oneArgument("run directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if flags.tries < 1 || flags.jobs < 1 {
				return usageError{errors.New("tries and jobs: at least one of each is needed")}
			}
			return shrinkRun(cmd.Context(), args[0], flags, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.IntVar(&flags.tries, "tries", 10, "seeds to run of a smaller scenario before it counts as one that passes")
	f.IntVar(&flags.jobs, "jobs", runtime.NumCPU(), "runs at the same time; each takes one processor")
	f.DurationVar(&flags.budget, "budget", 0, "time after which the smallest scenario so far is the answer (default: none)")
	f.StringVar(&flags.dir, "dir", "runs", "the folder where the smallest run that fails is kept")
	return cmd
}

// shrinkRun finds the smallest scenario that fails as a stored run did.
func shrinkRun(ctx context.Context, dir string, flags shrinkFlags, stdout, stderr io.Writer) (err error) {
	stored, err := harness.ReadStored(dir)
	if err != nil {
		return err
	}
	if err := onlyOurs(stored.Scenario, "shrink"); err != nil {
		return err
	}
	failed, err := howItFailed(dir)
	if err != nil {
		return err
	}
	work, err := openWorkplace(flags.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, work.close()) }()
	within := ctx
	if flags.budget > 0 {
		var cancel context.CancelFunc
		within, cancel = context.WithTimeout(ctx, flags.budget)
		defer cancel()
	}
	t := &trials{failed: failed, seed: stored.Meta.Seed, flags: flags, work: work}
	fmt.Fprintf(stderr, "looking for a smaller scenario that fails: %s\n", strings.Join(failed, ", "))
	sc := fixed(stored.Scenario, stored.Plan)
	switch fails, err := t.try(within, sc); {
	case err != nil:
		return err
	case !fails:
		fmt.Fprintf(stdout, "UNDECIDED  with %d seeds, the scenario of %s does not fail like this in virtual time: try more with --tries\n", flags.tries, dir)
		return verdictOf(history.Undecided)
	}
	search := shrink.Search{Parameters: shrinkable(catalog()), Try: t.try, Tell: func(step shrink.Step) { say(stderr, step) }}
	if sc, err = search.Shrink(within, sc); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return t.conclude(sc, stdout)
}

func say(w io.Writer, step shrink.Step) {
	answer := "passes"
	if step.Fails {
		answer = "still fails"
	}
	fmt.Fprintf(w, "  %-40s %s\n", step.What, answer)
}

// howItFailed names the checks that a stored run failed, or errBroken.
func howItFailed(dir string) ([]string, error) {
	if _, err := os.Stat(filepath.Join(dir, outputFile)); err == nil {
		return []string{errBroken.Error()}, nil
	}
	result, err := judgeStored(dir)
	if err != nil {
		return nil, err
	}
	failed := failedOf(result.Verdicts)
	if len(failed) == 0 {
		return nil, usageError{fmt.Errorf("%s did not fail, so there is nothing to shrink", dir)}
	}
	return failed, nil
}

// failedOf names the checks that failed.
func failedOf(verdicts []history.Verdict) []string {
	var failed []string
	for _, verdict := range verdicts {
		if verdict.Result == history.Fail && !verdict.Expected {
			failed = append(failed, verdict.Check)
		}
	}
	return failed
}

// fixed is a scenario whose faults are those of a plan, at their times.
func fixed(sc scenario.Scenario, plan []history.Step) scenario.Scenario {
	sc.Faults.Must, sc.Faults.Mix, sc.Faults.Steps = nil, nil, nil
	for _, step := range plan {
		if step.Kind == "fault" {
			sc.Faults.Steps = append(sc.Faults.Steps, scenario.Step{Name: step.Name, Nodes: step.Nodes, Start: step.Start, When: step.When, Length: step.Length, Args: step.Args})
		}
	}
	slices.SortStableFunc(sc.Faults.Steps, func(a, b scenario.Step) int { return cmp.Compare(a.Start, b.Start) })
	return sc
}

// shrinkable are the parameters of each workload.
func shrinkable(known harness.Catalog) map[string][]shrink.Parameter {
	parameters := map[string][]shrink.Parameter{}
	for _, workload := range known.Workloads {
		for _, p := range workload.Parameters {
			parameters[workload.Name] = append(parameters[workload.Name], shrink.Parameter{Name: p.Name, Default: p.Default})
		}
	}
	return parameters
}

// trials runs smaller scenarios, and keeps the run of the last that failed.
type trials struct {
	failed []string // how it has to fail
	seed   uint64   // the first to run; the others follow it
	flags  shrinkFlags
	work   *workplace

	smallest outcome
}

// try runs a scenario with some seeds, and says whether one of them failed as the first run did.
func (t *trials) try(ctx context.Context, sc scenario.Scenario) (bool, error) {
	known := catalog()
	if _, err := harness.Plan(sc, t.seed, known); err != nil {
		return false, nil //nolint:nilerr // a proposal that cannot be planned is no scenario
	}
	text, err := sc.Marshal()
	if err != nil {
		return false, fmt.Errorf("writing the scenario: %w", err)
	}
	c := &campaign{
		first: t.seed, last: t.seed + uint64(t.flags.tries) - 1, jobs: t.flags.jobs, out: io.Discard,
		run: func(ctx context.Context, seed uint64) (outcome, error) {
			plan, err := harness.Plan(sc, seed, known)
			if err != nil {
				return outcome{}, err
			}
			o, err := simulateSeed(ctx, sc.Name, order{Scenario: string(text), Plan: plan, Seed: seed, Version: version()}, t.work, t.work.folder)
			if err != nil || slices.ContainsFunc(o.failed, func(how string) bool { return slices.Contains(t.failed, how) }) {
				return o, err
			}
			return outcome{seed: seed, result: history.Pass}, t.drop(o) // whatever else it did
		},
	}
	total, err := c.carryOut(ctx)
	if err != nil || len(total.failed) == 0 {
		return false, err
	}
	if err := t.drop(t.smallest); err != nil {
		return false, err
	}
	t.smallest = total.failed[0]
	for _, more := range total.failed[1:] {
		if err := t.drop(more); err != nil {
			return false, err
		}
	}
	return true, nil
}

// drop removes the run directory of an outcome, if it has one.
func (t *trials) drop(o outcome) error {
	if o.dir == "" {
		return nil
	}
	return removeAll(o.dir)
}

// conclude keeps the run of the smallest scenario, and says what it is.
func (t *trials) conclude(sc scenario.Scenario, stdout io.Writer) error {
	kept := filepath.Join(t.flags.dir, filepath.Base(t.smallest.dir))
	if err := os.Rename(t.smallest.dir, kept); err != nil {
		return fmt.Errorf("%w: keeping the smallest run: %w", harness.ErrRunDirectory, err)
	}
	t.smallest.dir = kept
	text, err := sc.Marshal()
	if err != nil {
		return fmt.Errorf("writing the scenario: %w", err)
	}
	fmt.Fprintf(stdout, "%s\n", text)
	t.smallest.print(stdout)
	return verdictOf(history.Fail)
}
