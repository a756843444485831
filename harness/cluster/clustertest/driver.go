package clustertest

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness/cluster"
)

// Driver is what is tested: a driver that is its own sweeper.
type Driver interface {
	cluster.Driver
	cluster.Sweeper
}

// TestDriver holds a driver to what package cluster promises of all. more are tests of the driver's own on a running cluster of one server and two clients.
func TestDriver(t *testing.T, driver Driver, more map[string]func(*testing.T, *cluster.Cluster)) {
	b := bench{driver: driver, sweeper: driver, stub: BuildStub(t)}
	t.Run("a running cluster", func(t *testing.T) { b.testRunning(t, more) })
	t.Run("a node that dies is noticed", b.testNodeDeath)
	t.Run("a frozen node does not keep Close", b.testFrozenNode)
	t.Run("a Close without time leaves nothing", b.testHurriedClose)
	t.Run("a node that does not start fails the start", b.testFailedStart)
	t.Run("a killed harness leaves nothing", b.testKilledHarness)
	t.Run("what an unattended run leaves can be cleaned", b.testClean)
}

func (b bench) testRunning(t *testing.T, more map[string]func(*testing.T, *cluster.Cluster)) {
	t.Parallel()
	spec := b.spec(t)
	c := b.start(t, spec)
	t.Run("nodes", func(t *testing.T) { testNodes(t, c) })
	t.Run("daemons", func(t *testing.T) { testDaemons(t, c) })
	t.Run("disks", func(t *testing.T) { testDisks(t, c) })
	t.Run("links", func(t *testing.T) { testLinks(t, c) })
	t.Run("a node that stands still for a moment", func(t *testing.T) { testStandstill(t, c) })
	t.Run("runs that are alive are left alone", func(t *testing.T) { b.testOthersAreLeftAlone(t, spec) })
	for name, test := range more {
		t.Run(name, func(t *testing.T) { test(t, c) })
	}
	select {
	case err := <-c.Lost():
		require.NoError(t, err, "the cluster was lost while it was tested")
	default:
	}
	require.NoError(t, c.Close(bounded(t)))
	require.NoError(t, c.Close(t.Context()), "a second Close says what the first did")
	b.nothingLeft(t, spec.RunID)
	for _, event := range c.Events() {
		require.True(t, event.Expected, "%+v", event)
	}
	for _, log := range []string{"server1/codasrv.log", "client1/venus.log", "client2/web.log", "proxy/agent.log", "client2/agent.log"} {
		require.FileExists(t, filepath.Join(spec.Dir, "nodes", log))
	}
	said, err := os.ReadFile(filepath.Join(spec.Dir, "nodes/client1/agent.log"))
	require.NoError(t, err)
	require.Contains(t, string(said), "daemon exited", "the agent's log goes to its end")
}

func testNodes(t *testing.T, c *cluster.Cluster) {
	var names []string
	for _, one := range c.Nodes() {
		names = append(names, one.Name()+" "+string(one.Role()))
	}
	require.Equal(t, []string{"server1 server", "client1 client", "client2 client", "proxy proxy"}, names)
	_, err := c.Node("client3")
	require.ErrorContains(t, err, "client1")
	for _, one := range c.SystemNodes() {
		for _, daemon := range one.Role().Daemons() {
			now, err := one.Daemon(bounded(t), daemon)
			require.NoError(t, err)
			require.Equal(t, cluster.StateRunning, now.State)
			require.True(t, now.Ready)
			require.NotZero(t, now.PID)
			require.NotZero(t, now.Started)
			require.Equal(t, 1, happened(c, one.Name(), daemon, "ready"))
		}
	}
	pending, err := node(t, c, "client1").Pending(bounded(t))
	require.NoError(t, err)
	require.Empty(t, pending)
	files, err := node(t, c, "client1").Evidence(bounded(t), filepath.Join(t.TempDir(), "evidence"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
}

func testDaemons(t *testing.T, c *cluster.Cluster) {
	server, client := node(t, c, "server1"), node(t, c, "client1")
	require.NoError(t, client.Reach(bounded(t), "server1"))

	before, err := server.Daemon(bounded(t), cluster.Codasrv)
	require.NoError(t, err)
	require.NoError(t, server.Kill(bounded(t), cluster.Codasrv))
	now, err := server.Daemon(bounded(t), cluster.Codasrv)
	require.NoError(t, err)
	require.Equal(t, cluster.StateExited, now.State)
	require.Error(t, client.Reach(bounded(t), "server1"))
	require.Error(t, server.Kill(bounded(t), cluster.Codasrv), "it does not run")
	require.NoError(t, server.StartDaemon(bounded(t), cluster.Codasrv))
	now, err = server.Daemon(bounded(t), cluster.Codasrv)
	require.NoError(t, err)
	require.NotEqual(t, before.PID, now.PID)
	require.Greater(t, now.Started, before.Started)
	require.True(t, now.Ready)
	require.NoError(t, client.Reach(bounded(t), "server1"))
	eventually(t, func() bool { return happened(c, "server1", cluster.Codasrv, "killed") == 1 }, "no event of the kill")

	require.Error(t, server.Wipe(bounded(t), cluster.Codasrv), "it runs")
	require.NoError(t, server.Terminate(bounded(t), cluster.Codasrv))
	now, err = server.Daemon(bounded(t), cluster.Codasrv)
	require.NoError(t, err)
	require.Equal(t, cluster.StateExited, now.State)
	require.Error(t, server.Terminate(bounded(t), cluster.Codasrv), "it does not run")
	require.NoError(t, server.StartDaemon(bounded(t), cluster.Codasrv))
	eventually(t, func() bool { return happened(c, "server1", cluster.Codasrv, "exited") == 1 }, "no event of the end")

	require.NoError(t, client.Pause(bounded(t), cluster.Venus))
	now, err = client.Daemon(bounded(t), cluster.Venus)
	require.NoError(t, err)
	require.Equal(t, cluster.StatePaused, now.State)
	require.NoError(t, client.Resume(bounded(t), cluster.Venus))
	now, err = client.Daemon(bounded(t), cluster.Venus)
	require.NoError(t, err)
	require.Equal(t, cluster.StateRunning, now.State)
}

func testDisks(t *testing.T, c *cluster.Cluster) {
	full, other := node(t, c, "client1"), node(t, c, "server1")
	require.NoError(t, full.SetDisk(bounded(t), cluster.DiskState{Full: true, Seed: 1 << 60}))
	require.ErrorContains(t, full.ProbeDisk(bounded(t)), "no space left on device")
	harm, err := full.DiskHarm(bounded(t))
	require.NoError(t, err)
	require.Equal(t, cluster.DiskHarm{Calls: 1, Refused: 1, First: "write probe"}, harm)
	require.NoError(t, other.ProbeDisk(bounded(t)), "the disk of another node")
	require.NoError(t, full.SetDisk(bounded(t), cluster.DiskState{}))
	require.NoError(t, full.ProbeDisk(bounded(t)))
	require.Error(t, node(t, c, cluster.ProxyName).SetDisk(bounded(t), cluster.DiskState{}), "it has no daemon with a disk")
}

func testLinks(t *testing.T, c *cluster.Cluster) {
	require.Len(t, c.Links(), 2)
	_, err := c.Link("server1", "client1")
	require.Error(t, err)
	cut, other := link(t, c, "client1", "server1"), node(t, c, "client2")
	carried := func() uint64 {
		counters, err := cut.Counters(bounded(t))
		require.NoError(t, err)
		return counters.BytesUp + counters.BytesDown
	}
	moves := func() bool { before := carried(); return before > 0 && carried() > before }
	eventually(t, moves, "venus's words are not counted")

	require.NoError(t, cut.Set(bounded(t), cluster.LinkState{Up: cluster.FlowHold, Down: cluster.FlowHold}))
	before := carried()
	require.Error(t, node(t, c, "client1").Reach(bounded(t), "server1"))
	require.NoError(t, other.Reach(bounded(t), "server1"), "the link of another client")
	require.Equal(t, before, carried(), "something went through a link that is cut")

	require.NoError(t, cut.Set(bounded(t), cluster.LinkState{}))
	require.NoError(t, node(t, c, "client1").Reach(bounded(t), "server1"))
	eventually(t, moves, "venus does not come through again")
	require.NoError(t, cut.Reset(bounded(t)))
	eventually(t, moves, "venus does not connect again")
	require.Error(t, cut.Set(bounded(t), cluster.LinkState{Up: "backwards"}))
}

func testStandstill(t *testing.T, c *cluster.Cluster) {
	client := node(t, c, "client2")
	require.NoError(t, client.PauseNode(bounded(t)))
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, client.Reach(short, "server1"), context.DeadlineExceeded, "nobody on a paused node answers")
	require.NoError(t, client.ResumeNode(bounded(t)))
	require.NoError(t, client.Reach(bounded(t), "server1"))
}

// testOthersAreLeftAlone looks for leftovers while a run is alive.
func (b bench) testOthersAreLeftAlone(t *testing.T, alive cluster.Spec) {
	found, err := cluster.Leftovers(bounded(t), b.sweeper)
	require.NoError(t, err)
	for _, one := range found {
		require.NotEqual(t, alive.RunID, one.RunID, "%s", one)
	}
	all, err := cluster.LeftoversOf(bounded(t), alive.RunID, b.sweeper)
	require.NoError(t, err)
	require.NotEmpty(t, all, "what a run has is found")
}

func (b bench) testNodeDeath(t *testing.T) {
	t.Parallel()
	spec := b.spec(t)
	c := b.start(t, spec)
	require.NoError(t, node(t, c, "client2").KillNode(bounded(t)))
	select {
	case err := <-c.Lost():
		require.ErrorContains(t, err, "client2")
	case <-bounded(t).Done():
		require.Fail(t, "nobody noticed")
	}
	require.ErrorIs(t, node(t, c, "client2").Kill(bounded(t), cluster.Venus), cluster.ErrEnded)
	require.NoError(t, c.Close(bounded(t)))
	b.nothingLeft(t, spec.RunID)
}

func (b bench) testFrozenNode(t *testing.T) {
	t.Parallel()
	spec := b.spec(t)
	c := b.start(t, spec)
	require.NoError(t, node(t, c, "client1").PauseNode(bounded(t)))
	closeInTime(t, c, context.Background())
	b.nothingLeft(t, spec.RunID)
}

func (b bench) testHurriedClose(t *testing.T) {
	t.Parallel()
	spec := b.spec(t)
	c := b.start(t, spec)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	closeInTime(t, c, ended)
	b.nothingLeft(t, spec.RunID)
}

// closeInTime fails rather than wait for a Close that hangs.
func closeInTime(t *testing.T, c *cluster.Cluster, ctx context.Context) { //nolint:revive // the context is what is tested
	t.Helper()
	closed := make(chan error, 1)
	go func() { closed <- c.Close(ctx) }()
	select {
	case err := <-closed:
		require.NoError(t, err)
	case <-bounded(t).Done():
		require.Fail(t, "Close hangs")
	}
}

func (b bench) testFailedStart(t *testing.T) {
	t.Parallel()
	spec := b.spec(t)
	spec.Extra = map[string]string{"STUBNODE_FAIL": "client2"}
	_, err := cluster.Start(bounded(t), spec, b.driver)
	require.ErrorIs(t, err, cluster.ErrStart)
	require.ErrorContains(t, err, "client2")
	require.ErrorContains(t, err, "it was told to fail")
	b.nothingLeft(t, spec.RunID)
}
