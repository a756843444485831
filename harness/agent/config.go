package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/codastress/codastress/harness/agent/ill"
	"github.com/codastress/codastress/harness/agent/rot"
	"github.com/codastress/codastress/harness/agent/supervise"
	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/harness/proxy"
)

// Config says what an agent is told when its node is started.
type Config struct {
	Node    string // the node's name, which every event and operation carries
	Version string // of the program
	Listen  string // host:port, or "unix:" and the path of a socket
	TLS     *tls.Config

	// Patience is how long the harness's heartbeat may be silent: after that the agent clears the node and Run returns ErrHeartbeat.
	// 0 is 5 s. Until the first beat it is FirstPatience, which is 3 s longer where it is 0.
	Patience      time.Duration
	FirstPatience time.Duration

	Daemons      []supervise.Daemon // in the order in which they are started; they are stopped in the other order
	DebugSockets map[string]string  // by daemon: where package dump serves its stacks
	Mountpoint   string             // of the daemon that mounts; "" where nothing is mounted
	Owned        []string           // folders that the agent removes in the end
	Log          *slog.Logger
}

// The defaults of Config.
const (
	defaultPatience = 5 * time.Second
	startingTime    = 3 * time.Second // of a node, for its first heartbeat
)

// Hooks are what an agent cannot do by itself, since it knows nothing of the system and the workloads. A nil function makes the requests that need it
// fail, but for Ready: without it a daemon is ready at once.
type Hooks struct {
	// RunTask carries out a step of a workload and puts what it does into the recorder. What the system does wrong is no error.
	RunTask func(ctx context.Context, step history.Step, recorder *history.Recorder) (history.Load, error)
	// Status asks the node's daemon how it is doing.
	Status func(ctx context.Context) (history.Status, error)
	// Order has the node's daemon do what a person on the machine can tell it.
	Order func(ctx context.Context, order string) (said int, err error)
	// Observe describes the node's tree, pending records and conflicts.
	Observe func(ctx context.Context) (history.Observation, error)
	// Reach returns nil when a peer's daemon answers on a fresh connection through the node's link to it.
	Reach func(ctx context.Context, peer string) error
	// Ready returns nil when a daemon is ready.
	Ready func(ctx context.Context, daemon string) error
	// Evidence says in a daemon's own words what it is doing: files by their names.
	Evidence func(ctx context.Context, daemon string) (map[string][]byte, error)
	// Disk is that of the daemon of the node that keeps something; nil where it cannot be made to work badly.
	Disk Disk
	// Cached lists the contents that a daemon, which runs, keeps beside others that have them as well.
	Cached func(ctx context.Context, daemon string) ([]rot.Content, error)
	// Links carries the links of a proxy node; nil on every other.
	Links Links
}

// A Disk can be made to work badly. *Client is one.
type Disk interface {
	// SetDisk makes it work as a state says, from now on.
	SetDisk(ctx context.Context, state ill.State) error
	// DiskHarm says what the state has done so far to the calls of the daemon.
	DiskHarm(ctx context.Context) (ill.Harm, error)
	// ProbeDisk writes a file on it, syncs it, reads it and removes it, and returns the error of the call that failed.
	ProbeDisk(ctx context.Context) error
}

// Links are what a proxy node can be asked about its links. *proxy.Server has them, and so has *Client.
type Links interface {
	AddLink(ctx context.Context, name, listen, upstream string) (proxy.Link, error)
	SetLink(ctx context.Context, name string, state proxy.State) (proxy.Link, error)
	ResetLink(ctx context.Context, name string) (connections int, err error)
	Links(ctx context.Context) ([]proxy.Link, error)
}

var (
	_ Links = (*proxy.Server)(nil)
	_ Links = (*Client)(nil)
)

// Errors of an agent.
var (
	// ErrHeartbeat says that the harness fell silent.
	ErrHeartbeat = errors.New("no heartbeat of the harness")
	// ErrLeft says that something of the node could not be cleared away.
	ErrLeft = errors.New("the node could not be cleared")
)

func (c Config) withDefaults() (Config, error) {
	if c.Node == "" || c.Listen == "" {
		return c, errors.New("an agent needs a node's name and an address")
	}
	for _, d := range c.Daemons {
		if d.Mounts && c.Mountpoint == "" {
			return c, fmt.Errorf("%s mounts, and there is no mount point", d.Name)
		}
	}
	if c.Patience == 0 {
		c.Patience = defaultPatience
	}
	if c.FirstPatience == 0 {
		c.FirstPatience = c.Patience + startingTime
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}
