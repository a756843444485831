package supervise

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// Supervisor runs the daemons of a node. Its methods may be called from several goroutines; those of one daemon wait for each other.
type Supervisor struct {
	hooks   Hooks
	spawner *spawner
	daemons []*supervised // in the order in which they are started
	running sync.WaitGroup
	stopped atomic.Bool
}

// supervised is a daemon with its lives.
type supervised struct {
	Daemon
	turn chan struct{} // holds a token while an operation is going on

	mu     sync.Mutex
	life   *life // nil before the first
	starts uint32
}

// New makes a supervisor of daemons, none of which is started. Stop must be called in the end.
func New(daemons []Daemon, hooks Hooks) (*Supervisor, error) {
	s := &Supervisor{hooks: hooks}
	for _, d := range daemons {
		if err := d.Validate(); err != nil {
			return nil, err
		}
		if d.Patience == 0 {
			d.Patience = defaultPatience
		}
		s.daemons = append(s.daemons, &supervised{Daemon: d, turn: make(chan struct{}, 1)})
	}
	s.spawner = newSpawner()
	return s, nil
}

// Start starts a daemon that is not running and does not wait until it is ready. The error is ErrUnknown, ErrState, or why the mount could not be
// cleared or the program not be executed.
func (s *Supervisor) Start(ctx context.Context, name string) error {
	return s.inTurn(ctx, name, func(d *supervised) error {
		before := d.current()
		switch {
		case s.stopped.Load():
			return errStopped
		case before != nil && !before.over():
			return fmt.Errorf("%w: %s runs already as process %d", ErrState, name, before.pid)
		case before != nil && d.Mounts:
			if err := s.clearMount(ctx); err != nil {
				return fmt.Errorf("clearing the mount before %s is started: %w", name, err)
			}
		}
		begun, err := start(s.spawner, d.Daemon)
		if err != nil {
			return err
		}
		d.mu.Lock()
		d.life, d.starts = begun, d.starts+1
		d.mu.Unlock()
		s.event(d, "started", begun.started, true, fmt.Sprintf("process %d", begun.pid))
		s.watch(d, begun)
		return nil
	})
}

// watch follows a life to its end.
func (s *Supervisor) watch(d *supervised, l *life) {
	asked := make(chan struct{})
	s.running.Go(func() {
		defer close(asked)
		s.awaitReady(d, l)
	})
	s.running.Go(func() {
		defer close(l.ended)
		l.wait()
		<-asked // so that the events are in order
		s.tellEnd(d, l)
	})
}

// awaitReady asks until the daemon is ready or its process has ended.
func (s *Supervisor) awaitReady(d *supervised, l *life) {
	for s.hooks.Ready != nil {
		err := bounded(l.alive, readyTime, func(ctx context.Context) error { return s.hooks.Ready(ctx, d.Name) })
		if err == nil {
			break
		}
		select {
		case <-l.alive.Done():
			return
		case <-time.After(readyInterval):
		}
	}
	at := history.Now()
	l.mu.Lock()
	l.ready = at
	l.mu.Unlock()
	s.event(d, "ready", at, true, "")
	close(l.readied)
}

func (s *Supervisor) tellEnd(d *supervised, l *life) {
	l.mu.Lock()
	killed, expected := l.killed, l.killed || l.terminated
	l.mu.Unlock()
	what, said := "exited", l.exit
	if killed {
		what = "killed"
	}
	if !expected {
		said = detail(l.exit, d.LogFile, l.logged)
	}
	s.event(d, what, history.Now(), expected, said)
}

func (s *Supervisor) event(d *supervised, what string, at history.Time, expected bool, said string) {
	s.hooks.Log.Info("daemon "+what, "daemon", d.Name, "expected", expected, "detail", said)
	s.hooks.Event(history.Event{Daemon: d.Name, What: what, Time: at, Expected: expected, Detail: said})
}

// WaitReady waits until a daemon is ready. The error is ErrUnknown, ErrState when it does not run or ends meanwhile, or the context's.
func (s *Supervisor) WaitReady(ctx context.Context, name string) error {
	d, err := s.find(name)
	if err != nil {
		return err
	}
	l := d.current()
	if l == nil {
		return fmt.Errorf("%w: %s was not started", ErrState, name)
	}
	select {
	case <-l.readied:
		return nil
	case <-l.ended:
		return fmt.Errorf("%w: %s ended before it was ready: %s", ErrState, name, detail(l.exit, d.LogFile, l.logged))
	case <-ctx.Done():
		return fmt.Errorf("waiting until %s is ready: %w", name, ctx.Err())
	}
}

// Status returns the state of all daemons, in the order of their descriptions.
func (s *Supervisor) Status() []Status {
	all := make([]Status, 0, len(s.daemons))
	for _, d := range s.daemons {
		all = append(all, d.status())
	}
	return all
}

// StatusOf returns the state of one daemon.
func (s *Supervisor) StatusOf(name string) (Status, error) {
	d, err := s.find(name)
	if err != nil {
		return Status{}, err
	}
	return d.status(), nil
}

func (d *supervised) status() Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	status := Status{Name: d.Name, State: Exited, Starts: d.starts}
	if d.life == nil {
		return status
	}
	status.State, status.Ready = d.life.state()
	status.Started = d.life.started
	if status.State == Exited {
		status.Exit = d.life.exit
	} else {
		status.PID = d.life.pid
	}
	return status
}

func (d *supervised) current() *life {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.life
}

func (s *Supervisor) find(name string) (*supervised, error) {
	i := slices.IndexFunc(s.daemons, func(d *supervised) bool { return d.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("%w: %q", ErrUnknown, name)
	}
	return s.daemons[i], nil
}

// inTurn does something to a daemon when no other operation on it is going on.
func (s *Supervisor) inTurn(ctx context.Context, name string, do func(d *supervised) error) error {
	d, err := s.find(name)
	if err != nil {
		return err
	}
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
		return do(d)
	case <-ctx.Done():
		return fmt.Errorf("waiting for another operation on %s: %w", name, ctx.Err())
	}
}

func (s *Supervisor) clearMount(ctx context.Context) error {
	if s.hooks.ClearMount == nil {
		return nil
	}
	return bounded(ctx, clearingTime, s.hooks.ClearMount)
}

// bounded calls do with a deadline, and leaves it behind if it does not return by then: what it waits for may never come.
func bounded(ctx context.Context, bound time.Duration, do func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	result := make(chan error, 1)
	go func() { result <- do(ctx) }()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
