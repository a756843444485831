package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/codastress/codastress/system/venus/cfs"
	"github.com/codastress/codastress/system/venus/direct"
)

// socketVariable names venus's control socket where no flag does.
const socketVariable = "CODASTRESS_VENUS"

func cfsCommand() *cobra.Command {
	var socket string
	var patience time.Duration
	cmd := &cobra.Command{
		Use:   "cfs",
		Short: "Ask a running venus, or tell it what to do",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&socket, "socket", os.Getenv(socketVariable), "venus's control socket (default: $"+socketVariable+")")
	flags.DurationVar(&patience, "patience", time.Minute, "how long to wait for venus")
	for _, one := range cfs.Commands() {
		sub := &cobra.Command{
			Use:   one.Name,
			Short: one.Help,
			Args:  noArguments,
			RunE: func(cmd *cobra.Command, _ []string) error {
				if socket == "" {
					return usageError{fmt.Errorf("which venus? name its control socket with --socket or in %s", socketVariable)}
				}
				venus, err := direct.Dial(socket)
				if err != nil {
					return fmt.Errorf("venus's control socket: %w", err)
				}
				defer venus.Close() //nolint:errcheck // the answer was printed
				ctx, cancel := context.WithTimeout(cmd.Context(), patience)
				defer cancel()
				if err := one.Run(ctx, venus.Control(), cmd.OutOrStdout()); err != nil {
					return fmt.Errorf("cfs %s: %w", one.Name, err)
				}
				return nil
			},
		}
		if one.Short != "" {
			sub.Aliases = []string{one.Short}
		}
		cmd.AddCommand(sub)
	}
	return cmd
}
