package cfs

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/codastress/codastress/system/wire/controlpb"
)

// ListACL shows who may do what in a directory.
func ListACL(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer, in Input) error {
	reply, err := venus.ListACL(ctx, &controlpb.ACLRequest{Path: in.Path, Uid: in.UID})
	if err != nil {
		return err
	}
	return showACL(out, reply)
}

func showACL(out io.Writer, reply *controlpb.ACLReply) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, e := range reply.Entries {
		if e.Grants != "none" {
			fmt.Fprintf(w, "%s\t%s\n", e.Name, e.Grants)
		}
	}
	for _, e := range reply.Entries {
		if e.Denies != "none" {
			fmt.Fprintf(w, "-%s\t%s\n", e.Name, e.Denies)
		}
	}
	return w.Flush()
}

// SetACL changes who may do what in a directory: names and rights in turn.
func SetACL(ctx context.Context, venus controlpb.VenusControlClient, out io.Writer, in Input) error {
	request := &controlpb.SetACLRequest{Path: in.Path, Uid: in.UID, Clear: in.Clear}
	for i := 0; i+1 < len(in.Words); i += 2 {
		e := &controlpb.ACLEntry{Name: in.Words[i], Grants: in.Words[i+1]}
		if in.Negative {
			e.Grants, e.Denies = "", in.Words[i+1]
		}
		request.Entries = append(request.Entries, e)
	}
	reply, err := venus.SetACL(ctx, request)
	if err != nil {
		return err
	}
	return showACL(out, reply)
}

// ShowTokens lists the tokens of local users, for people.
func ShowTokens(out io.Writer, tokens []*controlpb.Token) error {
	if len(tokens) == 0 {
		_, err := fmt.Fprintln(out, "There are no tokens")
		return err
	}
	for _, t := range tokens {
		fmt.Fprintf(out, "Local user %d is %s (%d)", t.Uid, t.User, t.Number)
		at := time.Unix(0, t.Expires).UTC().Format(time.RFC3339)
		if t.Valid {
			fmt.Fprintf(out, " until %s", at)
		} else {
			fmt.Fprint(out, " no more: the token is not valid")
		}
		if t.Waiting > 0 {
			fmt.Fprintf(out, ", %d changes to send", t.Waiting)
		}
		fmt.Fprintln(out)
	}
	return nil
}
