package workloads

import (
	"context"
	"errors"
	"math/rand/v2"
	"path"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// looksParameter is how often somebody looks at the directories of a site, whom caches of names and attributes deceive: opening a file asks most file
// systems again.
func looksParameter() parameter {
	return parameter{
		name: "looks", preset: 0, least: 0, most: 100,
		documentation: "listings a second, on each client, of a directory of the site, with the attributes of what is in it",
	}
}

// mostStats is how many of the names in a listing are looked at, and pages of the site that may not be listed.
const mostStats = 20

// lookAround lists random directories of the site and looks at some of what is in them, and at some of the site's pages, until the time is up.
func lookAround(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	s, rate, err := ratedSite(step)
	if err != nil {
		return history.Load{}, err
	}
	files := NewFiles(env)
	looker := files.Process()
	random := rand.New(rand.NewPCG(derive(step.Seed, env.Node), 0))
	begun, interval := time.Now(), time.Second/time.Duration(rate)
	var done, planned uint64
	for ctx.Err() == nil {
		at := begun.Add(time.Duration(planned) * interval)
		if at.After(begun.Add(step.Length)) || !pauseFor(ctx, time.Until(at)) {
			break
		}
		planned++
		result := lookAt(ctx, looker, s, random)
		if errors.Is(result.Err, ErrStuck) {
			break
		}
		if result.OK() {
			done++
		}
	}
	files.logStuck(env.Log, step)
	return history.Load{Done: done, Wanted: max(1, uint64(step.Length/interval)/4)}, nil
}

// lookAt looks at one directory, and gives the result of the listing.
func lookAt(ctx context.Context, looker *Process, s site, random *rand.Rand) Result {
	directory := s.directory(random.IntN(s.directories))
	names, result := looker.List(ctx, directory)
	random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for _, name := range names[:min(len(names), mostStats)] {
		if _, seen := looker.Stat(ctx, path.Join(directory, name)); errors.Is(seen.Err, ErrStuck) || ctx.Err() != nil {
			return seen
		}
	}
	for range mostStats {
		if _, seen := looker.Stat(ctx, s.page(random.IntN(s.pages))); errors.Is(seen.Err, ErrStuck) || ctx.Err() != nil {
			return seen
		}
	}
	return result
}
