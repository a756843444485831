package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/controlpb"
)

// codasrvVariable names codasrv's control socket where no flag does.
const codasrvVariable = "CODASTRESS_CODASRV"

// codasrvTool is one of Coda's programs that talk to a server on the same machine.
type codasrvTool struct {
	socket   string
	patience time.Duration
}

// command is the program, to which its subcommands are to be added.
func (c *codasrvTool) command(name, help string, patience time.Duration) *cobra.Command {
	cmd := &cobra.Command{
		Use:   name,
		Short: help,
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&c.socket, "socket", os.Getenv(codasrvVariable), "codasrv's control socket (default: $"+codasrvVariable+")")
	flags.DurationVar(&c.patience, "patience", patience, "how long to wait for codasrv")
	return cmd
}

// ask connects to codasrv, and has it asked.
func (c *codasrvTool) ask(ctx context.Context, ask func(context.Context, controlpb.CodasrvControlClient) error) error {
	if c.socket == "" {
		return usageError{fmt.Errorf("which codasrv? name its control socket with --socket or in %s", codasrvVariable)}
	}
	cfg := wire.DefaultClientConfig()
	cfg.Dialer = func(ctx context.Context, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", c.socket)
	}
	conn, err := wire.Dial("codasrv", cfg)
	if err != nil {
		return fmt.Errorf("codasrv's control socket: %w", err)
	}
	defer conn.Close() //nolint:errcheck // it has answered
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	return ask(ctx, controlpb.NewCodasrvControlClient(conn))
}
