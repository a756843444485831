package cfs

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/codastress/codastress/system/wire/controlpb"
)

// wanted is what may follow the path of what is hoarded.
const wanted = "PRIORITY[:ATTRIBUTES]"

// HoardCommands lists the subcommands of hoard in the order in which help shows them.
func HoardCommands() []Command {
	return []Command{
		{
			Name: "add", Path: NeedsPath, More: wanted, Run: HoardAdd,
			Help: "have something at hand while no server is reachable: a priority of 1 to 1000, and c, c+, d or d+ for what is below a directory",
		},
		{Name: "clear", Help: "hoard nothing any more", Run: HoardClear},
		{Name: "delete", Path: NeedsPath, Help: "do not hoard something any more", Run: HoardDelete},
		{Name: "list", Help: "list what is hoarded, what matters most first", Run: HoardList},
		{Name: "modify", Path: NeedsPath, More: wanted, Help: "change the priority and attributes of what is hoarded", Run: HoardModify},
		{Name: "verify", Path: MayHavePath, Help: "say what of it is cached", Run: HoardVerify},
		{Name: "walk", Help: "fetch what is hoarded and not cached", Run: HoardWalk},
	}
}

// HoardAdd hoards something.
func HoardAdd(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer, in Input) error {
	return hoardAdd(ctx, venus, out, in, false)
}

// HoardModify changes how something is hoarded.
func HoardModify(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer, in Input) error {
	return hoardAdd(ctx, venus, out, in, true)
}

func hoardAdd(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer, in Input, modify bool) error {
	priority, extent, err := parseWanted(in.More)
	if err != nil {
		return err
	}
	reply, err := venus.HoardAdd(ctx, &controlpb.HoardAddRequest{
		Entry: &controlpb.Hoarded{Path: in.Path, Priority: priority, Extent: extent}, Modify: modify,
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s: %d entries of the hoard database were made or changed\n", shown(in.Path), reply.Entries)
	return err
}

// parseWanted reads a priority, attributes, or both with a colon between them. What is not said is 0 and "".
func parseWanted(s string) (priority uint32, extent string, err error) {
	number, extent, colon := strings.Cut(s, ":")
	if !colon && number != "" && (number[0] == 'c' || number[0] == 'd') {
		return 0, number, nil
	}
	if number == "" {
		return 0, extent, nil
	}
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil || n == 0 {
		return 0, "", fmt.Errorf("%q is not %s, such as 100:d+", s, wanted)
	}
	return uint32(n), extent, nil
}

// HoardDelete ends the hoarding of something.
func HoardDelete(ctx context.Context, venus controlpb.VenusControlClient, _ io.Writer, in Input) error {
	_, err := venus.HoardDelete(ctx, &controlpb.PathRequest{Path: in.Path})
	return err
}

// HoardClear ends the hoarding of everything.
func HoardClear(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer, _ Input) error {
	reply, err := venus.HoardClear(ctx, &controlpb.HoardClearRequest{})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%d entries were deleted\n", reply.Entries)
	return err
}

// HoardList lists what is hoarded.
func HoardList(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer, _ Input) error {
	reply, err := venus.HoardList(ctx, &controlpb.HoardListRequest{})
	if err != nil {
		return err
	}
	for _, e := range reply.Entries {
		fmt.Fprintf(out, "%s %d", shown(e.Path), e.Priority)
		if e.Extent != "" {
			fmt.Fprintf(out, ":%s", e.Extent)
		}
		fmt.Fprintln(out)
	}
	return nil
}

// HoardVerify says what of what is hoarded is cached.
func HoardVerify(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer, in Input) error {
	reply, err := venus.HoardVerify(ctx, &controlpb.PathRequest{Path: in.Path})
	if err != nil {
		return err
	}
	missing := 0
	for _, s := range reply.States {
		what := "valid"
		switch {
		case s.Kind == "":
			what = "unknown"
		case !s.Cached:
			what = "missing"
		case !s.Valid:
			what = "cached, to be validated"
		}
		if !s.Cached {
			missing++
		}
		fmt.Fprintf(out, "%s %d %s: %s\n", shown(s.Path), s.Priority, s.Kind, what)
	}
	_, err = fmt.Fprintf(out, "%d of %d are missing\n", missing, len(reply.States))
	return err
}

// HoardWalk fetches what is missing.
func HoardWalk(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer, _ Input) error {
	r, err := venus.HoardWalk(ctx, &controlpb.HoardWalkRequest{})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d entries mean %d objects; %d files with %d bytes were fetched in %v\n",
		r.Entries, r.Objects, r.Fetched, r.Bytes, time.Duration(r.Took).Round(time.Millisecond))
	for _, lack := range []struct {
		count uint64
		what  string
	}{
		{r.Unbound, "entries lead nowhere now"}, {r.Refused, "objects found no room"}, {r.Failed, "files could not be fetched"},
	} {
		if lack.count > 0 {
			fmt.Fprintf(out, "%d %s\n", lack.count, lack.what)
		}
	}
	return nil
}
