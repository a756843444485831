package harness

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// watchInterval is how often the pending operations of a node are looked at.
const watchInterval = 500 * time.Millisecond

// evidenceTime bounds the collection of evidence: the node that hangs may not answer.
const evidenceTime = 15 * time.Second

// watchForHangs looks at the pending operations of every client until ctx ends. An operation that is older than the scenario's bound
// is recorded as a stall, with evidence from every node. It is taken at the first stall of a client; further ones refer to it.
func (r *running) watchForHangs(ctx context.Context) {
	var all sync.WaitGroup
	for _, node := range r.cluster.Clients() {
		all.Go(func() {
			known := stalls{of: map[string]bool{}}
			for sleepUntil(ctx, time.Now().Add(watchInterval)) {
				r.lookForHang(ctx, node, &known)
			}
		})
	}
	all.Wait()
}

// statusTime is how long a daemon may take to say how it is doing: one that stands still does not.
const statusTime = 2 * time.Second

// watchStatus asks the daemon of every client how it is doing, again and again until ctx ends. One that does not say is not recorded.
func (r *running) watchStatus(ctx context.Context) {
	var all sync.WaitGroup
	for _, node := range r.cluster.Clients() {
		all.Go(func() {
			for more := true; more; more = sleepUntil(ctx, time.Now().Add(watchInterval)) {
				r.lookAtStatus(ctx, node)
			}
		})
	}
	all.Wait()
}

func (r *running) lookAtStatus(ctx context.Context, node *cluster.Node) {
	ctx, cancel := context.WithTimeout(ctx, statusTime)
	defer cancel()
	status, err := node.Status(ctx)
	if err != nil {
		r.log.Debug("status not known", "node", node.Name(), "error", err)
		return
	}
	r.note(r.writer.Status(status))
}

// stalls are what is known of one client's.
type stalls struct {
	of    map[string]bool // the operations
	files []string        // the evidence
}

func (r *running) lookForHang(ctx context.Context, node *cluster.Node, known *stalls) {
	asking, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	pending, err := node.Pending(asking)
	if err != nil {
		r.log.Debug("pending operations not known", "node", node.Name(), "error", err)
		return
	}
	now := history.Now()
	for _, op := range pending {
		key := fmt.Sprint(op.Worker, " ", op.Number, " ", op.Invoked) // tasks number their workers themselves
		if time.Duration(now-op.Invoked) < r.scenario.Limits.Hang || known.of[key] {
			continue
		}
		if len(known.of) == 0 {
			known.files = r.evidence(ctx, "hang-"+node.Name(), node)
		}
		known.of[key] = true
		stall := history.Stall{
			Node: node.Name(), Worker: op.Worker, Kind: op.Kind, Path: op.Path,
			Invoked: op.Invoked, Seen: now, Files: known.files,
		}
		r.progress.Stall(stall)
		r.note(r.writer.Stall(stall))
	}
}

// evidence saves goroutine dumps and the daemons' own words of every node below nodes/NAME/REASON, and returns the files,
// relative to the run directory, those of the nodes that it is about first. What cannot be had is logged: it must not stop the run.
func (r *running) evidence(ctx context.Context, reason string, about ...*cluster.Node) []string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), evidenceTime)
	defer cancel()
	others := slices.DeleteFunc(r.cluster.Nodes(), func(node *cluster.Node) bool { return slices.Contains(about, node) })
	nodes := append(slices.Clone(about), others...)
	files := make([][]string, len(nodes))
	err := each(nodes, func(i int, node *cluster.Node) error {
		saved, err := node.Evidence(ctx, filepath.Join(r.dir, NodesFolder, node.Name(), reason))
		for _, file := range saved {
			if relative, err := filepath.Rel(r.dir, file); err == nil {
				file = relative
			}
			files[i] = append(files[i], file)
		}
		return err
	})
	if err != nil {
		r.log.Warn("some evidence could not be saved", "error", err)
	}
	return slices.Concat(files...)
}
