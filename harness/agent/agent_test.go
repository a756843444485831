package agent

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/codastress/codastress/harness/agent/agentpb"
	"github.com/codastress/codastress/harness/agent/fusemount"
	"github.com/codastress/codastress/harness/agent/fusemount/fusetest"
	"github.com/codastress/codastress/harness/agent/supervise"
	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/harness/proxy"
	"github.com/stretchr/testify/require"
)

func TestHelloAndClock(t *testing.T) {
	n := start(t, newConfig(t, "serve"), Hooks{})
	hello, err := n.client.Hello(t.Context())
	require.NoError(t, err)
	require.Equal(t, "client1", hello.Node)
	require.Equal(t, "test", hello.Version)
	require.Equal(t, os.Getpid(), hello.PID)
	ahead, uncertainty, err := n.client.Clock(t.Context())
	require.NoError(t, err)
	require.LessOrEqual(t, ahead.Abs(), uncertainty, "it is the same clock")
}

func TestDaemonsOverTheWire(t *testing.T) {
	n := start(t, newConfig(t, "serve"), Hooks{})
	events := make(chan string, 100)
	listening, stop := context.WithCancel(t.Context())
	listened := make(chan error, 1)
	go func() {
		listened <- n.client.Events(listening, 0, func(_ uint64, e history.Event) { events <- e.Node + " " + e.Daemon + " " + e.What })
	}()
	ready := n.startDaemon(t)
	require.Equal(t, supervise.Running, ready.State)
	require.EqualValues(t, 1, ready.Starts)
	_, err := n.client.StartDaemon(t.Context(), "d")
	require.ErrorIs(t, err, ErrState)
	_, err = n.client.KillDaemon(t.Context(), "unknown")
	require.ErrorIs(t, err, ErrUnknown)
	_, err = n.client.Daemon(t.Context(), "unknown")
	require.ErrorIs(t, err, ErrUnknown)

	paused, err := n.client.PauseDaemon(t.Context(), "d")
	require.NoError(t, err)
	require.Equal(t, supervise.Paused, paused.State)
	seen, err := n.client.Daemon(t.Context(), "d")
	require.NoError(t, err)
	require.Equal(t, paused, seen)
	_, err = n.client.ResumeDaemon(t.Context(), "d")
	require.NoError(t, err)
	killed, err := n.client.KillDaemon(t.Context(), "d")
	require.NoError(t, err)
	require.Equal(t, supervise.Exited, killed.State)
	require.Equal(t, "signal: killed", killed.Exit)
	n.startDaemon(t)
	_, err = n.client.TerminateDaemon(t.Context(), "d")
	require.NoError(t, err)
	for _, want := range []string{"started", "ready", "paused", "resumed", "killed", "started", "ready", "exited"} {
		require.Equal(t, "client1 d "+want, <-events)
	}
	stop()
	require.NoError(t, <-listened)

	var late []uint64
	listening, stop = context.WithCancel(t.Context())
	require.NoError(t, n.client.Events(listening, 6, func(number uint64, _ history.Event) {
		late = append(late, number)
		if number == 8 {
			stop()
		}
	}))
	require.Equal(t, []uint64{7, 8}, late)
}

func TestAPanicIsTold(t *testing.T) {
	never := func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
	n := start(t, newConfig(t, "panic"), Hooks{Ready: never})
	_, err := n.client.StartDaemon(t.Context(), "d")
	require.NoError(t, err)
	_, err = n.client.WaitReady(t.Context(), "d")
	require.ErrorIs(t, err, ErrState)
	require.ErrorContains(t, err, "panic: the test wants it")
	listening, stop := context.WithCancel(t.Context())
	defer stop()
	require.NoError(t, n.client.Events(listening, 1, func(_ uint64, e history.Event) {
		require.Equal(t, "exited", e.What)
		require.False(t, e.Expected)
		require.Contains(t, e.Detail, "exit status 2\npanic: the test wants it")
		stop()
	}))
}

func TestShutdownLeavesNothing(t *testing.T) {
	for _, mode := range []string{"serve", "deaf"} {
		t.Run(mode, func(t *testing.T) {
			config := newConfig(t, mode)
			owned := filepath.Join(t.TempDir(), "owned")
			require.NoError(t, os.MkdirAll(filepath.Join(owned, "deep"), 0o755))
			config.Owned = []string{owned, filepath.Join(t.TempDir(), "never made")}
			n := start(t, config, Hooks{})
			daemon := n.startDaemon(t)
			told := make(chan string, 10)
			go func() {
				_ = n.client.Events(t.Context(), 2, func(_ uint64, e history.Event) { told <- e.What })
				close(told)
			}()
			require.NoError(t, n.client.Shutdown(t.Context()))
			require.True(t, gone(daemon.PID))
			require.NoDirExists(t, owned)
			require.NoError(t, n.wait(t))
			require.Equal(t, "exited", <-told, "who listens is told to the end")
			_, open := <-told
			require.False(t, open)
			_, err := os.Stat(config.Listen[len("unix:"):])
			require.ErrorIs(t, err, os.ErrNotExist)
			_, err = n.client.Daemons(t.Context())
			require.ErrorIs(t, err, ErrLost)
		})
	}
}

func TestTheEndOfTheContextClearsTheNode(t *testing.T) {
	n := start(t, newConfig(t, "serve"), Hooks{})
	daemon := n.startDaemon(t)
	n.cancel()
	require.NoError(t, n.wait(t))
	require.True(t, gone(daemon.PID))
}

func TestTheDeadMansSwitch(t *testing.T) {
	config := newConfig(t, "serve")
	config.Patience, config.FirstPatience = 300*time.Millisecond, patience
	config.Owned = []string{filepath.Join(t.TempDir(), "owned")}
	require.NoError(t, os.Mkdir(config.Owned[0], 0o755))
	n := start(t, config, Hooks{})
	daemon := n.startDaemon(t)
	beating, stop := context.WithCancel(t.Context())
	beaten := make(chan error, 1)
	go func() { beaten <- n.client.Beat(beating, 20*time.Millisecond, patience) }()
	time.Sleep(3 * config.Patience) // it can only end too early
	require.False(t, gone(daemon.PID))
	require.Empty(t, n.ended)
	stop()
	require.NoError(t, <-beaten)
	require.ErrorIs(t, n.wait(t), ErrHeartbeat)
	require.True(t, gone(daemon.PID))
	require.NoDirExists(t, config.Owned[0])
}

func TestTheFirstHeartbeatMustComeToo(t *testing.T) {
	config := newConfig(t, "serve")
	config.Patience, config.FirstPatience = 100*time.Millisecond, 150*time.Millisecond
	require.ErrorIs(t, start(t, config, Hooks{}).wait(t), ErrHeartbeat)
}

func TestBeatTellsThatTheAgentIsLost(t *testing.T) {
	n := start(t, newConfig(t, "serve"), Hooks{})
	beaten := make(chan error, 1)
	go func() { beaten <- n.client.Beat(t.Context(), 5*time.Millisecond, 100*time.Millisecond) }()
	n.cancel()
	require.ErrorIs(t, <-beaten, ErrLost)
}

// A daemon's mount hangs at the end of the node: it is aborted and detached, and never looked at.
func TestAHungMountIsClearedInTheEnd(t *testing.T) {
	mount := fusetest.NewDeaf(t)
	config := newConfig(t, "serve")
	config.Mountpoint = mount.Path
	config.Daemons[0].Mounts = true
	config.Owned = []string{filepath.Dir(mount.Path)}
	hang := make(chan struct{})
	n := start(t, config, Hooks{RunTask: func(_ context.Context, _ history.Step, _ *history.Recorder) (history.Load, error) {
		close(hang)
		_, err := os.Stat(filepath.Join(mount.Path, "file"))
		return history.Load{}, err
	}})
	n.startDaemon(t)
	task := make(chan error, 1)
	go func() {
		_, err := n.client.RunTask(t.Context(), history.Step{}, func([]byte) {})
		task <- err
	}()
	<-hang
	require.Eventually(t, func() bool { return mount.Asked() > 0 }, patience, time.Millisecond)
	require.NoError(t, n.client.Shutdown(t.Context()))
	require.NoError(t, n.wait(t))
	require.Error(t, <-task)
	mounted, err := fusemount.Mounted(mount.Path)
	if err == nil { // else the folder is gone with everything
		require.False(t, mounted)
	}
	require.NoDirExists(t, filepath.Dir(mount.Path))
}

func TestAForeignMountIsNotRemoved(t *testing.T) {
	mount := fusetest.NewDeaf(t)
	config := newConfig(t, "serve")
	config.Owned = []string{filepath.Dir(mount.Path)} // which is not known to be a mount
	n := start(t, config, Hooks{})
	require.ErrorIs(t, n.client.Shutdown(t.Context()), ErrLeft)
	require.ErrorIs(t, n.wait(t), ErrLeft)
	require.DirExists(t, filepath.Dir(mount.Path))
	require.Zero(t, mount.Asked(), "the mount was touched")
}

func TestReach(t *testing.T) {
	n := start(t, newConfig(t, "serve"), Hooks{Reach: func(_ context.Context, peer string) error {
		if peer == "server1" {
			return nil
		}
		return os.ErrDeadlineExceeded
	}})
	require.NoError(t, n.client.Reach(t.Context(), "server1"))
	err := n.client.Reach(t.Context(), "server2")
	require.ErrorIs(t, err, ErrReach)
	require.ErrorContains(t, err, "timeout")
	bare := start(t, newConfig(t, "serve"), Hooks{})
	require.ErrorIs(t, bare.client.Reach(t.Context(), "server1"), ErrNotHere)
	_, err = bare.client.Links(t.Context())
	require.ErrorIs(t, err, ErrNotHere)
	_, err = bare.client.Observe(t.Context())
	require.ErrorIs(t, err, ErrNotHere)
	_, err = bare.client.Status(t.Context())
	require.ErrorIs(t, err, ErrNotHere)
	_, err = bare.client.RunTask(t.Context(), history.Step{}, nil)
	require.ErrorIs(t, err, ErrNotHere)
}

func TestLinksOfAProxyNode(t *testing.T) {
	upstream, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer upstream.Close()
	config := newConfig(t, "serve")
	n := start(t, config, Hooks{Links: proxy.NewServer(slog.New(slog.DiscardHandler))})
	added, err := n.client.AddLink(t.Context(), "client1-server1", "127.0.0.1:0", upstream.Addr().String())
	require.NoError(t, err)
	require.Equal(t, upstream.Addr().String(), added.Upstream)
	_, err = n.client.AddLink(t.Context(), "client1-server1", "127.0.0.1:0", "x")
	require.ErrorIs(t, err, ErrState)
	cut := proxy.State{Up: proxy.Hold, Down: proxy.Drop}
	set, err := n.client.SetLink(t.Context(), "client1-server1", cut)
	require.NoError(t, err)
	require.Equal(t, cut, set.State)
	_, err = n.client.SetLink(t.Context(), "unknown", cut)
	require.ErrorIs(t, err, ErrUnknown)

	client, err := net.Dial("tcp", added.Listen)
	require.NoError(t, err)
	defer client.Close()
	require.Eventually(t, func() bool {
		links, err := n.client.Links(t.Context())
		return err == nil && len(links) == 1 && links[0].Open == 1 && links[0].State == cut
	}, patience, time.Millisecond)
	connections, err := n.client.ResetLink(t.Context(), "client1-server1")
	require.NoError(t, err)
	require.Equal(t, 1, connections)
	require.NoError(t, n.client.Shutdown(t.Context()))
	_, err = net.Dial("tcp", added.Listen)
	require.Error(t, err, "the link ends with the node")
}

func TestFlowsHaveTheSameNumbers(t *testing.T) {
	for wire, flow := range map[agentpb.Flow]proxy.Flow{
		agentpb.Flow_FLOW_PASS: proxy.Pass, agentpb.Flow_FLOW_HOLD: proxy.Hold, agentpb.Flow_FLOW_DROP: proxy.Drop,
	} {
		require.EqualValues(t, wire, flow)
	}
}

func TestBadConfigurations(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"no name", func(c *Config) { c.Node = "" }, "needs a node's name"},
		{"no mount point", func(c *Config) { c.Daemons[0].Mounts = true }, "no mount point"},
		{"no program", func(c *Config) { c.Daemons[0].Args = nil }, "no program"},
		{"an address that is none", func(c *Config) { c.Listen = "nowhere" }, "missing port"},
		{"a socket without a folder", func(c *Config) { c.Listen = "unix:/no/such/folder" }, "no such file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := newConfig(t, "serve")
			test.change(&config)
			require.ErrorContains(t, Run(t.Context(), config, Hooks{}), test.want)
		})
	}
}
