package main

import (
	"context"
	"errors"
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
	var dir string
	cmd := &cobra.Command{
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
			workplaces, looking := cleanWorkplaces(dir)
			for _, folder := range workplaces {
				fmt.Fprintln(cmd.OutOrStdout(), "removed folder", relative(mustAbs(folder)), "of a simulation")
			}
			if err := errors.Join(err, looking); err != nil {
				return fmt.Errorf("%w: cleaning: %w", harness.ErrCluster, err)
			}
			if len(removed)+len(workplaces) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "nothing was left behind")
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "runs", "the folder of the run directories, in which killed simulations may have left something")
	return cmd
}
