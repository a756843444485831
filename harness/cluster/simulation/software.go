package simulation

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/codastress/codastress/harness/agent/rot"
	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// Software is what runs on one node: the daemons of the system under test, and how the harness uses them. It is made once for each node and
// outlives its daemons. The methods may be called from several goroutines.
type Software interface {
	// Start starts a daemon of the node's role and returns when it is ready.
	Start(ctx context.Context, daemon string, life Life) (Process, error)
	// RunTask carries out a step of a workload and puts what it does into the recorder. What the system does wrong is no error.
	RunTask(ctx context.Context, step history.Step, recorder *history.Recorder) (history.Load, error)
	// Status asks the node's daemon how it is doing.
	Status(ctx context.Context) (history.Status, error)
	// Order has the node's daemon do what a person on the machine can tell it.
	Order(ctx context.Context, order string) (said int, err error)
	// Observe describes the node's tree, pending records and conflicts.
	Observe(ctx context.Context) (history.Observation, error)
	// Reach returns nil when a peer's daemon answers on a fresh connection through the node's link to it.
	Reach(ctx context.Context, peer string) error
	// Clock asks a daemon that runs what it takes for the present.
	Clock(ctx context.Context, daemon string) (time.Time, error)
	// Cached lists the contents that a daemon, which runs, keeps beside others that have them as well.
	Cached(ctx context.Context, daemon string) ([]rot.Content, error)
	// Evidence says in a daemon's own words what it is doing: files by their names.
	Evidence(ctx context.Context, daemon string) (map[string][]byte, error)
}

// A Process is a daemon that runs.
type Process interface {
	// Close ends it in order, within ctx. After a kill it is called with a context that has ended: what is left of the process must still end,
	// and Close returns when it has.
	Close(ctx context.Context) error
}

// A Machine is what the software of a node is made for.
type Machine struct {
	cluster.NodeName
	Servers []string // the names of all servers
	Spec    cluster.Spec
	Stack   *Stack     // for what the harness itself does on the node
	Random  *rand.Rand // of the node: the same for the same seed
	Log     *slog.Logger
}

// A Life is what one process of a daemon has. It is taken from it when it is killed.
type Life struct {
	Number int    // the how manyeth life of the daemon this is
	Boot   int    // the how manyeth of the machine
	Stack  *Stack //
	Disk   Disk   // the node's; all daemons share it
	Log    *slog.Logger
	Clock  func() time.Time // of the machine; it may be wrong, and be set at any time

	At   func(Moment)    // to be told of moments that neither the network nor the disk sees
	Dead <-chan struct{} // closed at the moment of the kill: whoever waits for the process must wait no longer
	// Running waits while the process is paused, until ctx ends.
	Running func(ctx context.Context) error
	// Die ends the process as a crash does, for what a real one could not survive. It returns, to a process that is a zombie by then, with a disk that
	// takes everything.
	Die func(why error)
}
