package processes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/harness/agent/supervise"
	"github.com/codastress/codastress/harness/cluster"
)

// instance is a node: its first process, and all that descend from it.
type instance struct {
	address string
	lock    string // of the run
	process *os.Process
	done    chan struct{}
	err     error // written before done is closed
}

var _ cluster.Instance = (*instance)(nil)

// StartNode implements cluster.Site.
func (s *site) StartNode(ctx context.Context, node cluster.NodeSpec) (cluster.Instance, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	place := s.Place(node.Name)
	output, err := os.Create(filepath.Join(place.Logs, cluster.OutputFile))
	if err != nil {
		return nil, fmt.Errorf("making the log: %w", err)
	}
	defer output.Close() //nolint:errcheck // the node has its own descriptor
	private := node.Role == cluster.RoleClient && s.ground.Mount == cluster.MountFUSE && os.Geteuid() == 0
	command, err := s.start(node, output, private)
	if private && errors.Is(err, syscall.EPERM) { // not so much root as to have mount namespaces
		command, err = s.start(node, output, false)
	}
	if err != nil {
		return nil, fmt.Errorf("executing %s: %w", s.ground.Binary, err)
	}
	started := &instance{address: place.Agent, lock: s.ground.Lock, process: command.Process, done: make(chan struct{})}
	go func() {
		defer close(started.done)
		if err := command.Wait(); err != nil {
			started.err = err
		} else {
			started.err = errors.New("exit status 0")
		}
	}()
	return started, nil
}

// start executes the node's first process. It is told by SIGTERM when the harness dies, so that it can clear its node at once; that it does
// not, the janitor notices.
func (s *site) start(node cluster.NodeSpec, output *os.File, privateMounts bool) (*exec.Cmd, error) {
	command := exec.Command(s.ground.Binary, "node", string(node.Role))
	command.Env = append(slices.DeleteFunc(os.Environ(), isMark), node.Environment...)
	command.Dir = filepath.Dir(s.Place(node.Name).State)
	command.Stdout, command.Stderr = output, output
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if privateMounts {
		command.SysProcAttr.Unshareflags = syscall.CLONE_NEWNS
	}
	return command, s.spawner.do(command.Start)
}

// isMark says whether a variable is for another process than the node's.
func isMark(variable string) bool {
	for _, mark := range []string{cluster.NodeVariable, cluster.RunVariable, cluster.LockVariable, cluster.JanitorVariable} {
		if len(variable) > len(mark) && variable[:len(mark)+1] == mark+"=" {
			return true
		}
	}
	return false
}

// Address implements cluster.Instance.
func (i *instance) Address() string { return i.address }

// Done implements cluster.Instance.
func (i *instance) Done() <-chan struct{} { return i.done }

// Err implements cluster.Instance.
func (i *instance) Err() error { return i.err }

// Kill implements cluster.Instance. The first process dies first, so that it starts nothing more; who descends from it is found before.
func (i *instance) Kill(ctx context.Context) error {
	all := descendants(i.process.Pid, i.lock)
	_ = i.process.Signal(syscall.SIGKILL) // it may have ended
	killing := killUntilGone(ctx, func() ([]process, error) { return slices.Clone(all), nil })
	select {
	case <-i.done:
		return killing
	case <-ctx.Done():
		return errors.Join(killing, fmt.Errorf("waiting for process %d to die: %w", i.process.Pid, ctx.Err()))
	}
}

// stoppingTime is how long the threads of a node have to stop, on a machine with many times more to do than it can.
const stoppingTime = 8 * time.Second

// Pause implements cluster.Instance. A signal is sent in no time, and takes effect when each thread has its next turn, which is waited for.
func (i *instance) Pause(ctx context.Context) error {
	if err := i.signalAll(unix.SIGSTOP); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stoppingTime)
	defer cancel()
	for _, p := range descendants(i.process.Pid, i.lock) {
		if err := supervise.AwaitThreads(ctx, p.pid, true); err != nil && ctx.Err() != nil {
			return err // where the time is not up, it is gone
		}
	}
	return nil
}

// Resume implements cluster.Instance.
func (i *instance) Resume(context.Context) error { return i.signalAll(unix.SIGCONT) }

// signalAll signals the first process before the others.
func (i *instance) signalAll(signal unix.Signal) error {
	var errs []error
	for _, p := range descendants(i.process.Pid, i.lock) {
		errs = append(errs, p.signal(signal))
	}
	return errors.Join(errs...)
}

// Elsewhere implements cluster.Instance.
func (i *instance) Elsewhere() bool { return false }

// SaveLogs implements cluster.Instance. The logs are written where they belong.
func (i *instance) SaveLogs(context.Context) error { return nil }
