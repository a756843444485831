package cfs

import (
	"context"
	"fmt"
	"io"
	"path"
	"text/tabwriter"

	"github.com/codastress/codastress/system/wire/controlpb"
)

// MakeMount mounts a volume.
func MakeMount(ctx context.Context, venus controlpb.VenusControlClient, _ io.Writer, in Input) error {
	volume := in.More
	if volume == "" {
		volume = path.Base(in.Path)
	}
	_, err := venus.Mount(ctx, &controlpb.MountRequest{Path: in.Path, Volume: volume, Uid: in.UID})
	return err
}

// RemoveMount takes a mount link away.
func RemoveMount(ctx context.Context, venus controlpb.VenusControlClient, _ io.Writer, in Input) error {
	_, err := venus.Unmount(ctx, &controlpb.PathRequest{Path: in.Path, Uid: in.UID})
	return err
}

// ListMounts lists the volumes that were seen mounted.
func ListMounts(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer, _ Input) error {
	reply, err := venus.ListVolumes(ctx, &controlpb.ListVolumesRequest{})
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, m := range reply.Mounted {
		fmt.Fprintf(w, "%s\t%s\t%x\t%d entries in the CML\n", m.Path, m.Name, m.Volume, m.LogRecords)
	}
	return w.Flush()
}
