package main

import (
	"bufio"
	"fmt"

	"github.com/codastress/codastress/harness"
	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/harness/report"
	"github.com/spf13/cobra"
)

func checkCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check RUN",
		Short: "Judge a stored run again, offline",
		Long:  "Check reads the history in a run directory and lets every check look at it, as the run did when it ended.\nA directory that a killed run left is read as far as it goes.",
		Args:  oneArgument("run directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			result, err := judgeStored(args[0])
			if err != nil {
				return err
			}
			if asJSON {
				err = report.JSON(cmd.OutOrStdout(), result)
			} else {
				err = report.Terminal(cmd.OutOrStdout(), result, terminalOptions(cmd.OutOrStdout()))
			}
			if err != nil {
				return fmt.Errorf("writing the result: %w", err)
			}
			return verdictOf(history.Overall(result.Verdicts))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print result.json instead of the summary")
	return cmd
}

func reportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "report RUN",
		Short: "Write result.json, junit.xml and report.html of a stored run again",
		Args:  oneArgument("run directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			result, err := judgeStored(args[0])
			if err != nil {
				return err
			}
			files, err := writeReports(args[0], result)
			for _, file := range files {
				fmt.Fprintln(cmd.OutOrStdout(), file)
			}
			return err
		},
	}
}

func historyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "history RUN",
		Short: "Print the history of a stored run as JSON Lines",
		Args:  oneArgument("run directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			run, err := readRun(args[0])
			if err != nil {
				return err
			}
			out := bufio.NewWriter(cmd.OutOrStdout())
			if err := history.JSONLines(out, run); err != nil {
				return fmt.Errorf("printing the history: %w", err)
			}
			return out.Flush()
		},
	}
}

// readRun reads a run directory, which a mistyped path is not.
func readRun(dir string) (*history.Run, error) {
	run, err := history.ReadRun(dir)
	if err != nil {
		return nil, fmt.Errorf("%w: reading %s: %w", harness.ErrRunDirectory, dir, err)
	}
	return run, nil
}

// judgeStored reads a run directory and judges it, also by what its scenario expects.
func judgeStored(dir string) (report.Result, error) {
	run, err := readRun(dir)
	if err != nil {
		return report.Result{}, err
	}
	stored, err := harness.ReadStored(dir)
	if err != nil {
		return report.Result{}, err
	}
	return report.Result{Run: run, Dir: dir, Verdicts: harness.Expect(harness.Judge(run, catalog().Checks), stored.Scenario.Symptoms())}, nil
}
