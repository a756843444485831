package main

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/codastress/codastress/system/auth"
	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/vice"
	"github.com/codastress/codastress/system/wire"
)

// stopTime bounds the orderly end of a daemon.
const stopTime = 5 * time.Second

// codasrvFlags are codasrv's own, besides those of every daemon.
type codasrvFlags struct {
	daemonFlags
	listen       string
	slot         int
	replicas     []string
	replicaNames []string
	rootACL      string
	volumes      []string
}

func codasrvCommand() *cobra.Command {
	var flags codasrvFlags
	cmd := &cobra.Command{
		Use:   "codasrv",
		Short: "Serve a volume",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serveVolume(cmd.Context(), flags)
		},
	}
	flags.register(cmd)
	cmd.Flags().StringVar(&flags.listen, "listen", "127.0.0.1:2432", "address to answer clients on")
	cmd.Flags().StringArrayVar(&flags.replicas, "replica", nil, "address of a codasrv that holds the volume, this one included; once for each, in the order of their slots")
	cmd.Flags().StringArrayVar(&flags.replicaNames, "replica-name", nil, "the name in the certificate of a codasrv; once for each --replica")
	cmd.Flags().StringVar(&flags.rootACL, "root-acl", "", "who may do what in a volume that is made, as names and rights in turn, such as \"System:Administrators all System:AnyUser rl\"; without, everybody may do everything")
	cmd.Flags().StringArrayVar(&flags.volumes, "with-volume", nil, "another volume that is made with the first one; on all servers the same")
	cmd.Flags().IntVar(&flags.slot, "slot", 0, "which of the replicas this one is, from 0 on")
	return cmd
}

// replication says which servers hold the volume.
func (f codasrvFlags) replication() (vice.Replication, error) {
	r := vice.Replication{Slot: f.slot}
	if n := len(f.replicaNames); n != 0 && n != len(f.replicas) {
		return r, fmt.Errorf("--replica-name is there %d times, and --replica %d times", n, len(f.replicas))
	}
	for slot, address := range f.replicas {
		peer := vice.Peer{Address: address, Connection: wire.DefaultClientConfig()}
		if len(f.replicaNames) > 0 {
			peer.Name = f.replicaNames[slot]
		}
		if !f.files.IsZero() && len(f.replicaNames) > 0 {
			var err error
			if peer.Connection.Credentials, err = f.files.ClientCredentials(f.replicaNames[slot]); err != nil {
				return r, err
			}
		}
		r.Peers = append(r.Peers, peer)
	}
	return r, nil
}

// serveVolume is codasrv's life until ctx ends.
func serveVolume(ctx context.Context, flags codasrvFlags) error {
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
	replication, err := flags.replication()
	if err != nil {
		return err
	}
	rootACL, err := auth.ParseACL(strings.Fields(flags.rootACL))
	if err != nil {
		return usageError{fmt.Errorf("--root-acl: %w", err)}
	}
	log := flags.logger()
	on, closeDisk, err := flags.openDisk(log)
	if err != nil {
		return err
	}
	defer closeDisk()
	config := vice.Config{
		RootACL: rootACL, Replication: replication, Disk: on, Dir: flags.dir, Volume: flags.volume, Volumes: flags.volumes, Log: log, Fatal: diskRefused(log),
		Profile: profile, Timing: vice.TimingOf(profile).Scaled(flags.timeScale),
	}
	if err := config.SetConstants(flags.constants); err != nil {
		return usageError{err}
	}
	server, err := vice.Open(ctx, config)
	if err != nil {
		return fmt.Errorf("opening the server in %s: %w", flags.dir, err)
	}
	clients, err := net.Listen("tcp", flags.listen)
	if err != nil {
		return fmt.Errorf("listening for clients: %w", err)
	}
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return server.Serve(ctx, clients, creds) })
	all.Go(func() error { return serveDebug(ctx, flags.debug) })
	all.Go(func() error { return serveMetrics(ctx, flags.metrics, codasrvMetrics(server)) })
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
