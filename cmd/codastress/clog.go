package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/codastress/codastress/system/venus/cfs"
	"github.com/codastress/codastress/system/venus/direct"
	"github.com/codastress/codastress/system/wire/controlpb"
)

// tokenTool is one of Coda's programs for tokens: clog, cunlog and ctokens.
type tokenTool struct {
	socket   string
	patience time.Duration
	uid      int
}

func (t *tokenTool) command(use, short string, args cobra.PositionalArgs, run func(cmd *cobra.Command, args []string, venus controlpb.VenusControlClient) error) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: args, RunE: func(cmd *cobra.Command, args []string) error {
		if t.socket == "" {
			return usageError{fmt.Errorf("which venus? name its control socket with --socket or in %s", socketVariable)}
		}
		client, err := direct.Dial(t.socket)
		if err != nil {
			return fmt.Errorf("venus's control socket: %w", err)
		}
		return errors.Join(run(cmd, args, client.Control()), client.Close())
	}}
	flags := cmd.Flags()
	flags.StringVar(&t.socket, "socket", os.Getenv(socketVariable), "venus's control socket (default: $"+socketVariable+")")
	flags.DurationVar(&t.patience, "patience", time.Minute, "how long to wait for venus")
	flags.IntVar(&t.uid, "uid", os.Getuid(), "the local user")
	return cmd
}

func (t *tokenTool) bound(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	return context.WithTimeout(cmd.Context(), t.patience)
}

func clogCommand() *cobra.Command {
	var t tokenTool
	return t.command("clog USER", "Log in: get a token for a local user, with a password from the terminal or the first line of the standard input", oneArgument("user"),
		func(cmd *cobra.Command, args []string, venus controlpb.VenusControlClient) error {
			password, err := readPassword(cmd, args[0])
			if err != nil {
				return err
			}
			ctx, cancel := t.bound(cmd)
			defer cancel()
			token, err := venus.LogIn(ctx, &controlpb.LogInRequest{Uid: uint32(t.uid), User: args[0], Password: password})
			if err != nil {
				return err
			}
			return cfs.ShowTokens(cmd.OutOrStdout(), []*controlpb.Token{token})
		})
}

func cunlogCommand() *cobra.Command {
	var t tokenTool
	return t.command("cunlog", "Log out: drop the token of a local user", noArguments,
		func(cmd *cobra.Command, _ []string, venus controlpb.VenusControlClient) error {
			ctx, cancel := t.bound(cmd)
			defer cancel()
			_, err := venus.LogOut(ctx, &controlpb.LogOutRequest{Uid: uint32(t.uid)})
			return err
		})
}

func ctokensCommand() *cobra.Command {
	var t tokenTool
	return t.command("ctokens", "List the tokens of local users", noArguments,
		func(cmd *cobra.Command, _ []string, venus controlpb.VenusControlClient) error {
			ctx, cancel := t.bound(cmd)
			defer cancel()
			reply, err := venus.ListTokens(ctx, &controlpb.ListTokensRequest{})
			if err != nil {
				return err
			}
			return cfs.ShowTokens(cmd.OutOrStdout(), reply.Tokens)
		})
}
