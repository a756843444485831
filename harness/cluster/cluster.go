package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/codastress/codastress/harness/history"
)

// nodesFolder is where in the run directory things of the nodes go.
const nodesFolder = "nodes"

// Cluster is a running system with the network between its nodes. Its methods may be called from several goroutines.
type Cluster struct {
	spec  Spec
	log   *slog.Logger
	nodes []*Node // servers, clients
	relay *Node   // carries the links; nil where no node does
	links []*Link
	lost  chan error
	end   func(ctx context.Context) error // what Close does

	mu     sync.Mutex
	events []history.Event

	once   sync.Once
	closed error
}

// newCluster is a cluster none of whose nodes is started.
func newCluster(spec Spec) (*Cluster, error) {
	if err := spec.validate(); err != nil {
		return nil, err
	}
	if spec.Log == nil {
		spec.Log = slog.New(slog.DiscardHandler)
	}
	if spec.TimeScale == 0 {
		spec.TimeScale = 1
	}
	c := &Cluster{spec: spec, log: spec.Log.With("run", spec.RunID), lost: make(chan error, 1)}
	for _, name := range ServerNames(spec.Servers) {
		c.nodes = append(c.nodes, c.newNode(RoleServer, name))
	}
	client := RoleClient
	if spec.Mount == MountForeign {
		client = RoleMount
	}
	for _, name := range ClientNames(spec.Clients) {
		c.nodes = append(c.nodes, c.newNode(client, name))
	}
	for _, from := range c.SystemNodes() {
		for _, to := range c.Servers() {
			if from != to {
				c.links = append(c.links, &Link{from: from.Name(), to: to.Name()})
			}
		}
	}
	return c, nil
}

func (c *Cluster) newNode(role Role, name string) *Node {
	return &Node{id: NodeName{Name: name, Role: role}, folder: filepath.Join(c.spec.Dir, nodesFolder, name)}
}

// connect makes all links links of a network.
func (c *Cluster) connect(network Network) {
	for _, link := range c.links {
		link.network = network
	}
}

// Close ends all nodes and removes everything that the cluster has outside the run directory. ctx bounds the orderly part only. It always
// returns, within a minute where everything hangs; the error is what could not be ended or removed by then. Later calls return what the first one did.
func (c *Cluster) Close(ctx context.Context) error {
	c.once.Do(func() { c.closed = c.end(ctx) })
	return c.closed
}

// RunID returns the name of the run.
func (c *Cluster) RunID() string { return c.spec.RunID }

// Nodes returns all nodes: the servers, the clients, and the proxy where there is one.
func (c *Cluster) Nodes() []*Node {
	if c.relay == nil {
		return c.SystemNodes()
	}
	return append(c.SystemNodes(), c.relay)
}

// SystemNodes returns the nodes of the system: the servers, the clients.
func (c *Cluster) SystemNodes() []*Node { return slices.Clone(c.nodes) }

// Servers returns the server nodes by their number.
func (c *Cluster) Servers() []*Node { return c.nodes[:c.spec.Servers:c.spec.Servers] }

// Clients returns the client nodes by their number.
func (c *Cluster) Clients() []*Node { return slices.Clone(c.nodes[c.spec.Servers:]) }

// Node finds a node by its name.
func (c *Cluster) Node(name string) (*Node, error) {
	var names []string
	for _, node := range c.Nodes() {
		if node.Name() == name {
			return node, nil
		}
		names = append(names, node.Name())
	}
	return nil, fmt.Errorf("there is no node %q; the nodes are %s", name, strings.Join(names, ", "))
}

// Links returns all links: from every client to every server, and between the servers.
func (c *Cluster) Links() []*Link { return slices.Clone(c.links) }

// Link finds the link that one node reaches another through.
func (c *Cluster) Link(from, to string) (*Link, error) {
	for _, link := range c.links {
		if link.from == from && link.to == to {
			return link, nil
		}
	}
	return nil, fmt.Errorf("there is no link from %q to %q: links are from clients to servers and between servers", from, to)
}

// Lost returns a channel that gets one error when a node ends by itself, or does not answer any more for the time after which it ends by itself, or
// when it cannot be known any more how the nodes are doing.
// It is never closed.
func (c *Cluster) Lost() <-chan error { return c.lost }

// lose says that the cluster cannot be used any more. The first reason counts.
func (c *Cluster) lose(err error) {
	c.log.Info("the cluster is lost", "error", err)
	select {
	case c.lost <- err:
	default:
	}
}

// Events returns what has happened to the nodes and their daemons until now, by time. It is complete after Close.
func (c *Cluster) Events() []history.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	events := slices.Clone(c.events)
	slices.SortStableFunc(events, func(a, b history.Event) int { return int(a.Time - b.Time) })
	return events
}

func (c *Cluster) event(event history.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, event)
}
