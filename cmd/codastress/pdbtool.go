package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/system/wire/controlpb"
)

// pdbTool is Coda's program that manages users and groups.
type pdbTool struct{ controlSocket }

func pdbtoolCommand() *cobra.Command {
	p := pdbTool{controlSocket{daemon: cluster.Codasrv}}
	cmd := p.program("pdbtool", "Manage the users and groups of a running codasrv: of several, that in slot 0", time.Minute)
	change := func(use, short, help string, arguments int, change controlpb.ProtectionChange) *cobra.Command {
		one := &cobra.Command{Use: use, Short: help, Args: exactArguments(arguments), RunE: func(cmd *cobra.Command, args []string) error {
			request := &controlpb.ProtectionRequest{Change: change}
			if arguments > 0 {
				request.Name = args[0]
			}
			if arguments > 1 {
				request.Member = args[1]
			}
			if change == controlpb.ProtectionChange_PROTECTION_CHANGE_PASSWORD {
				var err error
				if request.Password, err = readPassword(cmd, args[0]); err != nil {
					return err
				}
			}
			_, err := p.change(cmd.Context(), request)
			return err
		}}
		if short != "" {
			one.Aliases = []string{short}
		}
		return one
	}
	cmd.AddCommand(
		change("newuser USER", "nu", "add a user, who has no password yet", 1, controlpb.ProtectionChange_PROTECTION_CHANGE_NEW_USER),
		change("newgroup GROUP", "ng", "add a group", 1, controlpb.ProtectionChange_PROTECTION_CHANGE_NEW_GROUP),
		change("delete NAME", "d", "remove a user or group", 1, controlpb.ProtectionChange_PROTECTION_CHANGE_DELETE),
		change("addtogroup GROUP MEMBER", "ag", "make a user or group a member of a group", 2, controlpb.ProtectionChange_PROTECTION_CHANGE_ADD),
		change("removefromgroup GROUP MEMBER", "rg", "end a membership", 2, controlpb.ProtectionChange_PROTECTION_CHANGE_REMOVE),
		change("passwd USER", "", "set the password of a user, read from the terminal or the first line of the standard input", 1, controlpb.ProtectionChange_PROTECTION_CHANGE_PASSWORD),
		change("newkey", "", "sign tokens with another key: all that there are end", 0, controlpb.ProtectionChange_PROTECTION_CHANGE_KEY),
		&cobra.Command{Use: "list", Short: "list users and groups", Args: noArguments, RunE: func(cmd *cobra.Command, _ []string) error {
			reply, err := p.change(cmd.Context(), &controlpb.ProtectionRequest{})
			if err != nil {
				return err
			}
			return listPrincipals(cmd.OutOrStdout(), reply)
		}},
	)
	return cmd
}

// exactArguments wants so many names.
func exactArguments(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usageError{fmt.Errorf("want %d names, got %d: see `%s --help`", n, len(args), cmd.CommandPath())}
		}
		return nil
	}
}

// change asks for a change of users and groups, or for none, and gives what is there then.
func (p *pdbTool) change(ctx context.Context, request *controlpb.ProtectionRequest) (reply *controlpb.ProtectionReply, err error) {
	err = p.askCodasrv(ctx, func(ctx context.Context, codasrv controlpb.CodasrvControlClient) (err error) {
		reply, err = codasrv.Protection(ctx, request)
		return err
	})
	return reply, err
}

func listPrincipals(out io.Writer, reply *controlpb.ProtectionReply) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, p := range reply.Principals {
		what := "no password"
		switch {
		case p.Number < 0 && len(p.Members) == 0:
			what = ""
		case p.Number < 0:
			what = strings.Join(p.Members, " ")
		case p.Password:
			what = "password"
		}
		fmt.Fprintf(w, "%d\t%s\t%s\n", p.Number, p.Name, what)
	}
	return w.Flush()
}

// readPassword reads a password without showing it, or a line of what is not a terminal.
func readPassword(cmd *cobra.Command, user string) (string, error) {
	if in, ok := cmd.InOrStdin().(*os.File); ok && term.IsTerminal(int(in.Fd())) {
		fmt.Fprintf(cmd.ErrOrStderr(), "Password of %s: ", user)
		b, err := term.ReadPassword(int(in.Fd()))
		fmt.Fprintln(cmd.ErrOrStderr())
		return string(b), err
	}
	b, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), 4096))
	if i := slices.Index(b, '\n'); i >= 0 {
		b = b[:i]
	}
	return strings.TrimSuffix(string(b), "\r"), err
}
