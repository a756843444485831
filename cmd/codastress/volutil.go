package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/system/wire/controlpb"
)

// errUnsound says that a server has something that is wrong and cannot be mended.
var errUnsound = errors.New("the server is not sound")

// volutilCommand is Coda's program for the volumes of a server.
func volutilCommand() *cobra.Command {
	tool := controlSocket{daemon: cluster.Codasrv}
	cmd := tool.program("volutil", "Look after the volumes of a running codasrv: of several, those are made and changed on that in slot 0", time.Hour)
	add := func(name, help string, do func(context.Context, controlpb.CodasrvControlClient, io.Writer) error) {
		cmd.AddCommand(&cobra.Command{Use: name, Short: help, Args: noArguments, RunE: func(cmd *cobra.Command, _ []string) error {
			err := tool.askCodasrv(cmd.Context(), func(ctx context.Context, codasrv controlpb.CodasrvControlClient) error {
				return do(ctx, codasrv, cmd.OutOrStdout())
			})
			if err != nil {
				return fmt.Errorf("volutil %s: %w", name, err)
			}
			return nil
		}})
	}
	add("fsck", "Check everything that the server keeps, and change nothing", fsck)
	add("salvage", "Verify the contents of all files, and replace what is rotten by what other replicas have", salvage)
	cmd.AddCommand(volumeCommands(&tool)...)
	return cmd
}

func fsck(ctx context.Context, codasrv controlpb.CodasrvControlClient, out io.Writer) error {
	found, err := codasrv.Fsck(ctx, &controlpb.FsckRequest{})
	if err != nil {
		return err
	}
	for _, problem := range found.Problems {
		fmt.Fprintln(out, problem)
	}
	fmt.Fprintf(out, "%d objects, %d problems\n", found.Objects, len(found.Problems))
	if len(found.Problems) > 0 {
		return errUnsound
	}
	return nil
}

func salvage(ctx context.Context, codasrv controlpb.CodasrvControlClient, out io.Writer) error {
	found, err := codasrv.Salvage(ctx, &controlpb.SalvageRequest{})
	if err != nil {
		return err
	}
	for _, line := range append(found.Mended, found.Lost...) {
		fmt.Fprintln(out, line)
	}
	fmt.Fprintf(out, "%d files in containers, %d mended, %d lost\n", found.Files, len(found.Mended), len(found.Lost))
	if len(found.Lost) > 0 {
		return errUnsound
	}
	return nil
}
