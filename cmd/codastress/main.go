package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/codastress/codastress/harness/nearest"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run carries out one command line and returns the exit status. The first interrupt ends the command in order, teardown included;
// a second one ends the process at once, and the nodes end by themselves when the heartbeat stops.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err != nil && !errors.Is(err, errSaid) {
		fmt.Fprintln(stderr, "codastress:", strings.ReplaceAll(err.Error(), "\n", "\n    "))
	}
	if ctx.Err() != nil && err != nil {
		return exitInterrupted
	}
	return exitStatus(err)
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "codastress",
		Short: "Fault injection and load testing for a Coda-style distributed file system",
		Long: "codastress starts a cluster of a Coda-style distributed file system behind Toxiproxy, loads it, hurts it, and says\n" +
			"whether anything hung, was lost or did not converge.\n\n" +
			exitHelp,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w: see `%s --help`", err, cmd.CommandPath())}
	})
	root.AddCommand(
		runCommand(), replayCommand(), compareCommand(), simulateCommand(), shrinkCommand(),
		checkCommand(), reportCommand(), historyCommand(),
		listCommand(), explainCommand(), schemaCommand(),
		cfsCommand(), hoardCommand(), volutilCommand(), clogCommand(), cunlogCommand(), ctokensCommand(), pdbtoolCommand(), cleanCommand(), imageCommand(), versionCommand(),
		nodeCommand(),
	)
	return root
}

// noArguments is cobra.NoArgs with the right exit status, and a suggestion for a mistyped command.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.HasSubCommands() {
		var known []string
		for _, sub := range cmd.Commands() {
			if !sub.Hidden {
				known = append(known, sub.Name())
			}
		}
		return usageError{errors.New(nearest.Unknown("command", args[0], known))}
	}
	return usageError{fmt.Errorf("unexpected argument %q: see `%s --help`", args[0], cmd.CommandPath())}
}

// oneArgument wants exactly one argument, and says which.
func oneArgument(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageError{fmt.Errorf("want one %s, got %d arguments: see `%s --help`", what, len(args), cmd.CommandPath())}
		}
		return nil
	}
}
