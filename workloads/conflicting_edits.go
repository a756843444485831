package workloads

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// ConflictingEdits has every client edit the same pages, with the network cut or not: what clients that do not see each other change is in conflict
// afterwards, and is repaired.
type ConflictingEdits struct{}

var _ Workload = ConflictingEdits{}

// Name implements Workload.
func (ConflictingEdits) Name() string { return "conflicting-edits" }

// Doc implements Workload.
func (ConflictingEdits) Doc() string {
	return "every client edits the same pages, and in the end merges both versions of what is in conflict"
}

func (ConflictingEdits) needsCoda() string { return "conflicts that are kept until they are repaired" }

func (ConflictingEdits) parameters() parameters {
	return append(
		siteParameters(), rateParameter(),
		parameter{name: "editors", preset: 3, least: 1, most: 100, documentation: "processes that edit on each client"},
		parameter{name: "edited", preset: 20, least: 1, most: 10_000, documentation: "pages that all clients edit"},
		parameter{name: "made", preset: 5, least: 0, most: 10_000, documentation: "pages that all clients make, each under the same name"},
		parameter{
			name: "think", preset: int64(200 * time.Millisecond), least: int64(time.Millisecond), most: int64(time.Minute), nanoseconds: true,
			documentation: "mean pause between two edits of a process",
		},
		parameter{name: "conflicts", preset: 1, least: 0, most: 10_000, documentation: "fewest conflicts that have to arise in all"},
	)
}

// Parameters implements Workload.
func (w ConflictingEdits) Parameters() []Parameter { return w.parameters().list() }

// Plan implements Workload.
func (w ConflictingEdits) Plan(request PlanRequest) ([]history.Step, error) {
	d, err := newDraft(w, w.parameters(), request)
	if err != nil {
		return nil, err
	}
	if edited, pages := int(d.values["edited"]), d.site.pages; edited > pages {
		return nil, fmt.Errorf("workload %s: %w", d.name, badParameter("edited", "%d is not a number from 1 to the number of pages, %d", edited, pages))
	}
	d.add(load, taskEdit, request.Clients, 0, request.Load, map[string]string{
		"editors": d.value("editors"), "edited": d.value("edited"), "made": d.value("made"), "think": time.Duration(d.values["think"]).String(),
	})
	for i, client := range request.Clients {
		wanted := "0"
		if i == 0 {
			wanted = d.value("conflicts")
		}
		d.add(repair, taskRepair, []string{client}, 0, 0, map[string]string{"wanted": wanted})
	}
	return d.steps, nil
}

// Do implements Workload.
func (ConflictingEdits) Do(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	return perform(ctx, step, env, map[string]task{
		taskWriteSite: writeSite, taskReadSite: readSite, taskFetchPages: fetchPages, taskEdit: editPages, taskRepair: repairConflicts,
	})
}

// editPages has processes that each change random ones of the first pages, one after the other, and make pages at the same names as all others.
// One that waits for long, as for a page that is not cached and a server that is cut off, leaves the others at work.
func editPages(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	a := &arguments{step: step.Args}
	s, editors, edited, made, think := siteOf(a), a.number("editors"), a.number("edited"), a.number("made"), a.duration("think")
	if a.err != nil {
		return history.Load{}, a.err
	}
	files := NewFiles(env)
	until := time.Now().Add(step.Length)
	var done atomic.Uint64
	together(ctx, files, editors, editors, func(editor *Process, number int) (result Result) {
		random := rand.New(rand.NewPCG(derive(step.Seed, env.Node), uint64(number)))
		for ctx.Err() == nil && time.Now().Before(until) && !errors.Is(result.Err, ErrStuck) {
			if i := random.IntN(edited + made); i < edited {
				result = s.change(ctx, editor, i, random)
			} else {
				result = editor.Write(ctx, s.madePage(i-edited), s.length(i%s.pages), How{Exclusive: true})
			}
			if result.OK() {
				done.Add(1)
			}
			pauseFor(ctx, min(time.Duration(random.Int64N(int64(2*think)+1)), time.Until(until)))
		}
		return result
	})
	files.logStuck(env.Log, step)
	// What is in conflict cannot be edited any more, so that a client that was cut off soon finds little to do.
	return history.Load{Done: done.Load(), Wanted: max(1, uint64(step.Length/(think+readingTime))/20)}, nil
}

// change edits a page, or replaces it after reading it, as some programs do. An edit reads and changes the page while that is open, so that it is known which
// version the file system takes it to be based on; whoever opens the page again to replace it may have been told of a newer version in between.
func (s site) change(ctx context.Context, editor *Process, page int, random *rand.Rand) Result {
	if random.IntN(2) == 0 {
		return s.revise(ctx, editor, page)
	}
	return editor.Edit(ctx, s.page(page), Splice{At: random.Float64(), Length: 1 + random.IntN(longestEdit)}, How{})
}

// longestEdit is how many bytes of a page an edit replaces at most.
const longestEdit = 200

// madePage is the path of a page that clients make during the load.
func (s site) madePage(i int) string {
	return fmt.Sprintf("%s/made%04d.html", s.directory(i%s.directories), i)
}

// Conflicts are what a client keeps because the servers refused it, and both versions of it.
type Conflicts interface {
	// List gives the conflicts as they are recorded, and the paths that show as conflicts.
	List(ctx context.Context) (kept []history.Conflict, paths []string, err error)
	// Versions reads both versions of what is in conflict at a path.
	Versions(ctx context.Context, path string) ([]history.Nonce, error)
	// Repair puts contents in the place of both.
	Repair(ctx context.Context, path string, contents []byte) error
	// Settle waits until the servers have everything.
	Settle(ctx context.Context) error
}

// repairConflicts reads both versions of everything that is in conflict and replaces them by one that follows both. What cannot be read stays in
// conflict, and so does what cannot be repaired.
func repairConflicts(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	a := &arguments{step: step.Args}
	wanted := a.number("wanted")
	if a.err != nil {
		return history.Load{}, a.err
	}
	if env.Conflicts == nil {
		return history.Load{}, errors.New("the file system of this run has no conflicts that could be repaired")
	}
	kept, paths, err := listConflicts(ctx, env)
	if err != nil {
		return history.Load{}, fmt.Errorf("listing the conflicts: %w", err)
	}
	files := NewFiles(env)
	merger := files.Process()
	var done uint64
	for _, path := range slices.Sorted(slices.Values(paths)) {
		versions, err := readBoth(ctx, env, path)
		if err != nil {
			env.Log.Warn("a conflict has a version that cannot be read", "path", path, "err", err)
			continue
		}
		if result := merger.Merge(ctx, path, versions, smallestPage, env.Conflicts); result.OK() {
			done++
		} else {
			env.Log.Warn("a conflict could not be repaired", "path", path, "err", result.Err)
		}
	}
	files.logStuck(env.Log, step)
	settling, cancel := context.WithTimeout(ctx, env.Patience)
	defer cancel()
	if err := env.Conflicts.Settle(settling); err != nil {
		return history.Load{}, fmt.Errorf("waiting until the repairs are on the servers: %w", err)
	}
	return history.Load{Done: done, Wanted: uint64(max(wanted, len(paths))), Conflicts: kept}, nil
}

func listConflicts(ctx context.Context, env Environment) (kept []history.Conflict, paths []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, env.Patience)
	defer cancel()
	return env.Conflicts.List(ctx)
}

func readBoth(ctx context.Context, env Environment, path string) ([]history.Nonce, error) {
	ctx, cancel := context.WithTimeout(ctx, env.Patience)
	defer cancel()
	return env.Conflicts.Versions(ctx, path)
}
