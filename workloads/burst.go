package workloads

import (
	"context"
	"syscall"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// A burst is a task that works on some pages that follow each other.
type burst struct {
	site   site
	pages  []int
	files  *Files
	until  time.Time
	wanted uint64
}

func burstOf(step history.Step, env Environment) (burst, error) {
	a := &arguments{step: step.Args}
	b := burst{site: siteOf(a), files: NewFiles(env), until: time.Now().Add(step.Length)}
	first, count := a.number("first"), a.number("count")
	for i := first; i < min(first+count, b.site.pages); i++ {
		b.pages = append(b.pages, i)
	}
	b.wanted = uint64(count)
	return b, a.err
}

// deletePages deletes pages as fast as the file system lets one process, and goes on until each deletion was acknowledged or the time is
// up. That a page is not there acknowledges its deletion only after one whose outcome is not known.
func deletePages(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	b, err := burstOf(step, env)
	if err != nil {
		return history.Load{}, err
	}
	rm := b.files.Process()
	unknown := map[int]bool{}
	done := untilAllDone(ctx, b.until, b.pages, func(i int) Result {
		result := rm.Remove(ctx, b.site.page(i))
		if result.Errno == syscall.ENOENT && unknown[i] {
			return Result{Outcome: history.OK}
		}
		unknown[i] = unknown[i] || result.Outcome == history.Indeterminate
		return result
	})
	b.files.logStuck(env.Log, step)
	return history.Load{Done: done, Wanted: b.wanted}, nil
}

// overwritePages replaces pages that it has read before, one after the other, and goes on until each was acknowledged or the time is up.
func overwritePages(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	b, err := burstOf(step, env)
	if err != nil {
		return history.Load{}, err
	}
	changed := b.site // its pages have other lengths
	changed.seed = step.Seed
	editor := b.files.Process()
	done := untilAllDone(ctx, b.until, b.pages, func(i int) Result {
		if result := editor.Read(ctx, b.site.page(i)); !result.OK() {
			return result
		}
		return editor.Write(ctx, b.site.page(i), changed.length(i), How{})
	})
	b.files.logStuck(env.Log, step)
	return history.Load{Done: done, Wanted: b.wanted}, nil
}
