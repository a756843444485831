package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/codastress/codastress/system/auth"
	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire/controlpb"
	"github.com/codastress/codastress/system/wire/vicepb"
)

// volumeCommands are the parts of volutil that say which volumes there are.
func volumeCommands(tool *controlSocket) []*cobra.Command {
	var rootACL string
	var quota controlpb.VolumesRequest
	change := func(use, help string, change controlpb.VolumeChange, prepare func(*controlpb.VolumesRequest) error) *cobra.Command {
		return &cobra.Command{Use: use + " VOLUME", Short: help, Args: exactArguments(1), RunE: func(cmd *cobra.Command, args []string) error {
			request := &controlpb.VolumesRequest{Change: change, Name: args[0]}
			if prepare != nil {
				if err := prepare(request); err != nil {
					return err
				}
			}
			if _, err := askVolumes(cmd.Context(), tool, request); err != nil {
				return fmt.Errorf("volutil %s: %w", use, err)
			}
			return nil
		}}
	}
	create := change("create", "make a volume, to be mounted with cfs mkmount", controlpb.VolumeChange_VOLUME_CHANGE_CREATE, func(r *controlpb.VolumesRequest) error {
		acl, err := auth.ParseACL(strings.Fields(rootACL))
		if err != nil {
			return usageError{fmt.Errorf("--root-acl: %w", err)}
		}
		r.RootAcl = []byte(acl)
		return nil
	})
	create.Flags().StringVar(&rootACL, "root-acl", "", "who may do what in it, as names and rights in turn; without, as codasrv's own flag says")
	setQuota := change("setquota", "bound what a volume may hold", controlpb.VolumeChange_VOLUME_CHANGE_QUOTA, func(r *controlpb.VolumesRequest) error {
		r.QuotaBytes, r.QuotaObjects = quota.QuotaBytes, quota.QuotaObjects
		return nil
	})
	setQuota.Flags().Uint64Var(&quota.QuotaBytes, "bytes", 0, "of the contents of all its files together; 0 for no bound")
	setQuota.Flags().Uint64Var(&quota.QuotaObjects, "objects", 0, "files, directories and symlinks; 0 for no bound")
	return []*cobra.Command{
		create, setQuota,
		change("lock", "refuse changes of a volume as busy, until it is unlocked: clients keep them and try again", controlpb.VolumeChange_VOLUME_CHANGE_LOCK, nil),
		change("unlock", "end a lock", controlpb.VolumeChange_VOLUME_CHANGE_UNLOCK, nil),
		change("purge", "remove a volume with everything in it", controlpb.VolumeChange_VOLUME_CHANGE_PURGE, nil),
		volumeInfoCommand(tool), volumeListCommand(tool), dumpCommand(tool), restoreCommand(tool),
	}
}

// askVolumes asks for a change of volumes, or for none, and gives those that there are then.
func askVolumes(ctx context.Context, tool *controlSocket, request *controlpb.VolumesRequest) (volumes []*vicepb.VolumeReply, err error) {
	err = tool.askCodasrv(ctx, func(ctx context.Context, codasrv controlpb.CodasrvControlClient) error {
		reply, err := codasrv.Volumes(ctx, request)
		volumes = reply.GetVolumes()
		return err
	})
	return volumes, err
}

func volumeListCommand(tool *controlSocket) *cobra.Command {
	return &cobra.Command{Use: "getvolumelist", Aliases: []string{"list"}, Short: "list the volumes", Args: noArguments, RunE: func(cmd *cobra.Command, _ []string) error {
		volumes, err := askVolumes(cmd.Context(), tool, &controlpb.VolumesRequest{})
		if err != nil {
			return fmt.Errorf("volutil getvolumelist: %w", err)
		}
		w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		for _, v := range volumes {
			fmt.Fprintf(w, "%s\t%x\t%d bytes\t%d objects\n", v.Name, v.Volume, v.UsedBytes, v.UsedObjects)
		}
		return w.Flush()
	}}
}

func volumeInfoCommand(tool *controlSocket) *cobra.Command {
	return &cobra.Command{Use: "info VOLUME", Short: "show what a volume holds and may hold", Args: exactArguments(1), RunE: func(cmd *cobra.Command, args []string) error {
		volumes, err := askVolumes(cmd.Context(), tool, &controlpb.VolumesRequest{})
		if err != nil {
			return fmt.Errorf("volutil info: %w", err)
		}
		for _, v := range volumes {
			if v.Name == args[0] {
				return describeVolume(cmd.OutOrStdout(), v)
			}
		}
		return fmt.Errorf("volutil info: %w", coda.Errorf("find volume", coda.NotFound, "%q; `volutil getvolumelist` lists those that there are", args[0]))
	}}
}

func describeVolume(out io.Writer, v *vicepb.VolumeReply) error {
	bound := func(n uint64) string {
		if n == 0 {
			return "any number"
		}
		return fmt.Sprint(n)
	}
	w := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	fmt.Fprintf(w, "Name:\t%s\n", v.Name)
	fmt.Fprintf(w, "Id:\t%x\n", v.Volume)
	fmt.Fprintf(w, "Replicas:\t%d\n", max(v.Replicas, 1))
	fmt.Fprintf(w, "Bytes:\t%d of %s\n", v.UsedBytes, bound(v.QuotaBytes))
	fmt.Fprintf(w, "Objects:\t%d of %s\n", v.UsedObjects, bound(v.QuotaObjects))
	fmt.Fprintf(w, "Locked:\t%v\n", v.Locked)
	return w.Flush()
}
