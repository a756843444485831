package supervise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// A Daemon says how one daemon is run.
type Daemon struct {
	Name     string
	Args     []string      // the path of the program, then its arguments
	Env      []string      // the whole environment
	Dir      string        // its working directory; "" is the supervisor's
	Keeps    string        // the folder of everything that it keeps; "" where it keeps nothing
	Contents string        // the folder of it with contents of files alone that are known by their names; "" where there is none
	LogFile  string        // standard output and standard error are appended here
	Mounts   bool          // it serves the node's mount: the mount is cleared before each start but the first
	Patience time.Duration // from SIGTERM to SIGKILL; 0 is 2 s
}

// State says what a daemon is doing.
type State string

// The states.
const (
	Exited   State = "exited"   // it was never started, or ended
	Starting State = "starting" // its process runs, it is not ready
	Running  State = "running"  // and ready
	Paused   State = "paused"   // stopped by a signal, ready or not
)

// Status is the state of a daemon at one moment.
type Status struct {
	Name    string
	State   State
	PID     int          // 0 without a process
	Started history.Time // of this or the last life
	Ready   history.Time // 0 where it is not ready
	Starts  uint32       // how often it was started
	Exit    string       // how the last life ended: "exit status 2", "signal: killed"
}

// Hooks are what the supervisor needs from outside. Each is called with a deadline and may be abandoned after it.
type Hooks struct {
	// Ready returns nil when a daemon is ready. Nil stands for a daemon that is ready at once.
	Ready func(ctx context.Context, daemon string) error
	// ClearMount detaches what a dead daemon left mounted.
	ClearMount func(ctx context.Context) error
	// AbortMount makes the kernel fail everything that waits for the mount. It must not touch the mount.
	AbortMount func(ctx context.Context) error
	// Event is told what happened, in order for each daemon. It must not block.
	Event func(history.Event)
	// Log takes what goes wrong.
	Log *slog.Logger
}

// Errors of the operations on daemons.
var (
	ErrUnknown = errors.New("no such daemon")
	ErrState   = errors.New("wrong state of the daemon") // to start one that runs, to signal one that does not
)

// The bounds of what does not have one from outside. Those of what the kernel does tell a process that is stuck from one that has not had its turn yet,
// on a machine with thirty times more to do than it can. Together they stay below the bounds of the calls that wait for them.
const (
	defaultPatience = 2 * time.Second
	abortTime       = time.Second      // of a killed process before its mount is aborted, which harms none that dies anyway
	dyingTime       = 10 * time.Second // until it counts as one that does not die
	clearingTime    = 5 * time.Second  // of the mount
	stoppingTime    = 8 * time.Second  // until all threads have stopped; one in a disk write does so after it
	readyInterval   = 20 * time.Millisecond
	readyTime       = 5 * time.Second // of one call of the hook
)

// Validate says what is wrong with a daemon's description.
func (d Daemon) Validate() error {
	switch {
	case d.Name == "":
		return errors.New("a daemon has no name")
	case len(d.Args) == 0:
		return fmt.Errorf("daemon %s: no program", d.Name)
	case d.LogFile == "":
		return fmt.Errorf("daemon %s: no log file", d.Name)
	}
	return nil
}
