package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/codastress/codastress/harness"
	"github.com/codastress/codastress/harness/cluster/containers"
)

func imageCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "image",
		Short: "Load the image of the nodes into the container engine",
		Long:  "Image builds the container image that all nodes of a run are started from, of nothing but this executable.\nA run does the same by itself where the image is not there.",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			executable, err := os.Executable()
			if err != nil {
				return fmt.Errorf("finding the executable: %w", err)
			}
			name, err := containers.LoadImage(cmd.Context(), executable)
			if err != nil {
				return fmt.Errorf("%w: building the image: %w", harness.ErrCluster, err)
			}
			fmt.Fprintln(cmd.OutOrStdout(), name)
			return nil
		},
	}
}
