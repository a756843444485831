package workloads

import (
	"context"

	"github.com/codastress/codastress/harness/history"
)

// MassDelete is the field report of March 2007: three web servers serve one site from the file system, and the one that rarely writes
// deletes about 900 files at one time.
type MassDelete struct{}

var _ Workload = MassDelete{}

// Name implements Workload.
func (MassDelete) Name() string { return "mass-delete" }

// Doc implements Workload.
func (MassDelete) Doc() string {
	return "web readers on every client while the client that rarely writes deletes 900 pages at once"
}

func (MassDelete) parameters() parameters {
	return append(siteParameters(), rateParameter(), looksParameter(), parameter{
		name: "delete", preset: 900, least: 1, most: 200_000, documentation: "pages that are deleted at once",
	})
}

// Parameters implements Workload.
func (w MassDelete) Parameters() []Parameter { return w.parameters().list() }

// Plan implements Workload.
func (w MassDelete) Plan(request PlanRequest) ([]history.Step, error) {
	d, err := newDraft(w, w.parameters(), request)
	if err != nil {
		return nil, err
	}
	if err := d.addBurst(taskDelete, "delete"); err != nil {
		return nil, err
	}
	return d.steps, nil
}

// Do implements Workload.
func (MassDelete) Do(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	return perform(ctx, step, env, map[string]task{
		taskWriteSite: writeSite, taskReadSite: readSite, taskFetchPages: fetchPages, taskDelete: deletePages, taskLook: lookAround,
	})
}
