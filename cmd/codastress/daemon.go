package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strings"

	"github.com/codastress/codastress/harness/agent/dump"
	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/spf13/cobra"
)

// daemonFlags are what codasrv and venus have in common.
type daemonFlags struct {
	dir       string
	volume    string
	control   string
	debug     string
	metrics   string
	disk      string
	files     wire.TLSFiles
	profile   string
	timeScale float64
	constants map[string]string
}

func (f *daemonFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.dir, "dir", "", "directory of everything that it keeps")
	flags.StringVar(&f.volume, "volume", "coda", "name of the volume")
	flags.StringVar(&f.control, "control", "", "unix socket to answer control requests on")
	flags.StringVar(&f.debug, "debug", "", "unix socket to give goroutine dumps on")
	flags.StringVar(&f.metrics, "metrics", "", "host:port, or a unix socket, to answer Prometheus on at /metrics")
	flags.StringVar(&f.disk, "disk-control", "", "unix socket to be told on how badly the disk is to work, for tests; without, it works as it does")
	flags.StringVar(&f.files.Certificate, "certificate", "", "PEM file of its certificate; without, there is no TLS")
	flags.StringVar(&f.files.Key, "key", "", "PEM file of the certificate's key")
	flags.StringVar(&f.files.Authority, "authority", "", "PEM file of the authority that signed the certificates of its peers")
	flags.StringVar(&f.profile, "profile", string(coda.Modern), "how to do what can be done in several ways: "+profileNames())
	flags.Float64Var(&f.timeScale, "time-scale", 1, "divides the time constants")
	flags.StringToStringVar(&f.constants, "constant", nil, "a constant that is not to be as the profile and the time scale have it, NAME=VALUE (repeatable)")
	_ = cmd.MarkFlagRequired("dir")
}

// logger writes to the daemon's standard error, which its agent keeps.
func (f *daemonFlags) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// diskRefused ends a daemon whose disk refuses what it cannot do without, as a crash does: in order it could only end by writing more. The agent leaves
// it to whoever looks after the node to start it again.
func diskRefused(log *slog.Logger) func(error) {
	return func(err error) {
		log.Error("the disk refused a write, this daemon cannot go on", "error", err, "status", exitDisk)
		os.Exit(exitDisk)
	}
}

// profileNames lists the profiles for people.
func profileNames() string {
	var names []string
	for _, profile := range coda.Profiles() {
		names = append(names, string(profile))
	}
	return strings.Join(names, ", ")
}

// listenUnix listens on a socket of the owner's own, in the place of one that an earlier life left.
func listenUnix(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("removing the socket of an earlier life: %w", err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		listener.Close()
		return nil, fmt.Errorf("making %s private: %w", path, err)
	}
	return listener, nil
}

// serveDebug gives goroutine dumps on a unix socket until ctx ends.
func serveDebug(ctx context.Context, path string) error {
	if path == "" {
		return nil
	}
	if err := dump.Serve(ctx, path); err != nil {
		return fmt.Errorf("serving goroutine dumps on %s: %w", path, err)
	}
	return nil
}
