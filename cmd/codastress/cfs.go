package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/system/venus/cfs"
	"github.com/codastress/codastress/system/venusfs"
	"github.com/codastress/codastress/system/wire/controlpb"
)

func cfsCommand() *cobra.Command {
	return venusTool("cfs", "Ask a running venus, or tell it what to do", cfs.Commands())
}

func hoardCommand() *cobra.Command {
	return venusTool("hoard", "Tell a running venus what to have at hand while no server is reachable", cfs.HoardCommands())
}

// venusTool is one of Coda's programs that talk to venus.
func venusTool(name, help string, commands []cfs.Command) *cobra.Command {
	venus := &controlSocket{daemon: cluster.Venus}
	cmd := venus.program(name, help, time.Minute)
	for _, one := range commands {
		cmd.AddCommand(venusSubcommand(name, one, venus))
	}
	return cmd
}

// venusSubcommand is one of Coda's commands.
func venusSubcommand(tool string, one cfs.Command, venus *controlSocket) *cobra.Command {
	var in cfs.Input
	var contents string
	sub := &cobra.Command{Use: one.Name, Short: one.Help, Args: noArguments}
	switch one.Path {
	case cfs.MayHavePath:
		sub.Use, sub.Args = one.Name+" [PATH]", pathArgument(0, 1)
	case cfs.NeedsPath:
		sub.Use, sub.Args = one.Name+" PATH", pathArgument(1, 1)
	}
	if one.More != "" {
		sub.Use, sub.Args = sub.Use+" ["+one.More+"]", pathArgument(1, 2)
	}
	if one.Pairs {
		sub.Use, sub.Args = sub.Use+" [NAME RIGHTS]...", pairsArgument
	}
	for _, flag := range one.Flags {
		switch flag {
		case cfs.FlagAll:
			sub.Flags().BoolVar(&in.All, flag, false, "all objects in conflict")
		case cfs.FlagKeep:
			sub.Flags().StringVar(&in.Keep, flag, "", "the version to keep: local, global or both")
		case cfs.FlagClear:
			sub.Flags().BoolVar(&in.Clear, flag, false, "all other entries go")
		case cfs.FlagNegative:
			sub.Flags().BoolVar(&in.Negative, flag, false, "the rights are taken, whatever else gives them")
		case cfs.FlagUID:
			sub.Flags().Uint32Var(&in.UID, flag, uint32(os.Getuid()), "the local user who asks")
		case cfs.FlagContents:
			sub.Flags().StringVar(&contents, flag, "", "a file with the contents that take the place of both versions")
		}
	}
	sub.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if err := venus.chosen(); err != nil {
			return err
		}
		if len(args) > 0 {
			if in.Path, err = volumePath(args[0]); err != nil {
				return err
			}
		}
		if one.Pairs {
			in.Words = args[1:]
		} else if len(args) > 1 {
			in.More = args[1]
		}
		if contents != "" {
			if in.Contents, err = os.ReadFile(contents); err != nil {
				return err
			}
		}
		return venus.askVenus(cmd.Context(), func(ctx context.Context, control controlpb.VenusControlClient) error {
			if err := one.Run(ctx, control, cmd.OutOrStdout(), in); err != nil {
				return fmt.Errorf("%s %s: %w", tool, one.Name, err)
			}
			return nil
		})
	}
	if one.Short != "" {
		sub.Aliases = []string{one.Short}
	}
	return sub
}

// pathArgument accepts a path and what may follow it.
func pathArgument(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usageError{fmt.Errorf("name a path: see `%s --help`", cmd.CommandPath())}
		case len(args) > most:
			return usageError{fmt.Errorf("unexpected argument %q: see `%s --help`", args[most], cmd.CommandPath())}
		default:
			return nil
		}
	}
}

// pairsArgument accepts a path with pairs behind it.
func pairsArgument(cmd *cobra.Command, args []string) error {
	if len(args)%2 != 1 {
		return usageError{fmt.Errorf("name a path, and then names with rights behind them: see `%s --help`", cmd.CommandPath())}
	}
	return nil
}

// volumePath is a path from the root of the volume for one on a mount; others are that already.
func volumePath(path string) (string, error) {
	if _, below, mounted, err := venusfs.InMount(path); err != nil || mounted {
		return below, err
	}
	return strings.Trim(filepath.Clean("/"+path), "/"), nil
}
