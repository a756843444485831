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

// mostSnapshots is how many times evidence is taken of one client's stalls at most: what hangs again and again is the same most of the time.
const mostSnapshots = 4

// watchForHangs looks at the pending operations of every client until ctx ends. An operation that is older than the scenario's bound
// is recorded as a stall. Evidence from every node is taken when no fault excuses any more that it has not returned, if it is the first
// that the client has: those that follow refer to it, until nothing of the client is too old any more.
func (r *running) watchForHangs(ctx context.Context) {
	var all sync.WaitGroup
	for _, node := range r.cluster.Clients() {
		all.Go(func() {
			known := &stalls{of: map[string]bool{}}
			for sleepUntil(ctx, time.Now().Add(watchInterval)) {
				r.lookForHang(ctx, node, known)
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
	asked := history.Now()
	status, err := node.Status(ctx)
	if err != nil {
		r.log.Debug("status not known", "node", node.Name(), "error", err)
		return
	}
	status.Asked = asked
	r.note(r.writer.Status(status))
}

// stalls are what is known of one client's.
type stalls struct {
	of        map[string]bool // the operations that are older than they may be, and whether that is without excuse
	snapshots int             // that were taken
	hangs     bool            // an operation has no excuse
	files     []string        // the evidence of that
}

func (r *running) lookForHang(ctx context.Context, node *cluster.Node, known *stalls) {
	asking, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	pending, err := node.Pending(asking)
	if err != nil {
		r.log.Debug("pending operations not known", "node", node.Name(), "error", err)
		return
	}
	for _, stall := range known.look(node.Name(), pending, history.Now(), r.scenario.Limits.Hang, r.standing.of) {
		if stall.inexcusable && !known.hangs {
			known.hangs, known.files = true, nil
			if known.snapshots++; known.snapshots <= mostSnapshots {
				known.files = r.evidence(ctx, known.folder(node.Name()), node)
				stall.Saved = history.Now()
			}
		}
		if stall.inexcusable {
			stall.Files = known.files
		}
		if stall.first || stall.Saved != 0 {
			r.progress.Stall(stall.Stall)
		}
		r.note(r.writer.Stall(stall.Stall))
	}
}

// folder is where the evidence of a client's present hang is.
func (s *stalls) folder(node string) string {
	if s.snapshots == 1 {
		return "hang-" + node
	}
	return fmt.Sprintf("hang-%s-%d", node, s.snapshots)
}

// A seenStall is one that is to be recorded.
type seenStall struct {
	history.Stall
	first       bool // it is seen
	inexcusable bool
}

// look gives the operations of which something is new: that they are older than the bound, or that they are so without the time that faults
// excuse. The ones that are gone are forgotten.
func (s *stalls) look(node string, pending []history.Operation, now history.Time, bound time.Duration, excuses func(node string, kind history.Kind) history.Intervals) []seenStall {
	var changed []seenStall
	of, hangs := map[string]bool{}, false
	for _, op := range pending {
		age := history.Interval{From: op.Invoked, To: now}
		if age.Length() < bound {
			continue
		}
		key := fmt.Sprint(op.Worker, " ", op.Number, " ", op.Invoked) // tasks number their workers themselves
		inexcusable := age.Length()-excuses(node, op.Kind).Overlap(age) >= bound
		of[key], hangs = inexcusable, hangs || inexcusable
		if was, old := s.of[key]; !old || inexcusable && !was {
			changed = append(changed, seenStall{history.Stall{
				Node: node, Worker: op.Worker, Kind: op.Kind, Path: op.Path, Invoked: op.Invoked, Seen: now,
			}, !old, inexcusable})
		}
	}
	s.of, s.hangs = of, s.hangs && hangs
	return changed
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
