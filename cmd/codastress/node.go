package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/codastress/codastress/harness/agent"
	"github.com/codastress/codastress/harness/agent/supervise"
	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/proxy"
	"github.com/codastress/codastress/system/wire"
)

// volumeName is the volume of every cluster.
const volumeName = "coda"

func nodeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:    "node",
		Short:  "Play one role of a cluster: what the nodes of a run are started with",
		Hidden: true,
		Args:   noArguments,
		RunE:   func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, role := range []cluster.Role{cluster.RoleServer, cluster.RoleClient, cluster.RoleMount, cluster.RoleProxy} {
		cmd.AddCommand(&cobra.Command{
			Use:   string(role),
			Short: fmt.Sprintf("Be process 1 of a %s node, as %s says", role, cluster.NodeVariable),
			Args:  noArguments,
			RunE:  func(cmd *cobra.Command, _ []string) error { return runAgent(cmd.Context(), role) },
		})
	}
	cmd.AddCommand(codasrvCommand(), venusCommand(), webCommand(), janitorCommand(), simulationCommand(), caretakerCommand(), directoryCommand())
	return cmd
}

func janitorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "janitor",
		Short: "Remove what a run leaves when its harness is killed",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			return cluster.Janitor(context.WithoutCancel(cmd.Context()), cmd.InOrStdin(), os.Getenv(cluster.JanitorVariable), log, sweepers()...)
		},
	}
}

// A node is what the agent of a node needs to know of it.
type node struct {
	cluster.NodeConfig
	executable string
	log        *slog.Logger
}

// runAgent is the whole life of a node's first process.
func runAgent(ctx context.Context, role cluster.Role) error {
	config, err := cluster.ParseNodeConfig(os.Getenv(cluster.NodeVariable))
	if err != nil {
		return usageError{err}
	}
	if config.Role != role {
		return usageError{fmt.Errorf("%s is for a %s node, not for a %s", cluster.NodeVariable, config.Role, role)}
	}
	executable, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding the executable of the daemons: %w", err)
	}
	n := &node{NodeConfig: config, executable: executable, log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	settings, hooks, err := n.agent()
	if err != nil {
		return err
	}
	if role == cluster.RoleMount {
		return n.runOnMount(ctx, settings, hooks)
	}
	return agent.Run(ctx, settings, hooks)
}

// agent says what the node's agent does.
func (n *node) agent() (agent.Config, agent.Hooks, error) {
	security, err := n.Control.ServerTLS()
	if err != nil {
		return agent.Config{}, agent.Hooks{}, fmt.Errorf("the agent's certificate: %w", err)
	}
	config := agent.Config{
		Node: n.Name, Version: version(), Listen: n.Listen, TLS: security, Patience: n.Patience, Log: n.log,
		DebugSockets: map[string]string{},
	}
	if n.Role == cluster.RoleServer || n.Role == cluster.RoleClient {
		if err := n.writeIdentity(); err != nil {
			return agent.Config{}, agent.Hooks{}, err
		}
	}
	var hooks agent.Hooks
	switch n.Role {
	case cluster.RoleProxy:
		hooks = agent.Hooks{Links: proxy.NewServer(n.log)}
	case cluster.RoleServer:
		n.addServer(&config)
		hooks, err = n.serverHooks()
	case cluster.RoleClient:
		n.addClient(&config)
		hooks, err = n.clientHooks()
	case cluster.RoleMount:
		n.addMount(&config)
		hooks = n.mountHooks()
	}
	return config, hooks, err
}

// path is a file of the node's state.
func (n *node) path(name string) string { return filepath.Join(n.State, name) }

// socket is where a daemon answers: "control" requests, or for "debug".
func (n *node) socket(daemon, purpose string) string { return n.path(daemon + "-" + purpose) }

// files are where writeIdentity puts what daemons read.
func (n *node) files() wire.TLSFiles {
	return wire.TLSFiles{Certificate: n.path("certificate.pem"), Key: n.path("key.pem"), Authority: n.path("authority.pem")}
}

func (n *node) writeIdentity() error {
	files := n.files()
	return errors.Join(
		os.WriteFile(files.Certificate, []byte(n.System.Certificate), 0o600),
		os.WriteFile(files.Key, []byte(n.System.Key), 0o600),
		os.WriteFile(files.Authority, []byte(n.System.Authority), 0o600),
	)
}

// daemon describes one of the node's daemons: this executable again.
func (n *node) daemon(name string, args ...string) supervise.Daemon {
	return supervise.Daemon{
		Name:    name,
		Args:    append([]string{n.executable, "node", name}, args...),
		Env:     append(os.Environ(), n.Extra...),
		LogFile: filepath.Join(n.Logs, name+".log"),
	}
}

// keeper are the arguments of a daemon that keeps something.
func (n *node) keeper(name string) []string {
	files := n.files()
	args := []string{
		"--dir", n.path(name), "--volume", volumeName, "--control", n.socket(name, "control"), "--debug", n.socket(name, "debug"), "--metrics", n.socket(name, "metrics"),
		"--disk-control", n.socket(name, "disk"),
		"--certificate", files.Certificate, "--key", files.Key, "--authority", files.Authority,
		"--profile", n.Profile, "--time-scale", fmt.Sprint(n.TimeScale),
	}
	for _, constant := range slices.Sorted(maps.Keys(n.Constants[name])) {
		args = append(args, "--constant", constant+"="+n.Constants[name][constant])
	}
	return args
}

// evidence is what a daemon says of itself: its state as text, and its metrics.
func (n *node) evidence(ctx context.Context, name, state string, asked error) (map[string][]byte, error) {
	figures, err := scrape(ctx, n.socket(name, "metrics"))
	return map[string][]byte{"state.txt": []byte(state), "metrics.txt": figures}, errors.Join(asked, err)
}

// reach asks for an answer of codasrv on a fresh connection.
func (n *node) reach(ctx context.Context, server, address string) error {
	creds, err := n.files().ClientCredentials(server)
	if err != nil {
		return err
	}
	config := wire.DefaultClientConfig()
	config.Credentials = creds
	conn, err := wire.Dial(address, config)
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	return probe(ctx, conn)
}

// reachTime bounds one attempt to reach a server: a cut link never answers.
const reachTime = time.Second

// answers says whether something accepts connections at an address.
func answers(ctx context.Context, network, address string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return err
	}
	return conn.Close()
}
