package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// Kill sends SIGKILL and waits until the process is reaped. If it does not die, because it waits for its own mount, the mount is aborted.
// The error is ErrUnknown, ErrState when it does not run, or that it still does not die.
func (s *Supervisor) Kill(ctx context.Context, name string) error {
	return s.inTurn(ctx, name, func(d *supervised) error {
		l, err := d.alive()
		if err != nil {
			return err
		}
		l.mu.Lock()
		l.killed = true
		l.mu.Unlock()
		return s.kill(ctx, d, l)
	})
}

func (s *Supervisor) kill(ctx context.Context, d *supervised, l *life) error {
	if err := l.signal(syscall.SIGKILL); err != nil && !errors.Is(err, ErrState) {
		return err
	}
	if l.endsWithin(abortTime) {
		return nil
	}
	if s.hooks.AbortMount != nil {
		s.abortMount(ctx, d, l)
	}
	if l.endsWithin(dyingTime) {
		return nil
	}
	return fmt.Errorf("%s (process %d) does not die of SIGKILL", d.Name, l.pid)
}

func (s *Supervisor) abortMount(ctx context.Context, d *supervised, l *life) {
	s.hooks.Log.Warn("a killed daemon does not die: aborting the mount", "daemon", d.Name, "pid", l.pid)
	if err := bounded(ctx, clearingTime, s.hooks.AbortMount); err != nil {
		s.hooks.Log.Warn("aborting the mount", "error", err)
	}
}

// Terminate sends SIGTERM, after the daemon's patience SIGKILL, and waits until the process is reaped.
// The error is ErrUnknown, ErrState when it does not run, or that it does not die.
func (s *Supervisor) Terminate(ctx context.Context, name string) error {
	return s.inTurn(ctx, name, func(d *supervised) error {
		l, err := d.alive()
		if err != nil {
			return err
		}
		err = s.askToEnd(d, l)
		if errors.Is(err, errDeaf) {
			s.hooks.Log.Warn("a daemon does not end: killing it", "daemon", d.Name, "pid", l.pid)
			return s.kill(ctx, d, l)
		}
		return err
	})
}

// Wipe removes everything that a daemon keeps, as the loss of its disk does. The error is ErrUnknown, or ErrState when it runs or keeps nothing.
func (s *Supervisor) Wipe(ctx context.Context, name string) error {
	return s.inTurn(ctx, name, func(d *supervised) error {
		if l, err := d.alive(); err == nil {
			return fmt.Errorf("%w: %s runs as process %d", ErrState, name, l.pid)
		}
		if d.Keeps == "" {
			return fmt.Errorf("%w: %s keeps nothing", ErrState, name)
		}
		if err := os.RemoveAll(d.Keeps); err != nil {
			return fmt.Errorf("removing what %s keeps: %w", name, err)
		}
		return nil
	})
}

// Contents is the folder with the contents of files that a daemon keeps. The error is ErrUnknown, or ErrState when it keeps none.
func (s *Supervisor) Contents(name string) (string, error) {
	d, err := s.find(name)
	if err == nil && d.Contents == "" {
		err = fmt.Errorf("%w: %s keeps no contents", ErrState, name)
	}
	if err != nil {
		return "", err
	}
	return d.Contents, nil
}

// errDeaf says that SIGTERM did not end a daemon.
var errDeaf = errors.New("it does not end of SIGTERM")

// askToEnd sends SIGTERM and waits for the daemon's patience.
func (s *Supervisor) askToEnd(d *supervised, l *life) error {
	l.mu.Lock()
	l.terminated = true
	l.mu.Unlock()
	// A stopped process takes no notice of SIGTERM.
	if err := errors.Join(l.signal(syscall.SIGTERM), l.signal(syscall.SIGCONT)); err != nil && !errors.Is(err, ErrState) {
		return err
	}
	if !l.endsWithin(d.Patience) {
		return errDeaf
	}
	return nil
}

// Pause sends SIGSTOP and waits until every thread has stopped. The error is ErrUnknown, ErrState when the daemon does not run or is paused, or
// that a thread does not stop.
func (s *Supervisor) Pause(ctx context.Context, name string) error {
	return s.inTurn(ctx, name, func(d *supervised) error {
		return s.setPaused(ctx, d, true)
	})
}

// Resume sends SIGCONT and waits until the process goes on. The error is ErrUnknown, or ErrState when the daemon is not paused.
func (s *Supervisor) Resume(ctx context.Context, name string) error {
	return s.inTurn(ctx, name, func(d *supervised) error {
		return s.setPaused(ctx, d, false)
	})
}

func (s *Supervisor) setPaused(ctx context.Context, d *supervised, paused bool) error {
	signal, what := syscall.SIGCONT, "resumed"
	if paused {
		signal, what = syscall.SIGSTOP, "paused"
	}
	l, err := d.alive()
	if err != nil {
		return err
	}
	l.mu.Lock()
	already := l.paused == paused
	l.mu.Unlock()
	if already {
		return fmt.Errorf("%w: %s is %s already", ErrState, d.Name, what)
	}
	at := history.Now()
	if err := l.signal(signal); err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, stoppingTime)
	defer cancel()
	err = AwaitThreads(waiting, l.pid, paused)
	if err != nil && paused {
		return errors.Join(fmt.Errorf("pausing %s: %w", d.Name, err), l.signal(syscall.SIGCONT))
	}
	if err != nil {
		return fmt.Errorf("resuming %s: %w", d.Name, err)
	}
	l.mu.Lock()
	l.paused = paused
	l.mu.Unlock()
	if paused {
		at = history.Now() // the daemon may work until here; a resumed one from the signal on
	}
	s.event(d, what, at, true, "")
	return nil
}

// alive returns the current life, or ErrState.
func (d *supervised) alive() (*life, error) {
	l := d.current()
	if l == nil || l.over() {
		return nil, fmt.Errorf("%w: %s is not running", ErrState, d.Name)
	}
	return l, nil
}

// Stop terminates all daemons, the last started first, and waits for what the supervisor has going on. Daemons cannot be started any more.
// The error names what did not end; it is left behind. Stop takes no longer than the sum of the daemons' bounds.
func (s *Supervisor) Stop(ctx context.Context) error {
	s.stopped.Store(true)
	for i := len(s.daemons) - 1; i >= 0; i-- {
		s.stop(ctx, s.daemons[i])
	}
	errs := s.endStuck(ctx)
	if !waitWithin(&s.running, dyingTime) {
		errs = append(errs, errors.New("goroutines of the supervisor are left behind"))
		return errors.Join(errs...) // the spawner stays: the end of its thread would change nothing
	}
	s.spawner.end()
	return errors.Join(errs...)
}

// stop ends a daemon. One that does not die yet may wait for the mount of another: that comes later.
func (s *Supervisor) stop(ctx context.Context, d *supervised) {
	err := s.inTurn(ctx, d.Name, func(d *supervised) error {
		l, err := d.alive()
		if err != nil {
			return err
		}
		return s.askToEnd(d, l)
	})
	if l, dead := d.alive(); dead == nil {
		s.hooks.Log.Warn("a daemon does not end: killing it", "daemon", d.Name, "pid", l.pid, "error", err)
		_ = l.signal(syscall.SIGKILL) // it can only have ended
		l.endsWithin(abortTime)
	}
}

// endStuck aborts the mount if a daemon that was killed is still there, and names those that are there even then.
func (s *Supervisor) endStuck(ctx context.Context) []error {
	var errs []error
	until := time.Now().Add(clearingTime + dyingTime) // all die at the same time
	aborted := s.hooks.AbortMount == nil
	for _, d := range s.daemons {
		l, dead := d.alive()
		if dead != nil {
			continue
		}
		if !aborted {
			aborted = true
			s.abortMount(ctx, d, l)
		}
		if !l.endsWithin(time.Until(until)) {
			errs = append(errs, fmt.Errorf("%s (process %d) does not die of SIGKILL", d.Name, l.pid))
		}
	}
	return errs
}

func waitWithin(group *sync.WaitGroup, bound time.Duration) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		group.Wait()
	}()
	select {
	case <-done:
		return true
	case <-time.After(bound):
		return false
	}
}
