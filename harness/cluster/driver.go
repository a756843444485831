package cluster

import (
	"context"
	"log/slog"
)

// A Driver is a kind of place where nodes run. It keeps nothing between runs.
type Driver interface {
	// Name is one word: "containers", "processes".
	Name() string
	// Available returns nil if nodes can be started here, else one clear line on why not. ctx bounds it.
	Available(ctx context.Context) error
	// Prepare makes what the nodes of a run share, such as networks. If it fails it leaves nothing.
	Prepare(ctx context.Context, ground Ground) (Site, error)
}

// sweeperOf names the sweeper of a driver's runs: the driver itself, unless it leaves that to another.
func sweeperOf(driver Driver) string {
	if leaves, ok := driver.(interface{ Sweeper() string }); ok {
		return leaves.Sweeper()
	}
	return driver.Name()
}

// Ground is what a driver needs to know of a whole run.
type Ground struct {
	RunID  string
	Dir    string // the run directory
	Folder string // a folder on this machine that is removed after the run
	Lock   string // the file that is locked while the run's harness lives
	Binary string
	Mount  string
	Nodes  []NodeName // the proxy first, where there is one
	Extra  map[string]string
	Log    *slog.Logger
}

// A NodeName is a node with its role.
type NodeName struct {
	Name string
	Role Role
}

// A Site is where the nodes of one run run. Its methods may be called from several goroutines.
type Site interface {
	// Place says where a node of the run has what. It is known before the node is started.
	Place(node string) Place
	// StartNode starts a node and returns when its first process runs; ctx bounds that and not the node's life. If it fails, what it left
	// is removed by Close.
	StartNode(ctx context.Context, node NodeSpec) (Instance, error)
	// Lost gets one error when it cannot be known any more how the nodes are doing, such as when the container engine does not answer. It is nil
	// where that cannot happen.
	Lost() <-chan error
	// Close removes everything of the run from the place, nodes that still run included, within ctx.
	Close(ctx context.Context) error
}

// A NodeSpec is a node to start.
type NodeSpec struct {
	NodeName
	Environment []string // NAME=VALUE; Site adds nothing that the agent needs
}

// A Place is where a node has what. The addresses are IP addresses.
type Place struct {
	Agent string // host:port that the agent listens on
	Relay string // host:port that the proxy relays to the agent from, or "" where the harness reaches the agent directly
	Host  string // that the node's daemons listen on; of the system's nodes only the proxy reaches it
	Side  string // the proxy's address that the node reaches, and no other node does
	State string // folders in the node, which exist when it starts
	Logs  string
	Coda  string
}

// An Instance is a node that was started. Its methods may be called from several goroutines.
type Instance interface {
	// Address is host:port where the harness reaches the agent, through the relay where the place has one.
	Address() string
	// Done is closed when the whole node has ended. After Site.Lost it may stay open.
	Done() <-chan struct{}
	// Err says how the node ended, after Done.
	Err() error
	// Kill ends all processes of the node with SIGKILL, also those of a paused node, and returns when they are gone.
	Kill(ctx context.Context) error
	// Pause stops all processes of the node, the agent included.
	Pause(ctx context.Context) error
	// Resume lets them go on.
	Resume(ctx context.Context) error
	// Elsewhere says that the logs of the node's daemons are not in its folder in the run directory, and go away with the node.
	Elsewhere() bool
	// SaveLogs brings them there.
	SaveLogs(ctx context.Context) error
}
