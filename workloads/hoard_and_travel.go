package workloads

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// HoardAndTravel has the last client fetch the site before it is cut off, work on it without any server, and come back.
type HoardAndTravel struct{}

var _ Workload = HoardAndTravel{}

// Name implements Workload.
func (HoardAndTravel) Name() string { return "hoard-and-travel" }

// Doc implements Workload.
func (HoardAndTravel) Doc() string {
	return "the last client hoards the site, and in the middle of the load reads all of it and replaces some pages, within reach of a server or not"
}

func (HoardAndTravel) needsCoda() string { return "a hoard, and work without a server" }

func (HoardAndTravel) parameters() parameters {
	return append(siteParameters(), rateParameter(), parameter{
		name: "edited", preset: 30, least: 1, most: 10_000, documentation: "pages that the last client replaces on its way",
	})
}

// Parameters implements Workload.
func (w HoardAndTravel) Parameters() []Parameter { return w.parameters().list() }

// Plan implements Workload. The travel is from two fifths to seven tenths of the load: a fault that cuts the client off has to cover that.
func (w HoardAndTravel) Plan(request PlanRequest) ([]history.Step, error) {
	d := &draft{name: w.Name(), request: request}
	if err := d.begin(w.parameters()); err != nil {
		return nil, fmt.Errorf("workload %s: %w", d.name, err)
	}
	if edited, pages := int(d.values["edited"]), d.site.pages; edited > pages {
		return nil, fmt.Errorf("workload %s: %w", d.name, badParameter("edited", "%d is not a number from 1 to the number of pages, %d", edited, pages))
	}
	last := len(request.Clients) - 1
	stay, travel := request.Clients[:last], request.Clients[last:]
	d.add(prepare, taskWriteSite, request.Clients[:1], 0, 0, nil)
	if len(stay) > 1 {
		d.add(prepare, taskReadSite, stay[1:], 0, 0, nil)
	}
	d.add(prepare, taskHoard, travel, 0, 0, nil)
	if len(stay) > 0 {
		d.add(load, taskFetchPages, stay, 0, request.Load, map[string]string{"rate": d.value("rate")})
	}
	start := (request.Load * 2 / 5).Truncate(time.Millisecond)
	d.add(load, taskTravel, travel, start, (request.Load * 3 / 10).Truncate(time.Millisecond), map[string]string{
		"edited": strconv.FormatInt(d.values["edited"], 10),
	})
	return d.steps, nil
}

// Do implements Workload.
func (HoardAndTravel) Do(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	return perform(ctx, step, env, map[string]task{
		taskWriteSite: writeSite, taskReadSite: readSite, taskFetchPages: fetchPages, taskHoard: hoardSite, taskTravel: travelWithSite,
	})
}

// Hoard is what a client has at hand while no server is reachable.
type Hoard interface {
	// Add hoards a directory with all that is and will be below it, and fetches it. It gives the number of objects that are not at hand then.
	Add(ctx context.Context, path string) (missing int, err error)
}

// hoardSite hoards the site as soon as it can be seen, without reading any of it.
func hoardSite(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	a := &arguments{step: step.Args}
	s := siteOf(a)
	if a.err != nil {
		return history.Load{}, a.err
	}
	if env.Hoard == nil {
		return history.Load{}, errors.New("the file system of this run hoards nothing")
	}
	files := NewFiles(env)
	until := time.Now().Add(env.Patience)
	seen := together(ctx, files, preparers, s.pages, func(p *Process, i int) Result {
		for {
			_, result := p.Stat(ctx, s.page(i))
			if result.OK() || errors.Is(result.Err, ErrStuck) || time.Now().After(until) || !pauseFor(ctx, visiblePause) {
				return result
			}
		}
	})
	files.logStuck(env.Log, step)
	done := history.Load{Wanted: uint64(s.pages)}
	if seen < done.Wanted {
		return done, nil
	}
	fetching, cancel := context.WithTimeout(ctx, env.Patience)
	defer cancel()
	missing, err := env.Hoard.Add(fetching, s.root)
	if err != nil {
		return done, fmt.Errorf("hoarding the site: %w", err)
	}
	done.Done = done.Wanted - min(done.Wanted, uint64(missing))
	return done, nil
}

// travelWithSite reads every page and replaces the first ones, until each was done or the time is up.
func travelWithSite(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	a := &arguments{step: step.Args}
	s, edited := siteOf(a), a.number("edited")
	if a.err != nil {
		return history.Load{}, a.err
	}
	files := NewFiles(env)
	until := time.Now().Add(step.Length)
	traveller := files.Process()
	pages := make([]int, s.pages)
	for i := range pages {
		pages[i] = i
	}
	done := untilAllDone(ctx, until, pages, func(i int) Result { return traveller.Read(ctx, s.page(i)) })
	changed := s // its pages have other lengths
	changed.seed = step.Seed
	done += untilAllDone(ctx, until, pages[:edited], func(i int) Result { return traveller.Write(ctx, s.page(i), changed.length(i), How{}) })
	files.logStuck(env.Log, step)
	return history.Load{Done: done, Wanted: uint64(s.pages + edited)}, nil
}
