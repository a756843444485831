package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/codastress/codastress/harness/agent/web"
	"github.com/codastress/codastress/system/venus/direct"
)

func webCommand() *cobra.Command {
	var root, venus, listen, debug string
	var maxClients int
	var plain bool
	cmd := &cobra.Command{
		Use:   "web",
		Short: "Serve the files of a mount as web pages",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			files, err := webFiles(root, plain, venus)
			if err != nil {
				return err
			}
			listener, err := net.Listen("tcp", listen)
			if err != nil {
				return fmt.Errorf("listening for visitors: %w", err)
			}
			log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			all, ctx := errgroup.WithContext(cmd.Context())
			all.Go(func() error { return serveDebug(ctx, debug) })
			all.Go(func() error { return web.Serve(ctx, listener, files, web.Limits{MaxClients: maxClients, Log: log}) })
			return all.Wait()
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&root, "root", "", "mount point whose files are served")
	flags.BoolVar(&plain, "plain", false, "the root need not be a mount point")
	flags.StringVar(&venus, "venus", "", "venus's control socket, to serve its files without a mount")
	flags.StringVar(&listen, "listen", "127.0.0.1:8080", "address to answer visitors on")
	flags.StringVar(&debug, "debug", "", "unix socket to give goroutine dumps on")
	flags.IntVar(&maxClients, "max-clients", 200, "connections that are served at once")
	return cmd
}

func webFiles(root string, plain bool, venus string) (web.Files, error) {
	switch {
	case (root == "") == (venus == ""):
		return nil, usageError{errors.New("want either --root or --venus")}
	case root != "":
		return web.Folder{Root: root, Mounted: !plain}, nil
	}
	client, err := direct.Dial(venus)
	if err != nil {
		return nil, fmt.Errorf("venus's control socket: %w", err)
	}
	return newDirectFiles(client), nil
}
