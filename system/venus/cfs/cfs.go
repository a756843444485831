package cfs

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/codastress/codastress/system/wire/controlpb"
)

// Command is one subcommand of cfs.
type Command struct {
	Name  string // Coda's name
	Short string // Coda's abbreviation, "" for none
	Help  string // one line
	Run   func(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer) error
}

// Commands lists the subcommands in the order in which help shows them.
func Commands() []Command {
	return []Command{
		{"checkservers", "cs", "say which servers are reachable", CheckServers},
		{"listvol", "lv", "show the state of the volume, its modify log and its cache", ListVolumes},
		{"forcereintegrate", "fr", "wait until the servers have everything in the modify log", ForceReintegrate},
		{"disconnect", "", "behave as if no server answered", Disconnect},
		{"reconnect", "", "end a disconnect", Reconnect},
		{"flushcache", "", "forget what is cached, clean and not in use", FlushCache},
		{"listlocal", "", "list the changes that the servers refused and that are kept here", ListLocal},
		{"state", "", "show pending calls, the modify log and the connection, to look for a hang", State},
	}
}

// Find finds a subcommand by its name or abbreviation.
func Find(name string) (Command, bool) {
	for _, c := range Commands() {
		if name != "" && (name == c.Name || name == c.Short) {
			return c, true
		}
	}
	return Command{}, false
}

// CheckServers says which servers are reachable.
func CheckServers(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer) error {
	reply, err := venus.CheckServers(ctx, &controlpb.CheckServersRequest{})
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "Contacting servers .....")
	down := 0
	for _, s := range reply.Servers {
		if s.Up {
			continue
		}
		if down == 0 {
			fmt.Fprintln(out, "These servers are down:")
		}
		down++
		fmt.Fprintf(out, "  %s", s.Address)
		if s.LastError != "" {
			fmt.Fprintf(out, " (%s)", s.LastError)
		}
		fmt.Fprintln(out)
	}
	if down == 0 {
		fmt.Fprintln(out, "All servers up")
	}
	return nil
}

// ListVolumes shows the state of the volume.
func ListVolumes(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer) error {
	reply, err := venus.ListVolumes(ctx, &controlpb.ListVolumesRequest{})
	if err != nil {
		return err
	}
	for _, v := range reply.Volumes {
		w := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
		fmt.Fprintf(w, "  Volume:\t%x named %q\n", v.Volume, v.Name)
		fmt.Fprintf(w, "  Connection State:\t%s\n", capital(v.State))
		fmt.Fprintf(w, "  Conflicts:\t%d\n", v.Conflicts)
		fmt.Fprintf(w, "  CML:\t%d entries, %d bytes to send\n", v.LogRecords, v.LogBytes)
		fmt.Fprintf(w, "  Cache:\t%d objects, %d bytes\n", v.CachedObjects, v.CachedBytes)
		describeQueue(w, reply)
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// describeQueue says how operations wait to be let in, where they do.
func describeQueue(w io.Writer, reply *controlpb.ListVolumesReply) {
	fmt.Fprintf(w, "  Profile:\t%s\n", reply.Profile)
	q := reply.Queue
	if q.GetWorkers() == 0 {
		return
	}
	fmt.Fprintf(w, "  Workers:\t%d busy of %d\n", q.Busy, q.Workers)
	fmt.Fprintf(w, "  Queue:\t%d requests", q.Length)
	if q.Length > 0 {
		fmt.Fprintf(w, ", the oldest for %v", time.Duration(q.Oldest).Round(time.Millisecond))
	}
	fmt.Fprintln(w)
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// ForceReintegrate waits until the servers have everything.
func ForceReintegrate(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer) error {
	start := time.Now()
	if _, err := venus.ForceReintegrate(ctx, &controlpb.ForceReintegrateRequest{}); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "The modify log is empty, after %v\n", time.Since(start).Round(time.Millisecond))
	return err
}

// Disconnect makes venus behave as if no server answered.
func Disconnect(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer) error {
	if _, err := venus.Disconnect(ctx, &controlpb.DisconnectRequest{}); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, "Disconnected from all servers")
	return err
}

// Reconnect ends a disconnect.
func Reconnect(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer) error {
	if _, err := venus.Reconnect(ctx, &controlpb.ReconnectRequest{}); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, "Reconnected")
	return err
}

// FlushCache forgets what is cached, clean and not in use.
func FlushCache(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer) error {
	reply, err := venus.FlushCache(ctx, &controlpb.FlushCacheRequest{})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "Flushed %d objects, %d bytes\n", reply.Objects, reply.Bytes)
	return err
}

// ListLocal lists the changes that the servers refused.
func ListLocal(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer) error {
	reply, err := venus.ListConflicts(ctx, &controlpb.ListConflictsRequest{})
	if err != nil {
		return err
	}
	if len(reply.Conflicts) == 0 {
		_, err := fmt.Fprintln(out, "No conflicts")
		return err
	}
	for _, c := range reply.Conflicts {
		fmt.Fprintf(out, "%d: %s %s: %s\n", c.Record, c.Operation, c.Path, c.Why)
		if c.Kept != "" {
			fmt.Fprintf(out, "    contents kept in %s\n", c.Kept)
		}
	}
	return nil
}

// State shows what venus is doing.
func State(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer) error {
	reply, err := venus.State(ctx, &controlpb.StateRequest{})
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, reply.Text)
	return err
}
