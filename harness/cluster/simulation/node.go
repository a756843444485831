package simulation

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/codastress/codastress/harness/agent/dump"
	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// A node is one machine of the cluster, and its own agent.
type node struct {
	world    *world
	machine  Machine
	software Software

	clock clock

	mu        sync.Mutex
	disk      Disk
	boot      int
	daemons   []*daemon
	recorders []*history.Recorder // of the tasks that run
}

var (
	_ cluster.Agent = (*node)(nil)
	_ cluster.Mains = (*node)(nil)

	_ cluster.Ordered = (*node)(nil)
)

// Reach implements cluster.Agent.
func (n *node) Reach(ctx context.Context, peer string) error { return n.software.Reach(ctx, peer) }

// RunTask implements cluster.Agent.
func (n *node) RunTask(ctx context.Context, step history.Step, sink func(chunk []byte)) (history.Load, error) {
	recorder := history.NewRecorder(n.machine.Name, sink)
	n.mu.Lock()
	n.recorders = append(n.recorders, recorder)
	n.mu.Unlock()
	load, err := n.software.RunTask(ctx, step, recorder)
	recorder.Close()
	n.mu.Lock()
	n.recorders = slices.DeleteFunc(n.recorders, func(r *history.Recorder) bool { return r == recorder })
	n.mu.Unlock()
	return load, err
}

// PendingOperations implements cluster.Agent.
func (n *node) PendingOperations(context.Context) ([]history.Operation, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var pending []history.Operation
	for _, recorder := range n.recorders {
		pending = append(pending, recorder.Pending()...)
	}
	return pending, nil
}

// Status implements cluster.Agent.
func (n *node) Status(ctx context.Context) (history.Status, error) {
	status, err := n.software.Status(ctx)
	status.Node, status.Time = n.machine.Name, history.Now()
	return status, err
}

// Order implements cluster.Ordered.
func (n *node) Order(ctx context.Context, order string) (said int, err error) {
	return n.software.Order(ctx, order)
}

// Observe implements cluster.Agent.
func (n *node) Observe(ctx context.Context) (history.Observation, error) {
	return n.software.Observe(ctx)
}

// Evidence implements cluster.Agent. The goroutines are those of the whole process, and so of every node.
func (n *node) Evidence(ctx context.Context, dir string) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("saving evidence: %w", err)
	}
	contents := map[string][]byte{"agent.stacks": dump.Stacks()}
	var errs []error
	for _, name := range n.machine.Role.Daemons() {
		now, err := n.Daemon(ctx, name)
		contents[name+".status"] = fmt.Appendf(nil, "%+v\n", now)
		said, saying := n.software.Evidence(ctx, name)
		for file, content := range said {
			contents[name+"."+file] = content
		}
		errs = append(errs, err, saying)
	}
	names := make([]string, 0, len(contents))
	for name := range contents {
		names = append(names, name)
	}
	slices.Sort(names)
	var files []string
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, contents[name], 0o644); err != nil {
			errs = append(errs, fmt.Errorf("saving evidence: %w", err))
			continue
		}
		files = append(files, path)
	}
	return files, errors.Join(errs...)
}
