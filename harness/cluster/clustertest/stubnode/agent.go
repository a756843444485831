package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/codastress/codastress/harness/agent"
	"github.com/codastress/codastress/harness/agent/supervise"
	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/harness/proxy"
)

// runAgent is the first process of a node.
func runAgent(ctx context.Context, node cluster.NodeConfig, log *slog.Logger) error {
	security, err := node.Control.ServerTLS()
	if err != nil {
		return err
	}
	executable, err := os.Executable()
	if err != nil {
		return err
	}
	config := agent.Config{
		Node: node.Name, Version: "stub", Listen: node.Listen, TLS: security, Patience: node.Patience, Log: log,
	}
	for _, name := range node.Role.Daemons() {
		config.Daemons = append(config.Daemons, supervise.Daemon{
			Name: name, Args: []string{executable, "node", name}, Env: append(os.Environ(), node.Extra...),
			LogFile: filepath.Join(node.Logs, name+".log"), Patience: time.Second,
		})
	}
	tasks := &talks{node: node}
	hooks := agent.Hooks{
		Reach: func(ctx context.Context, peer string) error { return reach(ctx, node, peer) },
		Ready: func(ctx context.Context, daemon string) error { return ready(ctx, node, daemon) },
		Disk:  &stubDisk{},
		RunTask: func(ctx context.Context, step history.Step, _ *history.Recorder) (history.Load, error) {
			return tasks.do(ctx, step)
		},
	}
	if node.Role == cluster.RoleProxy {
		hooks = agent.Hooks{Links: proxy.NewServer(log)}
	}
	return agent.Run(ctx, config, hooks)
}

// reach asks a server at the beginning of the link to it.
func reach(ctx context.Context, node cluster.NodeConfig, name string) error {
	for _, peer := range node.Servers {
		if peer.Name == name {
			return ask(ctx, node, peer)
		}
	}
	return fmt.Errorf("%s has no link to %s", node.Name, name)
}

func ready(ctx context.Context, node cluster.NodeConfig, daemon string) error {
	switch daemon {
	case cluster.Codasrv:
		return ask(ctx, node, cluster.Peer{Name: node.Name, Address: node.Codasrv})
	case cluster.Venus:
		_, err := os.Stat(readyFile(node))
		return err
	default:
		return dial(ctx, node.Web)
	}
}

// dialTime is how long a connection within one machine may take by far.
const dialTime = time.Second

func dial(ctx context.Context, address string) error {
	connection, err := (&net.Dialer{Timeout: dialTime}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return connection.Close()
}
