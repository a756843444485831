package cfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/codastress/codastress/system/wire/controlpb"
)

// ListLocal lists the modify log.
func ListLocal(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer, in Input) error {
	reply, err := venus.ListLocal(ctx, &controlpb.ListLocalRequest{Path: in.Path})
	if err != nil {
		return err
	}
	if len(reply.Records) == 0 {
		_, err := fmt.Fprintln(out, "There are no local changes")
		return err
	}
	for _, r := range reply.Records {
		fmt.Fprintf(out, "%d %s %s %s", r.Record, time.Unix(0, r.Time).UTC().Format(time.RFC3339), r.Operation, shown(r.Path))
		switch {
		case r.Refused && r.DependsOn != 0:
			fmt.Fprintf(out, ": in conflict, depends on %d", r.DependsOn)
		case r.Refused:
			fmt.Fprintf(out, ": in conflict: %s", r.Why)
		}
		fmt.Fprintln(out)
	}
	return nil
}

// CheckLocal says which records the servers would refuse.
func CheckLocal(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer, in Input) error {
	reply, err := venus.CheckLocal(ctx, &controlpb.CheckLocalRequest{Path: in.Path})
	if err != nil {
		return err
	}
	for _, r := range reply.Refused {
		fmt.Fprintf(out, "%d %s %s: %s\n", r.Record, r.Operation, shown(r.Path), r.Why)
	}
	_, err = fmt.Fprintf(out, "The servers would refuse %d of %d local changes\n", len(reply.Refused), reply.Checked)
	return err
}

// shown is a path as it is shown: the root has no name.
func shown(path string) string {
	if path == "" {
		return "."
	}
	return path
}

// DiscardLocal takes the servers' version.
func DiscardLocal(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer, in Input) error {
	return settle(ctx, venus, out, in, controlpb.Keep_KEEP_GLOBAL)
}

// PreserveLocal takes the servers' version, and keeps the local one beside it.
func PreserveLocal(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer, in Input) error {
	return settle(ctx, venus, out, in, controlpb.Keep_KEEP_BOTH)
}

// settle ends one conflict, or all.
func settle(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer, in Input, keep controlpb.Keep) error {
	if (in.Path == "") != in.All {
		return errors.New("name one path, or say --" + FlagAll)
	}
	if !in.All {
		return repair(ctx, venus, out, &controlpb.RepairRequest{Path: in.Path, Keep: keep})
	}
	var failed error
	for tried := map[uint64]bool{}; ; {
		reply, err := venus.ListConflicts(ctx, &controlpb.ListConflictsRequest{})
		if err != nil {
			return errors.Join(failed, err)
		}
		i := slices.IndexFunc(reply.Conflicts, func(c *controlpb.Conflict) bool { return c.DependsOn == 0 && !tried[c.Record] })
		if i < 0 {
			return failed
		}
		c := reply.Conflicts[i]
		tried[c.Record] = true
		if err := repair(ctx, venus, out, &controlpb.RepairRequest{Path: c.Path, Keep: keep}); err != nil {
			failed = errors.Join(failed, err)
		}
	}
}

// repair ends a conflict and says what has become of it.
func repair(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer, request *controlpb.RepairRequest) error {
	reply, err := venus.Repair(ctx, request)
	if err != nil {
		return err
	}
	switch reply.Local {
	case "":
		_, err = fmt.Fprintf(out, "%s: the servers' version stays\n", shown(request.Path))
	case request.Path:
		_, err = fmt.Fprintf(out, "%s: repaired\n", shown(request.Path))
	default:
		_, err = fmt.Fprintf(out, "%s: the local version is in %s\n", shown(request.Path), reply.Local)
	}
	return err
}

// Expand shows both versions.
func Expand(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer, in Input) error {
	if _, err := venus.Expand(ctx, &controlpb.PathRequest{Path: in.Path}); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%s is a directory with the versions local and global now\n", in.Path)
	return err
}

// Collapse ends an expand.
func Collapse(ctx context.Context, venus controlpb.VenusControlClient, _ io.Writer, in Input) error {
	_, err := venus.Collapse(ctx, &controlpb.PathRequest{Path: in.Path})
	return err
}

// BeginRepair shows both versions, and says how to go on.
func BeginRepair(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer, in Input) error {
	if err := Expand(ctx, venus, out, in); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "End the repair with: cfs endrepair %s --keep local|global|both\n", in.Path)
	return err
}

// EndRepair ends a repair: the conflict stays where nothing says what is to be kept.
func EndRepair(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer, in Input) error {
	if in.Keep == "" && in.Contents == nil {
		return Collapse(ctx, venus, out, in)
	}
	return Repair(ctx, venus, out, in)
}

// Repair ends a conflict.
func Repair(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer, in Input) error {
	request := &controlpb.RepairRequest{Path: in.Path, Contents: in.Contents}
	switch {
	case in.Contents != nil && in.Keep == "":
		request.Keep = controlpb.Keep_KEEP_CONTENTS
	case in.Contents != nil:
		return fmt.Errorf("say --%s or --%s", FlagKeep, FlagContents)
	case in.Keep == "local":
		request.Keep = controlpb.Keep_KEEP_LOCAL
	case in.Keep == "global":
		request.Keep = controlpb.Keep_KEEP_GLOBAL
	case in.Keep == "both":
		request.Keep = controlpb.Keep_KEEP_BOTH
	default:
		return fmt.Errorf("say what is to be kept: --%s local, global or both, or --%s FILE", FlagKeep, FlagContents)
	}
	return repair(ctx, venus, out, request)
}
