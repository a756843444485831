package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/codastress/codastress/harness/agent/dump"
	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
)

// chunks collects a history.
type chunks struct {
	mu  sync.Mutex
	all [][]byte
}

func (c *chunks) add(chunk []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, chunk)
}

func TestATaskWithItsWholeHistory(t *testing.T) {
	const operations = 20_000
	n := start(t, newConfig(t, "serve"), Hooks{
		RunTask: func(_ context.Context, step history.Step, recorder *history.Recorder) (history.Load, error) {
			worker := recorder.Worker()
			for i := range operations {
				worker.Begin(history.Stat, fmt.Sprintf("file%d", i), "").End(history.End{Outcome: history.OK})
			}
			return history.Load{Step: step.Number, Done: operations}, nil
		},
	})
	var got chunks
	load, err := n.client.RunTask(t.Context(), history.Step{Number: 7, Args: map[string]string{"a": "b"}}, got.add)
	require.NoError(t, err)
	require.Equal(t, history.Load{Step: 7, Done: operations}, load)
	completed := 0
	for _, chunk := range got.all {
		node, some, err := history.CountOperations(chunk)
		require.NoError(t, err)
		require.Equal(t, "client1", node)
		completed += some
	}
	require.Equal(t, operations, completed)
}

func TestPendingOperationsOfAllTasks(t *testing.T) {
	release := make(chan struct{})
	n := start(t, newConfig(t, "serve"), Hooks{
		RunTask: func(_ context.Context, step history.Step, recorder *history.Recorder) (history.Load, error) {
			pending := recorder.Worker().Begin(history.Read, step.Name, "")
			<-release
			pending.End(history.End{Outcome: history.OK})
			return history.Load{}, nil
		},
	})
	var all sync.WaitGroup
	for _, name := range []string{"a", "b"} {
		all.Go(func() {
			if _, err := n.client.RunTask(t.Context(), history.Step{Name: name}, func([]byte) {}); err != nil {
				t.Error(err)
			}
		})
	}
	require.Eventually(t, func() bool {
		pending, err := n.client.PendingOperations(t.Context())
		return err == nil && len(pending) == 2 && pending[0].Path+pending[1].Path != "aa" && pending[0].Kind == history.Read
	}, patience, time.Millisecond)
	close(release)
	all.Wait()
	pending, err := n.client.PendingOperations(t.Context())
	require.NoError(t, err)
	require.Empty(t, pending)
}

func TestATaskEndsWithWhoAskedForIt(t *testing.T) {
	ended := make(chan error, 1)
	n := start(t, newConfig(t, "serve"), Hooks{
		RunTask: func(ctx context.Context, _ history.Step, _ *history.Recorder) (history.Load, error) {
			<-ctx.Done()
			ended <- ctx.Err()
			return history.Load{}, ctx.Err()
		},
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := n.client.RunTask(ctx, history.Step{}, func([]byte) {})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Error(t, <-ended)
}

func TestATaskEndsWithTheNode(t *testing.T) {
	begun := make(chan struct{})
	n := start(t, newConfig(t, "serve"), Hooks{
		RunTask: func(ctx context.Context, _ history.Step, recorder *history.Recorder) (history.Load, error) {
			recorder.Worker().Begin(history.Read, "a", "")
			close(begun)
			<-ctx.Done()
			return history.Load{}, ctx.Err()
		},
	})
	var got chunks
	ended := make(chan error, 1)
	go func() {
		_, err := n.client.RunTask(t.Context(), history.Step{}, got.add)
		ended <- err
	}()
	<-begun
	require.NoError(t, n.client.Shutdown(t.Context()))
	err := <-ended
	require.ErrorContains(t, err, "the node is being cleared")
	require.NotEmpty(t, got.all, "what was pending is announced")
	require.NoError(t, n.wait(t))
}

func TestATaskThatFails(t *testing.T) {
	n := start(t, newConfig(t, "serve"), Hooks{
		RunTask: func(context.Context, history.Step, *history.Recorder) (history.Load, error) {
			return history.Load{}, errors.New("no such task")
		},
	})
	_, err := n.client.RunTask(t.Context(), history.Step{}, func([]byte) {})
	require.ErrorContains(t, err, "no such task")
}

// A task that hangs for ever must not keep the node.
func TestATaskThatDoesNotEnd(t *testing.T) {
	release := make(chan struct{})
	begun := make(chan struct{})
	n := start(t, newConfig(t, "serve"), Hooks{
		RunTask: func(context.Context, history.Step, *history.Recorder) (history.Load, error) {
			close(begun)
			<-release
			return history.Load{}, nil
		},
	})
	ended := make(chan error, 1)
	go func() {
		_, err := n.client.RunTask(t.Context(), history.Step{}, func([]byte) {})
		ended <- err
	}()
	<-begun
	require.ErrorIs(t, n.client.Shutdown(t.Context()), ErrLeft)
	require.ErrorIs(t, n.wait(t), ErrLeft)
	require.Error(t, <-ended)
	close(release)
}

func TestObservationsOfAnySize(t *testing.T) {
	want := history.Observation{Source: "mount", Time: 7, State: "reachable"}
	for i := range 20_000 {
		want.Objects = append(want.Objects, history.Object{Path: fmt.Sprintf("file%d", i), Digest: strings.Repeat("f", 64)})
	}
	n := start(t, newConfig(t, "serve"), Hooks{Observe: func(context.Context) (history.Observation, error) { return want, nil }})
	got, err := n.client.Observe(t.Context())
	require.NoError(t, err)
	want.Node = "client1"
	require.Equal(t, want, got)
	failing := start(t, newConfig(t, "serve"), Hooks{
		Observe: func(context.Context) (history.Observation, error) { return want, errors.New("it hangs") },
	})
	_, err = failing.client.Observe(t.Context())
	require.ErrorContains(t, err, "it hangs")
}

func TestStatus(t *testing.T) {
	want := history.Status{State: "logging", Pending: 3, Queued: 200, RPCs: 7}
	n := start(t, newConfig(t, "serve"), Hooks{Status: func(context.Context) (history.Status, error) { return want, nil }})
	got, err := n.client.Status(t.Context())
	require.NoError(t, err)
	require.NotZero(t, got.Time)
	want.Node, want.Time = "client1", got.Time
	require.Equal(t, want, got)
	failing := start(t, newConfig(t, "serve"), Hooks{Status: func(context.Context) (history.Status, error) { return want, errors.New("it stands still") }})
	_, err = failing.client.Status(t.Context())
	require.ErrorContains(t, err, "it stands still")
}

func TestEvidence(t *testing.T) {
	n := start(t, newConfig(t, "serve"), Hooks{
		Evidence: func(_ context.Context, daemon string) (map[string][]byte, error) {
			return map[string][]byte{"state": []byte("queue of " + daemon), "../../escape": nil, "long": make([]byte, 3*pieceLength+1)},
				errors.New("and no more")
		},
		Ready: func(_ context.Context, _ string) error { return nil },
	})
	folder := filepath.Join(t.TempDir(), "made")
	files, err := n.client.Evidence(t.Context(), folder)
	require.NoError(t, err)
	require.Len(t, files, 3, "of a daemon that does not run, there are no stacks: %v", files)

	n.startDaemon(t)
	require.Eventually(t, func() bool {
		_, err := dump.Fetch(t.Context(), n.config.DebugSockets["d"])
		return err == nil
	}, patience, time.Millisecond)
	files, err = n.client.Evidence(t.Context(), folder)
	require.NoError(t, err)
	for file, want := range map[string]string{
		"agent.stacks": "TestEvidence", "d.status": "State:running", "d.log": "serving", "d.kernel": "SigCgt", "d.stacks": "dump.Serve",
		"d.state": "queue of d", "d..._.._escape": "", "d.long": "", "d.missing": "and no more",
	} {
		path := filepath.Join(folder, file)
		require.Contains(t, files, path)
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Contains(t, string(content), want, file)
	}
	info, err := os.Stat(filepath.Join(folder, "d.long"))
	require.NoError(t, err)
	require.EqualValues(t, 3*pieceLength+1, info.Size())
}

func TestEvidenceOfAPausedDaemonIsBounded(t *testing.T) {
	n := start(t, newConfig(t, "serve"), Hooks{})
	n.startDaemon(t)
	require.Eventually(t, func() bool {
		_, err := dump.Fetch(t.Context(), n.config.DebugSockets["d"])
		return err == nil
	}, patience, time.Millisecond)
	_, err := n.client.PauseDaemon(t.Context(), "d")
	require.NoError(t, err)
	folder := t.TempDir()
	_, err = n.client.Evidence(t.Context(), folder)
	require.NoError(t, err)
	content, err := os.ReadFile(filepath.Join(folder, "d.stacks.missing"))
	require.NoError(t, err)
	require.Contains(t, string(content), "deadline exceeded")
	require.FileExists(t, filepath.Join(folder, "d.kernel"))
}
