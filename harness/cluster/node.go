package cluster

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/codastress/codastress/harness/agent"
	"github.com/codastress/codastress/harness/history"
)

// Node is one node of a running cluster. Its methods may be called from several goroutines. Each is bounded in time, and by its context; the errors
// are those of its agent, with what was being done where.
type Node struct {
	id     NodeName
	folder string // nodes/NAME in the run directory
	agent  Agent

	// Of a node that a driver started.
	instance Instance
	remote   *agent.Client // agent asks it
}

// An Agent carries out on one node what the harness asks for. Its methods may be called from several goroutines, and end with their context.
type Agent interface {
	// Daemon says how a daemon of the node is doing.
	Daemon(ctx context.Context, name string) (Daemon, error)
	// StartDaemon starts a daemon that is not running and returns when it is ready.
	StartDaemon(ctx context.Context, name string) error
	// KillDaemon ends a daemon as SIGKILL does, and returns when nothing of it is left.
	KillDaemon(ctx context.Context, name string) error
	// TerminateDaemon ends a daemon as SIGTERM does, in order, and returns when nothing of it is left.
	TerminateDaemon(ctx context.Context, name string) error
	// WipeDaemon removes everything that a daemon keeps that does not run.
	WipeDaemon(ctx context.Context, name string) error
	// PauseDaemon stops a daemon as SIGSTOP does, and returns when it stands still.
	PauseDaemon(ctx context.Context, name string) error
	// ResumeDaemon lets a paused daemon go on.
	ResumeDaemon(ctx context.Context, name string) error
	// Reach makes a fresh connection through the node's link to a peer, and returns nil when the peer's daemon answered on it.
	Reach(ctx context.Context, peer string) error
	// RunTask carries out a step of a workload and gives sink the chunks of the history, all before it returns.
	RunTask(ctx context.Context, step history.Step, sink func(chunk []byte)) (history.Load, error)
	// PendingOperations are those that were invoked and have not returned.
	PendingOperations(ctx context.Context) ([]history.Operation, error)
	// Status asks the daemon of a client how it is doing.
	Status(ctx context.Context) (history.Status, error)
	// Observe returns the node's tree.
	Observe(ctx context.Context) (history.Observation, error)
	// Evidence saves what is known of the node's daemons in a folder, which it makes, and returns the paths of the files.
	Evidence(ctx context.Context, dir string) ([]string, error)
}

// Name returns the node's name: server1, client1, proxy.
func (n *Node) Name() string { return n.id.Name }

// Role returns what the node is for.
func (n *Node) Role() Role { return n.id.Role }

// State is what a daemon is doing.
type State string

// The states of a daemon.
const (
	StateExited   State = "exited"   // it was never started, or ended
	StateStarting State = "starting" // its process runs, it is not ready
	StateRunning  State = "running"  // and ready
	StatePaused   State = "paused"   // stopped by Pause
)

// Daemon is a daemon at one moment.
type Daemon struct {
	Name    string
	PID     int          // as the node counts; 0 without a process
	State   State        //
	Started history.Time // when the process of this or the last life was started
	Ready   bool         // it came to be ready, in this life
}

// Daemon says how a daemon of the node is doing.
func (n *Node) Daemon(ctx context.Context, name string) (Daemon, error) {
	daemon, err := n.agent.Daemon(ctx, name)
	if err != nil {
		return Daemon{}, fmt.Errorf("asking how %s on %s is doing: %w", name, n.Name(), err)
	}
	return daemon, nil
}

// Kill sends a daemon SIGKILL and returns when its process is reaped.
func (n *Node) Kill(ctx context.Context, daemon string) error {
	return n.doing(n.agent.KillDaemon(ctx, daemon), "killing %s on %s", daemon)
}

// Terminate sends a daemon SIGTERM, and SIGKILL when it does not end of that, and returns when its process is reaped.
func (n *Node) Terminate(ctx context.Context, daemon string) error {
	return n.doing(n.agent.TerminateDaemon(ctx, daemon), "ending %s on %s", daemon)
}

// Wipe removes everything that a daemon keeps that does not run.
func (n *Node) Wipe(ctx context.Context, daemon string) error {
	return n.doing(n.agent.WipeDaemon(ctx, daemon), "wiping what %s keeps on %s", daemon)
}

// StartDaemon starts a daemon that is not running and returns when it is ready.
func (n *Node) StartDaemon(ctx context.Context, daemon string) error {
	return n.doing(n.agent.StartDaemon(ctx, daemon), "starting %s on %s", daemon)
}

// Pause sends a daemon SIGSTOP and returns when all its threads have stopped.
func (n *Node) Pause(ctx context.Context, daemon string) error {
	return n.doing(n.agent.PauseDaemon(ctx, daemon), "pausing %s on %s", daemon)
}

// Resume lets a paused daemon go on.
func (n *Node) Resume(ctx context.Context, daemon string) error {
	return n.doing(n.agent.ResumeDaemon(ctx, daemon), "resuming %s on %s", daemon)
}

// Reach makes a fresh connection through the node's link to a peer, and returns nil when the peer's daemon answered on it.
func (n *Node) Reach(ctx context.Context, peer string) error {
	return n.doing(n.agent.Reach(ctx, peer), "reaching %s from %s", peer)
}

// RunTask carries out one step of a workload on the node and gives sink the chunks of the history as they come, from one goroutine. When
// ctx ends before the step does, what was recorded until then has been given. It has no other bound.
func (n *Node) RunTask(ctx context.Context, step history.Step, sink func(chunk []byte)) (history.Load, error) {
	load, err := n.agent.RunTask(ctx, step, sink)
	return load, n.doing(err, "running %s of step %d on %s", step.Task, step.Number)
}

// Pending returns the operations that were invoked on the node and have not returned.
func (n *Node) Pending(ctx context.Context) ([]history.Operation, error) {
	pending, err := n.agent.PendingOperations(ctx)
	return pending, n.doing(err, "asking for the pending operations of %s")
}

// Status asks the daemon of a client how it is doing: venus, which answers only while it runs.
func (n *Node) Status(ctx context.Context) (history.Status, error) {
	status, err := n.agent.Status(ctx)
	return status, n.doing(err, "asking how %s is doing")
}

// Observe returns the node's tree: of a client as its mount shows it, of a server as codasrv has it.
func (n *Node) Observe(ctx context.Context) (history.Observation, error) {
	observation, err := n.agent.Observe(ctx)
	return observation, n.doing(err, "observing %s")
}

// Evidence saves goroutine dumps, states and the ends of the logs in dir, which it makes, and returns the paths of the files, also those that were
// had before an error.
func (n *Node) Evidence(ctx context.Context, dir string) ([]string, error) {
	files, err := n.agent.Evidence(ctx, dir)
	return files, n.doing(err, "collecting evidence from %s")
}

// Mains is what an Agent has besides whose node can lose its power: a simulated one.
type Mains interface {
	// LosePower ends a daemon, and takes from the node's disk what was not synced, but for some of it.
	LosePower(ctx context.Context, daemon string) (DiskLoss, error)
}

// LosePower takes the power from the node while a daemon runs. Only a simulation can: elsewhere it is an error.
func (n *Node) LosePower(ctx context.Context, daemon string) (DiskLoss, error) {
	mains, ok := n.agent.(Mains)
	if !ok {
		return DiskLoss{}, fmt.Errorf("%s has no power to lose: only a simulation does that", n.Name())
	}
	loss, err := mains.LosePower(ctx, daemon)
	return loss, n.doing(err, "taking the power from %s on %s", daemon)
}

// KillNode ends the whole node with SIGKILL, its agent first. The cluster is lost by it. Like PauseNode and ResumeNode it is for nodes that a
// driver started.
func (n *Node) KillNode(ctx context.Context) error {
	return n.doing(n.instance.Kill(ctx), "killing the node %s")
}

// PauseNode stops all processes of the node, its agent included. A node that is paused for longer than its patience counts as lost.
func (n *Node) PauseNode(ctx context.Context) error {
	return n.doing(n.instance.Pause(ctx), "pausing the node %s")
}

// ResumeNode lets a paused node go on.
func (n *Node) ResumeNode(ctx context.Context) error {
	return n.doing(n.instance.Resume(ctx), "resuming the node %s")
}

// ErrEnded says that the whole node has ended.
var ErrEnded = errors.New("the node has ended")

// doing puts before an error what was being done, and where: the last verb of the text is the node.
func (n *Node) doing(err error, text string, args ...any) error {
	if err == nil {
		return nil
	}
	if n.ended() {
		err = fmt.Errorf("%w: %w", ErrEnded, err)
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(text, append(args, n.Name())...), err)
}

// ended says whether the node has ended.
func (n *Node) ended() bool {
	if n.instance == nil {
		return false
	}
	select {
	case <-n.instance.Done():
		return true
	default:
		return false
	}
}

// OutputFile is the file in a node's folder with what its first process writes.
const OutputFile = "agent.log"

// lastWords are the last lines that the first process of a node has written, below a line of their own.
func (n *Node) lastWords() string { return lastWords(filepath.Join(n.folder, OutputFile)) }
