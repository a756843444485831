package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/cluster/containers"
	"github.com/codastress/codastress/harness/cluster/processes"
)

// failVariable names a node whose first process fails.
const failVariable = "STUBNODE_FAIL"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "stubnode:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if len(args) == 4 && args[0] == "harness" {
		return harness(ctx, args[1], args[2], args[3], log)
	}
	if len(args) != 2 || args[0] != "node" {
		return errors.New("usage: stubnode node ROLE|DAEMON|janitor, or stubnode harness DRIVER DIR RUN")
	}
	if args[1] == "janitor" {
		config := os.Getenv(cluster.JanitorVariable)
		return cluster.Janitor(context.WithoutCancel(ctx), os.Stdin, config, log, containers.Driver{}, processes.Driver{})
	}
	config, err := cluster.ParseNodeConfig(os.Getenv(cluster.NodeVariable))
	if err != nil {
		return err
	}
	if os.Getenv(failVariable) == config.Name {
		return errors.New("it was told to fail")
	}
	switch args[1] {
	case string(cluster.RoleServer), string(cluster.RoleClient), string(cluster.RoleProxy):
		return runAgent(ctx, config, log)
	case cluster.Codasrv:
		return serve(ctx, config)
	case cluster.Venus:
		return talk(ctx, config, log)
	case cluster.Web:
		return accept(ctx, config)
	}
	return fmt.Errorf("no role or daemon %q", args[1])
}

// harness starts a cluster and keeps it until it is ended.
func harness(ctx context.Context, driver, dir, run string, log *slog.Logger) error {
	executable, err := os.Executable()
	if err != nil {
		return err
	}
	drivers := map[string]cluster.Driver{"containers": containers.Driver{}, "processes": processes.Driver{}}
	started, err := cluster.Start(ctx, cluster.Spec{
		RunID: run, Dir: dir, Servers: 1, Clients: 2, Mount: cluster.MountDirect, Binary: executable, Log: log,
	}, drivers[driver])
	if err != nil {
		return err
	}
	fmt.Println("the cluster runs")
	<-ctx.Done()
	return started.Close(context.WithoutCancel(ctx))
}
