package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/codastress/codastress/harness"
	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/cluster/containers"
	"github.com/codastress/codastress/harness/cluster/processes"
)

// drivers are the runtimes, the preferred one first.
func drivers() []cluster.Driver {
	return []cluster.Driver{containers.New(), processes.New()}
}

// sweepers find what runs of each runtime left.
func sweepers() []cluster.Sweeper {
	return []cluster.Sweeper{containers.New(), processes.New()}
}

func cleanCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "clean",
		Short: "Remove what killed runs left behind",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), time.Minute)
			defer cancel()
			removed, err := cluster.Clean(ctx, sweepers()...)
			for _, one := range removed {
				fmt.Fprintln(cmd.OutOrStdout(), "removed", one)
			}
			if err != nil {
				return fmt.Errorf("%w: cleaning: %w", harness.ErrCluster, err)
			}
			if len(removed) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "nothing was left behind")
			}
			return nil
		},
	}
}
