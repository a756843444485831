package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/system/venus/direct"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/controlpb"
)

// A controlSocket is where one of Coda's programs finds the daemon that it talks to, on the same machine.
type controlSocket struct {
	daemon   string // cluster.Venus or cluster.Codasrv
	path     string
	patience time.Duration
}

// variable names the socket where no flag does.
func (c *controlSocket) variable() string {
	return map[string]string{cluster.Venus: "CODASTRESS_VENUS", cluster.Codasrv: "CODASTRESS_CODASRV"}[c.daemon]
}

// register adds the flags that choose the socket.
func (c *controlSocket) register(flags *pflag.FlagSet, patience time.Duration) {
	flags.StringVar(&c.path, "socket", os.Getenv(c.variable()), c.daemon+"'s control socket (default: $"+c.variable()+")")
	flags.DurationVar(&c.patience, "patience", patience, "how long to wait for "+c.daemon)
}

// program is a command of which the subcommands are to be added.
func (c *controlSocket) program(name, help string, patience time.Duration) *cobra.Command {
	cmd := &cobra.Command{
		Use:   name,
		Short: help,
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.register(cmd.PersistentFlags(), patience)
	return cmd
}

// chosen says that no socket was named.
func (c *controlSocket) chosen() error {
	if c.path == "" {
		return usageError{fmt.Errorf("which %s? name its control socket with --socket or in %s", c.daemon, c.variable())}
	}
	return nil
}

// askVenus connects to a venus, and has it asked.
func (c *controlSocket) askVenus(ctx context.Context, ask func(context.Context, controlpb.VenusControlClient) error) error {
	if err := c.chosen(); err != nil {
		return err
	}
	client, err := direct.Dial(c.path)
	if err != nil {
		return fmt.Errorf("venus's control socket: %w", err)
	}
	defer client.Close() //nolint:errcheck // it has answered
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	return ask(ctx, client.Control())
}

// askCodasrv connects to a codasrv, and has it asked.
func (c *controlSocket) askCodasrv(ctx context.Context, ask func(context.Context, controlpb.CodasrvControlClient) error) error {
	if err := c.chosen(); err != nil {
		return err
	}
	cfg := wire.DefaultClientConfig()
	cfg.Dialer = wire.SocketDialer(c.path)
	conn, err := wire.Dial("codasrv", cfg)
	if err != nil {
		return fmt.Errorf("codasrv's control socket: %w", err)
	}
	defer conn.Close() //nolint:errcheck // it has answered
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	return ask(ctx, controlpb.NewCodasrvControlClient(conn))
}
