package workloads

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

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
	return append(
		siteParameters(), rateParameter(), looksParameter(),
		parameter{name: "delete", preset: 900, least: 1, most: 200_000, documentation: "pages that are deleted at once"},
		parameter{
			name: "at", preset: 0, least: 0, most: int64(24 * time.Hour), nanoseconds: true,
			documentation: "when, after the start of the load; 0 draws it from its first half",
		},
		parameter{
			name: "edits", preset: 0, least: 0, most: int64(time.Hour), nanoseconds: true,
			documentation: "mean pause after which each of the other clients replaces one of the pages that stay; 0 for never",
		},
		parameter{
			name: "edits_at", preset: 0, least: 0, most: int64(24 * time.Hour), nanoseconds: true,
			documentation: "when, after the start of the load, they begin with that",
		},
	)
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
	burst := &d.steps[len(d.steps)-1]
	if at := time.Duration(d.values["at"]); at >= request.Load {
		return nil, fmt.Errorf("workload %s: %w", w.Name(), badParameter("at", "%v is not within the load, which lasts %v", at, request.Load))
	} else if at > 0 {
		burst.Start, burst.Length = at, request.Load-at
	}
	edits := time.Duration(d.values["edits_at"])
	if d.values["edits"] > 0 && len(request.Clients) > 1 && edits < request.Load {
		d.add(load, taskUpdate, request.Clients[:len(request.Clients)-1], edits, request.Load-edits, map[string]string{
			"first": burst.Args["first"], "count": burst.Args["count"], "pause": time.Duration(d.values["edits"]).String(),
			"editors": strconv.Itoa(len(request.Clients) - 1),
		})
	}
	return d.steps, nil
}

// Do implements Workload.
func (MassDelete) Do(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	return perform(ctx, step, env, map[string]task{
		taskWriteSite: writeSite, taskReadSite: readSite, taskFetchPages: fetchPages, taskDelete: deletePages, taskLook: lookAround, taskUpdate: updatePages,
	})
}

// updatePages replaces a page now and then, each time another one of those that the client alone updates and nobody deletes.
func updatePages(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	a := &arguments{step: step.Args}
	s, first, count, editors, pause := siteOf(a), a.number("first"), a.number("count"), a.number("editors"), a.duration("pause")
	if a.err != nil {
		return history.Load{}, a.err
	}
	own := slices.Index(step.Nodes, env.Node)
	var pages []int
	for i := range s.pages {
		if (i < first || i >= first+count) && i%max(1, editors) == max(0, own) {
			pages = append(pages, i)
		}
	}
	if len(pages) == 0 {
		return history.Load{}, nil
	}
	files := NewFiles(env)
	editor := files.Process()
	random := rand.New(rand.NewPCG(derive(step.Seed, env.Node), 0))
	until := time.Now().Add(step.Length)
	var done uint64
	var result Result
	for pauseFor(ctx, time.Duration(random.Int64N(int64(2*pause)+1))) && time.Now().Before(until) && !errors.Is(result.Err, ErrStuck) {
		if result = s.revise(ctx, editor, pages[random.IntN(len(pages))]); result.OK() {
			done++
		}
	}
	files.logStuck(env.Log, step)
	return history.Load{Done: done, Wanted: 1}, nil
}

// revise gives a page another content, by somebody who has read the one before.
func (s site) revise(ctx context.Context, editor *Process, page int) Result {
	result := editor.Read(ctx, s.page(page))
	if result.OK() {
		result = editor.Write(ctx, s.page(page), s.length(page), How{})
	}
	return result
}
