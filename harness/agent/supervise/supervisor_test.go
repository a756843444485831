package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/codastress/codastress/harness/agent/fusemount"
	"github.com/codastress/codastress/harness/agent/fusemount/fusetest"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestALifeFromStartToEnd(t *testing.T) {
	s, r := newSupervisor(t, Hooks{}, serving("d", t.TempDir()))
	status, err := s.StatusOf("d")
	require.NoError(t, err)
	require.Equal(t, Status{Name: "d", State: Exited}, status)

	status = begin(t, s, "d")
	require.Equal(t, Running, status.State)
	require.NotZero(t, status.PID)
	require.NotZero(t, status.Started)
	require.GreaterOrEqual(t, status.Ready, status.Started)
	require.ErrorIs(t, s.Start(t.Context(), "d"), ErrState)

	awaitOutput(t, s.daemons[0].Daemon, "serving")
	require.NoError(t, s.Terminate(t.Context(), "d"))
	status, err = s.StatusOf("d")
	require.NoError(t, err)
	require.Equal(t, Exited, status.State)
	require.Equal(t, "exit status 0", status.Exit)
	require.Zero(t, status.PID)
	require.ErrorIs(t, s.Terminate(t.Context(), "d"), ErrState)
	require.Equal(t, []string{"started", "ready", "exited"}, r.whats("d"))
}

func TestWipe(t *testing.T) {
	d := serving("d", t.TempDir())
	d.Keeps = filepath.Join(t.TempDir(), "kept")
	require.NoError(t, os.MkdirAll(filepath.Join(d.Keeps, "store"), 0o700))
	keepsNothing := serving("web", t.TempDir())
	s, _ := newSupervisor(t, Hooks{}, d, keepsNothing)
	begin(t, s, "d")
	require.ErrorIs(t, s.Wipe(t.Context(), "d"), ErrState)
	require.DirExists(t, d.Keeps)
	require.NoError(t, s.Kill(t.Context(), "d"))
	require.NoError(t, s.Wipe(t.Context(), "d"))
	require.NoDirExists(t, d.Keeps)
	require.NoError(t, s.Wipe(t.Context(), "d"), "there is nothing left to remove")
	require.ErrorIs(t, s.Wipe(t.Context(), "web"), ErrState)
	require.ErrorIs(t, s.Wipe(t.Context(), "unknown"), ErrUnknown)
}

func TestKillAndRestart(t *testing.T) {
	var cleared atomic.Int32
	d := serving("d", t.TempDir())
	d.Mounts = true
	s, r := newSupervisor(t, Hooks{ClearMount: func(context.Context) error { cleared.Add(1); return nil }}, d)
	first := begin(t, s, "d")
	require.Zero(t, cleared.Load(), "nothing can be mounted before the first start")
	require.NoError(t, s.Kill(t.Context(), "d"))
	require.False(t, exists(first.PID))
	second := begin(t, s, "d")
	require.EqualValues(t, 1, cleared.Load())
	require.NotEqual(t, first.PID, second.PID)
	require.EqualValues(t, 2, second.Starts)
	require.Equal(t, []string{"started", "ready", "killed", "started", "ready"}, r.whats("d"))
	require.Equal(t, "signal: killed", r.of("d")[2].Detail)
}

func TestAKillFromOutsideIsUnexpected(t *testing.T) {
	s, r := newSupervisor(t, Hooks{}, serving("d", t.TempDir()))
	status := begin(t, s, "d")
	awaitOutput(t, s.daemons[0].Daemon, "serving")
	require.NoError(t, syscall.Kill(status.PID, syscall.SIGKILL))
	require.Eventually(t, func() bool { return len(r.of("d")) == 3 }, patience, time.Millisecond)
	require.Equal(t, []string{"started", "ready", "exited!"}, r.whats("d"))
	require.Equal(t, "signal: killed\nserving", r.of("d")[2].Detail)
}

func TestADaemonThatEndsByItself(t *testing.T) {
	for _, test := range []struct {
		mode string
		want []string
	}{
		{"panic", []string{"exit status 2", "panic: runtime error: invalid memory address", "[signal SIGSEGV", "playDaemon"}},
		{"fail", []string{"exit status 3", "no space"}},
	} {
		t.Run(test.mode, func(t *testing.T) {
			never := func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
			s, r := newSupervisor(t, Hooks{Ready: never}, playing("d", test.mode, t.TempDir()))
			require.NoError(t, s.Start(t.Context(), "d"))
			require.ErrorIs(t, s.WaitReady(t.Context(), "d"), ErrState)
			require.Equal(t, []string{"started", "exited!"}, r.whats("d"))
			for _, want := range test.want {
				require.Contains(t, r.of("d")[1].Detail, want)
			}
			require.NotContains(t, r.of("d")[1].Detail, "a line before")
		})
	}
}

func TestTheTailIsOfThisLifeOnly(t *testing.T) {
	d := playing("d", "fail", t.TempDir())
	require.NoError(t, os.WriteFile(d.LogFile, []byte("panic: of long ago\n"), 0o600))
	s, r := newSupervisor(t, Hooks{}, d)
	require.NoError(t, s.Start(t.Context(), "d"))
	require.Eventually(t, func() bool { return len(r.of("d")) == 3 }, patience, time.Millisecond)
	require.Equal(t, "exit status 3\nno space", r.of("d")[2].Detail)
}

func TestReadyIsAskedUntilItIs(t *testing.T) {
	var asked atomic.Int32
	hooks := Hooks{Ready: func(context.Context, string) error {
		if asked.Add(1) < 3 {
			return errors.New("not yet")
		}
		return nil
	}}
	s, r := newSupervisor(t, hooks, serving("d", t.TempDir()))
	require.NoError(t, s.Start(t.Context(), "d"))
	status, err := s.StatusOf("d")
	require.NoError(t, err)
	require.Equal(t, Starting, status.State)
	require.NoError(t, s.WaitReady(t.Context(), "d"))
	require.EqualValues(t, 3, asked.Load())
	require.Equal(t, []string{"started", "ready"}, r.whats("d"))
}

func TestPauseAndResume(t *testing.T) {
	d := serving("d", t.TempDir())
	s, r := newSupervisor(t, Hooks{}, d)
	status := begin(t, s, "d")
	awaitOutput(t, d, "serving")
	require.NoError(t, s.Pause(t.Context(), "d"))
	stopped, err := allThreads(status.PID, true)
	require.NoError(t, err)
	require.True(t, stopped)
	require.ErrorIs(t, s.Pause(t.Context(), "d"), ErrState)
	paused, err := s.StatusOf("d")
	require.NoError(t, err)
	require.Equal(t, Paused, paused.State)
	require.NoError(t, s.Resume(t.Context(), "d"))
	require.ErrorIs(t, s.Resume(t.Context(), "d"), ErrState)
	resumed, err := s.StatusOf("d")
	require.NoError(t, err)
	require.Equal(t, status, resumed)
	require.NoError(t, s.Pause(t.Context(), "d"))
	require.NoError(t, s.Terminate(t.Context(), "d"), "a paused daemon ends in order")
	require.Equal(t, []string{"started", "ready", "paused", "resumed", "paused", "exited"}, r.whats("d"))
}

func TestKillAPausedDaemon(t *testing.T) {
	s, r := newSupervisor(t, Hooks{}, serving("d", t.TempDir()))
	begin(t, s, "d")
	require.NoError(t, s.Pause(t.Context(), "d"))
	require.NoError(t, s.Kill(t.Context(), "d"))
	require.Equal(t, []string{"started", "ready", "paused", "killed"}, r.whats("d"))
	require.ErrorIs(t, s.Resume(t.Context(), "d"), ErrState)
}

func TestADaemonThatIgnoresSIGTERMIsKilled(t *testing.T) {
	d := playing("d", "deaf", t.TempDir())
	d.Patience = 50 * time.Millisecond
	s, r := newSupervisor(t, Hooks{}, d)
	begin(t, s, "d")
	awaitOutput(t, d, "deaf")
	require.NoError(t, s.Terminate(t.Context(), "d"))
	require.Equal(t, []string{"started", "ready", "exited"}, r.whats("d"))
}

func TestTheWholeFamilyDies(t *testing.T) {
	d := playing("d", "family", t.TempDir())
	s, _ := newSupervisor(t, Hooks{}, d)
	begin(t, s, "d")
	var child int
	_, err := fmt.Sscanf(awaitOutput(t, d, "child"), "child %d", &child)
	require.NoError(t, err)
	require.NoError(t, s.Kill(t.Context(), "d"))
	require.Eventually(t, func() bool { return !exists(child) || isZombie(child) }, patience, time.Millisecond)
}

// A daemon in a call that nobody answers cannot be killed before its mount is aborted.
func TestADaemonStuckInItsMountDies(t *testing.T) {
	mount := fusetest.NewDeaf(t)
	d := playing("d", "stuck", t.TempDir(), filepath.Join(mount.Path, "file"))
	var aborted atomic.Bool
	s, _ := newSupervisor(t, Hooks{AbortMount: func(ctx context.Context) error {
		aborted.Store(true)
		return fusemount.Abort(ctx, mount.Path)
	}}, d)
	status := begin(t, s, "d")
	require.Eventually(t, func() bool { return mount.Asked() > 0 }, patience, time.Millisecond)
	require.NoError(t, s.Kill(t.Context(), "d"))
	require.False(t, exists(status.PID))
	require.True(t, aborted.Load())
}

// On a machine with too much to do a killed process gets its turn to die late.
func TestADaemonThatDiesLateIsDead(t *testing.T) {
	mount := fusetest.NewDeaf(t)
	s, r := newSupervisor(t, Hooks{}, playing("d", "stuck", t.TempDir(), filepath.Join(mount.Path, "file")))
	status := begin(t, s, "d")
	require.Eventually(t, func() bool { return mount.Asked() > 0 }, patience, time.Millisecond)
	released := make(chan error, 1)
	time.AfterFunc(3*abortTime, func() { released <- fusemount.Abort(t.Context(), mount.Path) })
	require.NoError(t, s.Kill(t.Context(), "d"))
	require.NoError(t, <-released)
	require.False(t, exists(status.PID))
	require.Equal(t, []string{"started", "ready", "killed"}, r.whats("d"))
}

func TestStopEndsDaemonsThatAreStuckInTheMount(t *testing.T) {
	mount := fusetest.NewDeaf(t)
	folder := t.TempDir()
	var aborts atomic.Int32
	s, r := newSupervisor(t, Hooks{AbortMount: func(ctx context.Context) error {
		aborts.Add(1)
		return fusemount.Abort(ctx, mount.Path)
	}}, playing("a", "stuck", folder, filepath.Join(mount.Path, "x")), playing("b", "stuck", folder, filepath.Join(mount.Path, "y")))
	a, b := begin(t, s, "a"), begin(t, s, "b")
	awaitOutput(t, s.daemons[0].Daemon, "stuck")
	awaitOutput(t, s.daemons[1].Daemon, "stuck")
	require.Eventually(t, func() bool { return mount.Asked() > 0 }, patience, time.Millisecond)
	require.NoError(t, s.Stop(t.Context()))
	require.False(t, exists(a.PID))
	require.False(t, exists(b.PID))
	require.EqualValues(t, 1, aborts.Load())
	require.Equal(t, []string{"started", "ready", "exited"}, r.whats("a"), "asked to end, and killed for not doing it")
	s.spawner = newSpawner() // the clean-up stops once more
}

func TestDaemonsDieWithTheSupervisor(t *testing.T) {
	folder := t.TempDir()
	supervisor := exec.Command(os.Args[0], folder)
	supervisor.Env = append(os.Environ(), modeVariable+"=supervisor")
	output, err := supervisor.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, supervisor.Start())
	var child int
	_, err = fmt.Fscanf(output, "child %d\n", &child)
	require.NoError(t, err)
	require.True(t, exists(child))
	require.NoError(t, supervisor.Process.Kill())
	_ = supervisor.Wait()
	require.Eventually(t, func() bool { return !exists(child) || isZombie(child) }, patience, time.Millisecond)
}

func TestStopEndsEverythingInReverse(t *testing.T) {
	folder := t.TempDir()
	s, r := newSupervisor(t, Hooks{}, serving("first", folder), serving("never", folder), serving("last", folder))
	first, last := begin(t, s, "first"), begin(t, s, "last")
	require.NoError(t, s.Pause(t.Context(), "first"))
	require.NoError(t, s.Stop(t.Context()))
	require.False(t, exists(first.PID))
	require.False(t, exists(last.PID))
	r.mu.Lock()
	n := len(r.events)
	require.Equal(t, "first", r.events[n-1].Daemon)
	require.Equal(t, "last", r.events[n-2].Daemon)
	r.mu.Unlock()
	require.ErrorIs(t, s.Start(t.Context(), "first"), errStopped)
	s.spawner = newSpawner() // the clean-up stops once more
}

func TestWrongUse(t *testing.T) {
	folder := t.TempDir()
	missing := serving("missing", folder)
	missing.Args = []string{filepath.Join(folder, "no such program")}
	s, r := newSupervisor(t, Hooks{}, serving("d", folder), missing)
	for _, operation := range []func(context.Context, string) error{s.Start, s.WaitReady, s.Kill, s.Terminate, s.Pause, s.Resume} {
		require.ErrorIs(t, operation(t.Context(), "unknown"), ErrUnknown)
	}
	for _, operation := range []func(context.Context, string) error{s.WaitReady, s.Kill, s.Terminate, s.Pause, s.Resume} {
		require.ErrorIs(t, operation(t.Context(), "d"), ErrState)
	}
	require.ErrorIs(t, s.Start(t.Context(), "missing"), os.ErrNotExist)
	require.Empty(t, r.events)
	for _, d := range []Daemon{{}, {Name: "d"}, {Name: "d", Args: []string{"a"}}} {
		_, err := New([]Daemon{d}, Hooks{})
		require.Error(t, err)
	}
}

func TestOrphansAreReaped(t *testing.T) {
	orphanage := exec.Command(os.Args[0])
	orphanage.Env = append(os.Environ(), modeVariable+"=orphanage")
	said, err := orphanage.CombinedOutput()
	require.NoError(t, err, "%s", said)
}

// playOrphanage becomes the parent of a process whose own parent has died, and must reap it.
func playOrphanage() int {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Println(err)
		return 1
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s := &Supervisor{}
	go s.ReapOrphans(ctx)
	if said, err := exec.Command("sh", "-c", "sleep 0.1 & exit 0").CombinedOutput(); err != nil {
		fmt.Println(string(said), err)
		return 1
	}
	seen := false
	for ctx.Err() == nil {
		zombies := len(zombiesOf(os.Getpid()))
		seen = seen || zombies > 0
		if seen && zombies == 0 {
			return 0
		}
		time.Sleep(time.Millisecond)
	}
	return 2
}

func isZombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && threadState(stat) == 'Z'
}

func TestExcerpt(t *testing.T) {
	long := strings.Repeat("x", 2*lineLength)
	for _, test := range []struct{ name, text, want string }{
		{"nothing", " \n", ""},
		{"a few lines", "a\nb\n", "a\nb"},
		{"many lines", "1\n2\n3\n4\n5\n6\n7\n8\n9\n10", "3\n4\n5\n6\n7\n8\n9\n10"},
		{"a panic", "before\npanic: oh\n\ngoroutine 1\nmain.main()", "panic: oh\n\ngoroutine 1\nmain.main()"},
		{"a race", "before\nWARNING: DATA RACE\nRead", "WARNING: DATA RACE\nRead"},
		{"a long line", long, long[:lineLength] + "..."},
	} {
		t.Run(test.name, func(t *testing.T) { require.Equal(t, test.want, excerpt(test.text)) })
	}
}

func TestThreadState(t *testing.T) {
	require.EqualValues(t, 'S', threadState([]byte("1 (a ) b) S 0 1")))
	require.EqualValues(t, 7, parentOf([]byte("1 (a ) b) S 7 1")))
	require.Zero(t, threadState([]byte("1 (a")))
	require.Zero(t, parentOf(nil))
}
