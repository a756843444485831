package workloads

import (
	"context"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// ConcurrentReaders only reads: whatever happens to the cluster, cached pages must be served on.
type ConcurrentReaders struct{}

var _ Workload = ConcurrentReaders{}

// Name implements Workload.
func (ConcurrentReaders) Name() string { return "concurrent-readers" }

// Doc implements Workload.
func (ConcurrentReaders) Doc() string {
	return "readers on every client, through the mount and through its web server, and no writer"
}

func (ConcurrentReaders) parameters() parameters {
	return append(
		siteParameters(), rateParameter(), looksParameter(),
		parameter{name: "readers", preset: 16, least: 1, most: 1000, documentation: "processes on each client that read through the mount"},
		parameter{
			name: "think", preset: int64(100 * time.Millisecond), least: 0, most: int64(time.Minute), nanoseconds: true,
			documentation: "mean pause of a reader between two files",
		},
	)
}

// Parameters implements Workload.
func (w ConcurrentReaders) Parameters() []Parameter { return w.parameters().list() }

// Plan implements Workload.
func (w ConcurrentReaders) Plan(request PlanRequest) ([]history.Step, error) {
	d, err := newDraft(w, w.parameters(), request)
	if err != nil {
		return nil, err
	}
	d.add(load, taskReadFiles, request.Clients, 0, request.Load, map[string]string{
		"readers": d.value("readers"), "think": time.Duration(d.values["think"]).String(),
	})
	return d.steps, nil
}

// Do implements Workload.
func (ConcurrentReaders) Do(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	return perform(ctx, step, env, map[string]task{
		taskWriteSite: writeSite, taskReadSite: readSite, taskFetchPages: fetchPages, taskReadFiles: readFiles, taskLook: lookAround,
	})
}
