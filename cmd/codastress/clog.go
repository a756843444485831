package main

import (
	"context"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/system/venus/cfs"
	"github.com/codastress/codastress/system/wire/controlpb"
)

// tokenTool is one of Coda's programs for tokens: clog, cunlog and ctokens.
type tokenTool struct {
	controlSocket
	uid int
}

func (t *tokenTool) command(use, short string, args cobra.PositionalArgs, run func(cmd *cobra.Command, args []string) error) *cobra.Command {
	t.daemon = cluster.Venus
	cmd := &cobra.Command{Use: use, Short: short, Args: args, RunE: run}
	t.register(cmd.Flags(), time.Minute)
	cmd.Flags().IntVar(&t.uid, "uid", os.Getuid(), "the local user")
	return cmd
}

func clogCommand() *cobra.Command {
	var t tokenTool
	return t.command("clog USER", "Log in: get a token for a local user, with a password from the terminal or the first line of the standard input", oneArgument("user"),
		func(cmd *cobra.Command, args []string) error {
			if err := t.chosen(); err != nil {
				return err
			}
			password, err := readPassword(cmd, args[0])
			if err != nil {
				return err
			}
			return t.askVenus(cmd.Context(), func(ctx context.Context, venus controlpb.VenusControlClient) error {
				token, err := venus.LogIn(ctx, &controlpb.LogInRequest{Uid: uint32(t.uid), User: args[0], Password: password})
				if err != nil {
					return err
				}
				return cfs.ShowTokens(cmd.OutOrStdout(), []*controlpb.Token{token})
			})
		})
}

func cunlogCommand() *cobra.Command {
	var t tokenTool
	return t.command("cunlog", "Log out: drop the token of a local user", noArguments, func(cmd *cobra.Command, _ []string) error {
		return t.askVenus(cmd.Context(), func(ctx context.Context, venus controlpb.VenusControlClient) error {
			_, err := venus.LogOut(ctx, &controlpb.LogOutRequest{Uid: uint32(t.uid)})
			return err
		})
	})
}

func ctokensCommand() *cobra.Command {
	var t tokenTool
	return t.command("ctokens", "List the tokens of local users", noArguments, func(cmd *cobra.Command, _ []string) error {
		return t.askVenus(cmd.Context(), func(ctx context.Context, venus controlpb.VenusControlClient) error {
			reply, err := venus.ListTokens(ctx, &controlpb.ListTokensRequest{})
			if err != nil {
				return err
			}
			return cfs.ShowTokens(cmd.OutOrStdout(), reply.Tokens)
		})
	})
}
