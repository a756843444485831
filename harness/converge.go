package harness

import (
	"context"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// observeInterval is the pause between two looks at trees that still differ.
const observeInterval = 250 * time.Millisecond

// converge observes every client and server until all agree and no modify log has records left, or the scenario's bound passed.
// Only the last observation of each node is kept, with the evidence that was saved where they did not agree.
func (r *running) converge(ctx context.Context) error {
	observations := r.awaitConverged(ctx)
	if !history.Converged(observations) {
		giveFiles(observations, r.evidence(ctx, "diverged"))
	}
	for _, observation := range observations {
		r.note(r.writer.Observation(observation))
	}
	return ctx.Err()
}

// giveFiles names in each observation the evidence of its node.
func giveFiles(observations []history.Observation, files []string) {
	for i := range observations {
		folder := path.Join(NodesFolder, observations[i].Node) + "/"
		for _, file := range files {
			if strings.HasPrefix(file, folder) {
				observations[i].Files = append(observations[i].Files, file)
			}
		}
	}
}

// awaitConverged observes until all agree, and gives the last observations.
func (r *running) awaitConverged(ctx context.Context) []history.Observation {
	until := time.Now().Add(r.scenario.Limits.Converge)
	for {
		observations := r.observeAll(ctx)
		if history.Converged(observations) || time.Now().After(until) || ctx.Err() != nil {
			return observations
		}
		sleepUntil(ctx, time.Now().Add(observeInterval))
	}
}

// observeAll looks at all system nodes at the same time. A node that cannot be observed says so in its observation: a client whose calls hang has the
// time to find that out.
func (r *running) observeAll(ctx context.Context) []history.Observation {
	ctx, cancel := context.WithTimeout(ctx, r.scenario.Limits.Converge+(abandonAfter+1)*r.scenario.Limits.Hang)
	defer cancel()
	nodes := r.cluster.SystemNodes()
	observations := make([]history.Observation, len(nodes))
	var all sync.WaitGroup
	for i, node := range nodes {
		all.Go(func() { observations[i] = observe(ctx, node) })
	}
	all.Wait()
	return observations
}

func observe(ctx context.Context, node *cluster.Node) history.Observation {
	observation, err := node.Observe(ctx)
	if err != nil {
		observation.Error = err.Error()
	}
	observation.Node = node.Name()
	if observation.Time == 0 {
		observation.Time = history.Now()
	}
	return observation
}
