package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/vice"
)

// stopTime bounds the orderly end of a daemon.
const stopTime = 5 * time.Second

func codasrvCommand() *cobra.Command {
	var flags daemonFlags
	var listen string
	cmd := &cobra.Command{
		Use:   "codasrv",
		Short: "Serve a volume",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serveVolume(cmd.Context(), flags, listen)
		},
	}
	flags.register(cmd)
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:2432", "address to answer clients on")
	return cmd
}

// serveVolume is codasrv's life until ctx ends.
func serveVolume(ctx context.Context, flags daemonFlags, listen string) error {
	creds := insecure.NewCredentials()
	if !flags.files.IsZero() {
		var err error
		if creds, err = flags.files.ServerCredentials(); err != nil {
			return err
		}
	}
	profile, err := coda.ParseProfile(flags.profile)
	if err != nil {
		return err
	}
	log := flags.logger()
	server, err := vice.Open(ctx, vice.Config{
		Dir: flags.dir, Volume: flags.volume, Log: log, Fatal: diskRefused(log),
		Profile: profile, Timing: vice.TimingOf(profile).Scaled(flags.timeScale),
	})
	if err != nil {
		return fmt.Errorf("opening the server in %s: %w", flags.dir, err)
	}
	clients, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("listening for clients: %w", err)
	}
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return server.Serve(ctx, clients, creds) })
	all.Go(func() error { return serveDebug(ctx, flags.debug) })
	if flags.control != "" {
		control, err := listenUnix(flags.control)
		if err != nil {
			return err
		}
		all.Go(func() error { return server.ServeControl(ctx, control) })
	}
	<-ctx.Done()
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	if err := server.Close(closing); err != nil {
		return fmt.Errorf("closing the server: %w", err)
	}
	return all.Wait()
}
