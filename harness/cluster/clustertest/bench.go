package clustertest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// patience is more than anything here takes on a machine that has other things to do.
const patience = 30 * time.Second

// bench starts clusters of stubs with one driver.
type bench struct {
	driver  cluster.Driver
	sweeper cluster.Sweeper
	stub    string
}

// spec is a cluster of one server and two clients, with its log in the test's.
func (b bench) spec(t *testing.T) cluster.Spec {
	return cluster.Spec{
		RunID: cluster.NewRunID(), Dir: t.TempDir(), Servers: 1, Clients: 2, Mount: cluster.MountDirect, Binary: b.stub,
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// start starts a cluster, which ends with the test at the latest.
func (b bench) start(t *testing.T, spec cluster.Spec) *cluster.Cluster {
	t.Helper()
	started, err := cluster.Start(t.Context(), spec, b.driver)
	require.NoError(t, err)
	t.Cleanup(func() { _ = started.Close(context.Background()) })
	return started
}

// nothingLeft holds when a run has nothing any more.
func (b bench) nothingLeft(t *testing.T, runID string) {
	t.Helper()
	found, err := cluster.LeftoversOf(t.Context(), runID, b.sweeper)
	require.NoError(t, err)
	require.Empty(t, found)
}

// eventually waits until something holds.
func eventually(t *testing.T, holds func() bool, what string, args ...any) {
	t.Helper()
	require.Eventually(t, holds, patience, 50*time.Millisecond, append([]any{what}, args...)...)
}

// bounded is a context for what must not hang.
func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func node(t *testing.T, c *cluster.Cluster, name string) *cluster.Node {
	t.Helper()
	found, err := c.Node(name)
	require.NoError(t, err)
	return found
}

func link(t *testing.T, c *cluster.Cluster, from, to string) *cluster.Link {
	t.Helper()
	found, err := c.Link(from, to)
	require.NoError(t, err)
	return found
}

// happened counts the events of a daemon.
func happened(c *cluster.Cluster, node, daemon, what string) int {
	n := 0
	for _, event := range c.Events() {
		if event.Node == node && event.Daemon == daemon && event.What == what {
			n++
		}
	}
	return n
}

// Connects asks from inside a node whether an address can be connected to.
func Connects(ctx context.Context, from *cluster.Node, address string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	step := history.Step{Task: "dial", Args: map[string]string{"address": address}}
	load, err := from.RunTask(ctx, step, func([]byte) {})
	return load.Done == 1, err
}
