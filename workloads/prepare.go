package workloads

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/codastress/codastress/harness/history"
)

const (
	// preparers is how many processes prepare at the same time.
	preparers = 4
	// preparingTries is how often a step of the preparation is tried. Nothing is harmed yet, so more would only hide a defect.
	preparingTries = 3
	// visiblePause is the pause between two looks for a page that another client wrote.
	visiblePause = 50 * time.Millisecond
)

// writeSite makes the directories and writes every page of the site.
func writeSite(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	a := &arguments{step: step.Args}
	s := siteOf(a)
	if a.err != nil {
		return history.Load{}, a.err
	}
	files := NewFiles(env)
	maker := files.Process()
	again(ctx, func() Result { return maker.MakeDirectory(ctx, s.root) })
	for i := range s.directories {
		again(ctx, func() Result { return maker.MakeDirectory(ctx, s.directory(i)) })
	}
	done := together(ctx, files, preparers, s.pages, func(p *Process, i int) Result {
		return again(ctx, func() Result { return p.Write(ctx, s.page(i), s.length(i), How{}) })
	})
	files.logStuck(env.Log, step)
	if env.Conflicts != nil { // where somebody knows when the servers have all of it, the others need not wait for what takes its time
		if err := env.Conflicts.Settle(ctx); err != nil {
			return history.Load{}, fmt.Errorf("waiting until the servers have the site: %w", err)
		}
	}
	return history.Load{Done: done, Wanted: uint64(s.pages)}, nil
}

// again tries a step of the preparation until it succeeds, and gives up soon.
func again(ctx context.Context, try func() Result) (result Result) {
	for range preparingTries {
		if result = try(); result.OK() || errors.Is(result.Err, ErrStuck) || !pauseFor(ctx, firstPause) {
			break
		}
	}
	return result
}

// readSite reads every page once through the mount, as soon as it can be seen, and so brings it into the client's cache. The whole site
// must be visible within the time that one call may take.
func readSite(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	a := &arguments{step: step.Args}
	s := siteOf(a)
	if a.err != nil {
		return history.Load{}, a.err
	}
	files := NewFiles(env)
	until := time.Now().Add(env.Patience)
	done := together(ctx, files, preparers, s.pages, func(p *Process, i int) Result {
		for {
			result := p.Read(ctx, s.page(i))
			if result.OK() || errors.Is(result.Err, ErrStuck) || time.Now().After(until) || !pauseFor(ctx, visiblePause) {
				return result
			}
		}
	})
	files.logStuck(env.Log, step)
	return history.Load{Done: done, Wanted: uint64(s.pages)}, nil
}
