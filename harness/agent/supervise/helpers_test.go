package supervise

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

const patience = 20 * time.Second

// modeVariable makes the test binary a daemon.
const modeVariable = "CODASTRESS_TEST_DAEMON"

func TestMain(m *testing.M) {
	if mode := os.Getenv(modeVariable); mode != "" {
		os.Exit(playDaemon(mode, os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

// playDaemon is what the daemons of these tests do.
func playDaemon(mode string, args []string) int {
	switch mode {
	case "serve": // until SIGTERM
		terminated := make(chan os.Signal, 1)
		signal.Notify(terminated, syscall.SIGTERM)
		fmt.Println("serving")
		<-terminated
		return 0
	case "deaf": // to SIGTERM
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("deaf")
		time.Sleep(time.Hour)
	case "panic":
		fmt.Println("a line before")
		var nobody *history.Event
		fmt.Println(nobody.Node)
	case "fail":
		fmt.Println("no space")
		return 3
	case "stuck": // in a call that does not return
		fmt.Println("stuck")
		_, _ = os.Stat(args[0])
	case "family": // a process that outlives its parent
		child := exec.Command("sleep", "3600")
		if err := child.Start(); err != nil {
			return 1
		}
		fmt.Println("child", child.Process.Pid)
		time.Sleep(time.Hour)
	case "supervisor": // that is killed: its daemon must die
		s, err := New([]Daemon{serving("d", args[0])}, Hooks{Log: slog.New(slog.DiscardHandler), Event: func(history.Event) {}})
		if err != nil || s.Start(context.Background(), "d") != nil {
			return 1
		}
		fmt.Println("child", s.Status()[0].PID)
		time.Sleep(time.Hour)
	case "orphanage":
		return playOrphanage()
	}
	return 0
}

// serving is a daemon that serves, with its log in a folder.
func serving(name, folder string) Daemon {
	return playing(name, "serve", folder)
}

func playing(name, mode, folder string, args ...string) Daemon {
	return Daemon{
		Name: name, Args: append([]string{os.Args[0]}, args...), Env: append(os.Environ(), modeVariable+"="+mode, "GORACE=atexit_sleep_ms=0"),
		LogFile: filepath.Join(folder, name+".log"),
	}
}

// recorder keeps events.
type recorder struct {
	mu     sync.Mutex
	events []history.Event
}

func (r *recorder) add(e history.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// whats returns what happened to a daemon, an unexpected event with a "!".
func (r *recorder) whats(daemon string) []string {
	var whats []string
	for _, e := range r.of(daemon) {
		if !e.Expected {
			e.What += "!"
		}
		whats = append(whats, e.What)
	}
	return whats
}

func (r *recorder) of(daemon string) []history.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	var events []history.Event
	for _, e := range r.events {
		if e.Daemon == daemon {
			events = append(events, e)
		}
	}
	return events
}

func newSupervisor(t *testing.T, hooks Hooks, daemons ...Daemon) (*Supervisor, *recorder) {
	r := &recorder{}
	hooks.Event, hooks.Log = r.add, slog.New(slog.DiscardHandler)
	s, err := New(daemons, hooks)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, s.Stop(ctx))
	})
	return s, r
}

// begin starts a daemon and waits until it is ready.
func begin(t *testing.T, s *Supervisor, name string) Status {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, s.Start(ctx, name))
	require.NoError(t, s.WaitReady(ctx, name))
	status, err := s.StatusOf(name)
	require.NoError(t, err)
	return status
}

// awaitOutput waits until a daemon has written a text.
func awaitOutput(t *testing.T, d Daemon, text string) string {
	var said []byte
	require.Eventually(t, func() bool {
		said, _ = os.ReadFile(d.LogFile)
		return len(said) > 0 && said[len(said)-1] == '\n'
	}, patience, time.Millisecond)
	require.Contains(t, string(said), text)
	return string(said)
}

func exists(pid int) bool { return syscall.Kill(pid, 0) == nil }
