package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/venus"
	"github.com/codastress/codastress/system/venusfs"
)

// venusFlags are venus's own, besides those of every daemon.
type venusFlags struct {
	daemonFlags
	name        string
	servers     []string
	serverNames []string
	mount       string
}

func venusCommand() *cobra.Command {
	var flags venusFlags
	cmd := &cobra.Command{
		Use:   "venus",
		Short: "Mount a volume, or offer it on the control socket only",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return mountVolume(cmd.Context(), flags)
		},
	}
	flags.register(cmd)
	cmd.Flags().StringVar(&flags.name, "name", "venus", "what the server calls this client in its logs")
	cmd.Flags().StringArrayVar(&flags.servers, "server", []string{"127.0.0.1:2432"}, "address of a codasrv that holds the volume; once for each, in the order of their slots")
	cmd.Flags().StringArrayVar(&flags.serverNames, "server-name", nil, "the name in the certificate of a codasrv; once for each --server")
	cmd.Flags().StringVar(&flags.mount, "mount", "", "directory to mount the volume on; without, it is offered on the control socket only")
	return cmd
}

// replicas are the servers that hold the volume.
func (f venusFlags) replicas() ([]venus.Server, error) {
	if n := len(f.serverNames); n != 0 && n != len(f.servers) {
		return nil, fmt.Errorf("--server-name is there %d times, and --server %d times", n, len(f.servers))
	}
	servers := make([]venus.Server, len(f.servers))
	for slot, address := range f.servers {
		servers[slot].Address = address
		if len(f.serverNames) > 0 {
			servers[slot].Name = f.serverNames[slot]
		}
	}
	return servers, nil
}

// collectorPercent is how much garbage may gather, in percent of what is in use, where GOGC does not say otherwise. What venus knows of a large
// cache is in use for good, and Go's 100 would double it.
const collectorPercent = 50

// mountVolume is venus's life until ctx ends or the file system is unmounted from outside.
func mountVolume(ctx context.Context, flags venusFlags) error {
	log := flags.logger()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectorPercent)
	}
	var security *tls.Config
	if !flags.files.IsZero() {
		var err error
		if security, err = flags.files.ClientConfig(""); err != nil {
			return err
		}
	}
	servers, err := flags.replicas()
	if err != nil {
		return err
	}
	profile, err := coda.ParseProfile(flags.profile)
	if err != nil {
		return err
	}
	on, closeDisk, err := flags.openDisk(log)
	if err != nil {
		return err
	}
	defer closeDisk()
	config := venus.Config{
		Disk: on, Dir: flags.dir, Servers: servers, TLS: security, Volume: flags.volume, Name: flags.name, Log: log,
		Profile: profile, Timing: venus.TimingOf(profile).Scaled(flags.timeScale), Fatal: diskRefused(log),
	}
	if err := config.SetConstants(flags.constants); err != nil {
		return usageError{err}
	}
	client, err := venus.Open(ctx, config)
	if err != nil {
		return fmt.Errorf("opening the cache in %s: %w", flags.dir, err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return serveDebug(ctx, flags.debug) })
	all.Go(func() error { return serveMetrics(ctx, flags.metrics, venusMetrics(client)) })
	if flags.control != "" {
		control, err := listenUnix(flags.control)
		if err != nil {
			return err
		}
		all.Go(func() error { return client.ServeControl(ctx, control) })
	}
	if flags.mount != "" {
		mounted, err := venusfs.Mount(ctx, client, flags.mount, venusfs.Options{
			Log: log, Name: "codastress-" + flags.name, CallTimeout: config.Timing.Call,
		})
		if err != nil {
			return fmt.Errorf("mounting on %s: %w", flags.mount, err)
		}
		all.Go(func() error { return untilUnmounted(ctx, mounted, log, stop) })
	}
	<-ctx.Done()
	failed := all.Wait()
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	if err := client.Close(closing); err != nil {
		return fmt.Errorf("closing the cache: %w", err)
	}
	return failed
}

// untilUnmounted unmounts when ctx ends, and ends venus when somebody else unmounts.
func untilUnmounted(ctx context.Context, mounted *venusfs.MountPoint, log *slog.Logger, stop context.CancelFunc) error {
	select {
	case <-mounted.Done():
		log.Info("unmounted from outside")
		stop()
		return nil
	case <-ctx.Done():
	}
	unmounting, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if err := mounted.Unmount(unmounting); err != nil {
		return fmt.Errorf("unmounting: %w", err)
	}
	return nil
}
