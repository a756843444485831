package faults

import (
	"context"
	"time"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// A Node is what faults need of one; *cluster.Node is one.
type Node interface {
	Name() string
	Role() cluster.Role
	// Daemon says how a daemon of the node is doing.
	Daemon(ctx context.Context, name string) (cluster.Daemon, error)
	// Kill sends SIGKILL and returns when the process is reaped.
	Kill(ctx context.Context, daemon string) error
	// LosePower kills a daemon, and takes from its disk some of what was not synced; an error where nodes have no power to lose.
	LosePower(ctx context.Context, daemon string) (cluster.DiskLoss, error)
	// Terminate sends SIGTERM, and SIGKILL where that does not help, and returns when the process is reaped.
	Terminate(ctx context.Context, daemon string) error
	// Wipe removes everything that a daemon keeps that does not run.
	Wipe(ctx context.Context, daemon string) error
	// StartDaemon returns when the daemon is ready or ctx ends.
	StartDaemon(ctx context.Context, daemon string) error
	Pause(ctx context.Context, daemon string) error
	Resume(ctx context.Context, daemon string) error
	// SetDisk makes the node's disk work well or badly; an error where nobody can.
	SetDisk(ctx context.Context, state cluster.DiskState) error
	// DiskHarm says what the disk has done to the calls of the node's daemon since it was set.
	DiskHarm(ctx context.Context) (cluster.DiskHarm, error)
	// ProbeDisk writes, syncs, reads and removes a file on the node's disk, and returns the error of the call that failed.
	ProbeDisk(ctx context.Context) error
	// Cached lists the contents that a daemon, which runs, keeps beside others that have them as well.
	Cached(ctx context.Context, daemon string) ([]cluster.Content, error)
	// FlipBits flips a bit in each of a share of some contents, one at least; which, the seed draws. Nil stands for all that a daemon keeps, where these are known by
	// their names. With an error come those that were flipped before it.
	FlipBits(ctx context.Context, daemon string, among []cluster.Content, share float64, seed uint64) ([]cluster.Flip, error)
	// LookAtBits says how many of these are in which state. Before, it flips those back that are still flipped, where that is wanted.
	LookAtBits(ctx context.Context, daemon string, flips []cluster.Flip, back bool) (map[cluster.BitState]int, error)
	// SetClock makes the node's wall clock right or wrong; an error where nobody can.
	SetClock(ctx context.Context, state cluster.ClockState) error
	// Clock asks a daemon of the node what it takes for the present.
	Clock(ctx context.Context, daemon string) (time.Time, error)
	// SetLimits holds the node to less than its machine, or gives all of that back; an error where nobody can.
	SetLimits(ctx context.Context, limits cluster.Limits) error
	// Usage says what the node uses of its machine, and where its limits were felt.
	Usage(ctx context.Context) (cluster.Usage, error)
	// Order has the client's venus do something, and returns when it has, with the number that it says, where it says one.
	Order(ctx context.Context, order cluster.Order) (said int, err error)
	// Status asks the client's venus how it is doing.
	Status(ctx context.Context) (history.Status, error)
	// Reach makes a fresh connection through the node's link to a peer and returns nil when the peer's daemon answered on it.
	Reach(ctx context.Context, peer string) error
}

// A Link is what faults need of one; *cluster.Link is one. Up is from its From to its To.
type Link interface {
	From() string
	To() string
	Set(ctx context.Context, state cluster.LinkState) error
	// Reset ends all connections of now with RST.
	Reset(ctx context.Context) error
	Counters(ctx context.Context) (cluster.LinkCounters, error)
}

// Handles is the cluster as faults see it.
type Handles interface {
	Node(name string) (Node, error)
	Link(from, to string) (Link, error)
	// Clients returns all client nodes: a fault on a server is seen from them.
	Clients() []Node
}

// A Cluster has nodes and links of types of its own; *cluster.Cluster is one.
type Cluster[N Node, L Link] interface {
	Node(name string) (N, error)
	Link(from, to string) (L, error)
	Clients() []N
}

// On returns the handles of a cluster.
func On[N Node, L Link](c Cluster[N, L]) Handles { return handles[N, L]{c} }

type handles[N Node, L Link] struct{ cluster Cluster[N, L] }

func (h handles[N, L]) Node(name string) (Node, error) {
	node, err := h.cluster.Node(name)
	if err != nil {
		return nil, err
	}
	return node, nil
}

func (h handles[N, L]) Link(from, to string) (Link, error) {
	link, err := h.cluster.Link(from, to)
	if err != nil {
		return nil, err
	}
	return link, nil
}

func (h handles[N, L]) Clients() []Node {
	var nodes []Node
	for _, node := range h.cluster.Clients() {
		nodes = append(nodes, node)
	}
	return nodes
}
