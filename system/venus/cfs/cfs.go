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

// Command is one subcommand of cfs or hoard.
type Command struct {
	Name  string // Coda's name
	Short string // Coda's abbreviation, "" for none
	Help  string // one line
	Path  Presence
	More  string   // what may follow the path, "" for nothing
	Flags []string // those that it knows
	Pairs bool     // names and rights follow the path, in turn
	Run   func(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer, in Input) error
}

// Presence says whether a command takes a path.
type Presence int

// The commands take no path, one that may be left out, or one.
const (
	NoPath Presence = iota
	MayHavePath
	NeedsPath
)

// The flags.
const (
	FlagAll      = "all"
	FlagKeep     = "keep"
	FlagContents = "contents"
	FlagClear    = "clear"
	FlagNegative = "negative"
	FlagUID      = "uid"
)

// Input is what a person has written behind the name of a command.
type Input struct {
	Path     string   // from the root of the volume; "" for none
	More     string   // what follows it, "" for nothing
	All      bool     // everything rather than a path
	Keep     string   // local, global or both
	Contents []byte   // nil for none
	Words    []string // names and rights in turn
	Clear    bool     // what is not named goes
	Negative bool     // rights are taken
	UID      uint32   // the local user
}

// Commands lists the subcommands in the order in which help shows them.
func Commands() []Command {
	return []Command{
		{Name: "checkservers", Short: "cs", Help: "say which servers are reachable", Run: CheckServers},
		{Name: "listvol", Short: "lv", Help: "show the state of the volume, its modify log and its cache", Run: ListVolumes},
		{Name: "forcereintegrate", Short: "fr", Help: "wait until the servers have everything in the modify log", Run: ForceReintegrate},
		{Name: "disconnect", Help: "behave as if no server answered", Run: Disconnect},
		{Name: "reconnect", Help: "end a disconnect", Run: Reconnect},
		{Name: "flushcache", Help: "forget what is cached, clean and not in use", Run: FlushCache},
		{Name: "listlocal", Path: MayHavePath, Help: "list the modify log: what is still to be sent, and what the servers refused", Run: ListLocal},
		{Name: "checklocal", Path: MayHavePath, Help: "ask the servers what they would refuse, and why", Run: CheckLocal},
		{
			Name: "discardlocal", Path: MayHavePath, Flags: []string{FlagAll}, Run: DiscardLocal,
			Help: "forget the refused changes of an object in conflict, and take the servers' version",
		},
		{
			Name: "preservelocal", Path: MayHavePath, Flags: []string{FlagAll}, Run: PreserveLocal,
			Help: "give the local version of an object in conflict another name, and take the servers' version",
		},
		{Name: "expand", Path: NeedsPath, Help: "show an object in conflict as a directory with both versions", Run: Expand},
		{Name: "collapse", Path: NeedsPath, Help: "end an expand", Run: Collapse},
		{Name: "beginrepair", Short: "br", Path: NeedsPath, Help: "show both versions of an object in conflict, to repair it", Run: BeginRepair},
		{
			Name: "endrepair", Short: "er", Path: NeedsPath, Flags: []string{FlagKeep, FlagContents}, Run: EndRepair,
			Help: "end a repair: with what is to be kept, or without having repaired anything",
		},
		{
			Name: "repair", Path: NeedsPath, Flags: []string{FlagKeep, FlagContents}, Run: Repair,
			Help: "end the conflict of an object, with the local version, the servers', both, or other contents",
		},
		{Name: "listacl", Short: "la", Path: NeedsPath, Flags: []string{FlagUID}, Help: "show who may do what in a directory", Run: ListACL},
		{
			Name: "setacl", Short: "sa", Path: NeedsPath, Pairs: true, Flags: []string{FlagUID, FlagClear, FlagNegative}, Run: SetACL,
			Help: "change who may do what in a directory: names with rights behind them, letters of rlidwka, or all, write, read or none",
		},
		{Name: "mkmount", Short: "mkm", Path: NeedsPath, More: "VOLUME", Flags: []string{FlagUID}, Help: "mount a volume at a name that is free; without VOLUME, the one of that name", Run: MakeMount},
		{Name: "rmmount", Short: "rmm", Path: NeedsPath, Flags: []string{FlagUID}, Help: "take a mount link away; the volume stays", Run: RemoveMount},
		{Name: "lsmount", Help: "list the volumes that were seen mounted, and where", Run: ListMounts},
		{Name: "state", Help: "show pending calls, the modify log and the connection, to look for a hang", Run: State},
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
func CheckServers(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer, _ Input) error {
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
func ListVolumes(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer, _ Input) error {
	reply, err := venus.ListVolumes(ctx, &controlpb.ListVolumesRequest{})
	if err != nil {
		return err
	}
	for _, v := range reply.Volumes {
		w := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
		fmt.Fprintf(w, "  Volume:\t%x named %q\n", v.Volume, v.Name)
		fmt.Fprintf(w, "  Connection State:\t%s\n", capital(v.State))
		if v.Waits != "" {
			fmt.Fprintf(w, "  Pending:\t%s\n", v.Waits)
		}
		if len(v.Replicas) > 1 {
			for slot, r := range v.Replicas {
				fmt.Fprintf(w, "  Replica %d:\t%s, %s\n", slot, r.Address, r.State)
			}
		}
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
	if n := reply.Counters; n != nil {
		fmt.Fprintf(w, "  Servers:\tasked %d times, %d of them to resolve; %d bytes fetched\n", n.Requests, n.Resolutions, n.Fetched)
	}
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
func ForceReintegrate(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer, _ Input) error {
	start := time.Now()
	if _, err := venus.ForceReintegrate(ctx, &controlpb.ForceReintegrateRequest{}); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "The modify log is empty, after %v\n", time.Since(start).Round(time.Millisecond))
	return err
}

// Disconnect makes venus behave as if no server answered.
func Disconnect(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer, _ Input) error {
	if _, err := venus.Disconnect(ctx, &controlpb.DisconnectRequest{}); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, "Disconnected from all servers")
	return err
}

// Reconnect ends a disconnect.
func Reconnect(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer, _ Input) error {
	if _, err := venus.Reconnect(ctx, &controlpb.ReconnectRequest{}); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, "Reconnected")
	return err
}

// FlushCache forgets what is cached, clean and not in use.
func FlushCache(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer, _ Input) error {
	reply, err := venus.FlushCache(ctx, &controlpb.FlushCacheRequest{})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "Flushed %d objects, %d bytes\n", reply.Objects, reply.Bytes)
	return err
}

// State shows what venus is doing.
func State(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer, _ Input) error {
	reply, err := venus.State(ctx, &controlpb.StateRequest{})
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, reply.Text)
	return err
}
