package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// life is one process of a daemon, from its start until it is reaped.
type life struct {
	process *os.Process
	pid     int
	started history.Time
	logged  int64           // length of the log file at the start
	alive   context.Context // ends when the process is reaped and exit is set
	reaped  context.CancelFunc
	exit    string        // how it ended
	ended   chan struct{} // closed when its end has been told as well
	readied chan struct{} // closed when it is ready

	mu         sync.Mutex
	ready      history.Time
	paused     bool
	killed     bool // we sent SIGKILL
	terminated bool // we asked it to end
}

// start starts a process on the spawner's thread. The process leads a group of its own, and dies with us.
func start(spawner *spawner, d Daemon) (*life, error) {
	output, err := os.OpenFile(d.LogFile, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the log of %s: %w", d.Name, err)
	}
	defer output.Close() //nolint:errcheck // the child has its own descriptor
	info, err := output.Stat()
	if err != nil {
		return nil, fmt.Errorf("opening the log of %s: %w", d.Name, err)
	}
	command := exec.Command(d.Args[0], d.Args[1:]...)
	command.Env, command.Dir = d.Env, d.Dir
	command.Stdout, command.Stderr = output, output
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	begun := &life{logged: info.Size(), ended: make(chan struct{}), readied: make(chan struct{}), started: history.Now()}
	begun.alive, begun.reaped = context.WithCancel(context.Background())
	if err := spawner.do(command.Start); err != nil {
		begun.reaped()
		return nil, fmt.Errorf("starting %s: %w", d.Name, err)
	}
	begun.process, begun.pid = command.Process, command.Process.Pid
	offer(begun.pid)
	return begun, nil
}

// offer has the kernel take a daemon first where there is no memory left, and not us: a daemon can be started again. Nothing depends on whether it can be
// said.
func offer(pid int) {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte("500"), 0)
}

// wait reaps the process, then ends what is left of its group.
func (l *life) wait() {
	state, err := l.process.Wait()
	_ = syscall.Kill(-l.pid, syscall.SIGKILL)
	if err != nil {
		l.exit = fmt.Sprintf("lost: %v", err) // someone else has reaped it
	} else {
		l.exit = state.String()
	}
	l.reaped()
}

// over says whether the life is at an end and told of.
func (l *life) over() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

// signal sends a signal to the whole group.
func (l *life) signal(signal syscall.Signal) error {
	if l.alive.Err() != nil {
		return fmt.Errorf("%w: process %d has ended", ErrState, l.pid)
	}
	if err := syscall.Kill(-l.pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("sending %v to process %d: %w", signal, l.pid, err)
	}
	return nil
}

// state returns the state of a life and when it became ready.
func (l *life) state() (State, history.Time) {
	if l.over() {
		return Exited, 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.paused:
		return Paused, l.ready
	case l.ready != 0:
		return Running, l.ready
	default:
		return Starting, 0
	}
}

// endsWithin waits for the end of the process for a time.
func (l *life) endsWithin(bound time.Duration) bool {
	timer := time.NewTimer(bound)
	defer timer.Stop()
	select {
	case <-l.ended:
		return true
	case <-timer.C:
		return false
	}
}
