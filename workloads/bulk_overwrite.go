package workloads

import (
	"context"

	"github.com/codastress/codastress/harness/history"
)

// BulkOverwrite is the other trigger of the field report: a new copy of 900 files over the old ones.
type BulkOverwrite struct{}

var _ Workload = BulkOverwrite{}

// Name implements Workload.
func (BulkOverwrite) Name() string { return "bulk-overwrite" }

// Doc implements Workload.
func (BulkOverwrite) Doc() string {
	return "web readers on every client while the client that rarely writes replaces 900 pages at once"
}

func (BulkOverwrite) parameters() parameters {
	return append(siteParameters(), rateParameter(), looksParameter(), parameter{
		name: "overwrite", preset: 900, least: 1, most: 200_000, documentation: "pages that are replaced at once",
	})
}

// Parameters implements Workload.
func (w BulkOverwrite) Parameters() []Parameter { return w.parameters().list() }

// Plan implements Workload.
func (w BulkOverwrite) Plan(request PlanRequest) ([]history.Step, error) {
	d, err := newDraft(w, w.parameters(), request)
	if err != nil {
		return nil, err
	}
	if err := d.addBurst(taskOverwrite, "overwrite"); err != nil {
		return nil, err
	}
	return d.steps, nil
}

// Do implements Workload.
func (BulkOverwrite) Do(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	return perform(ctx, step, env, map[string]task{
		taskWriteSite: writeSite, taskReadSite: readSite, taskFetchPages: fetchPages, taskOverwrite: overwritePages, taskLook: lookAround,
	})
}
