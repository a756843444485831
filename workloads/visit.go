package workloads

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// visitSite has processes that read what is deployed through the mount, and fetches the same from the node's web server, until the time is up. Where a
// symlink leads to the site, whoever reads looks first where to: the web server is asked for pages of the version that somebody on the node found last,
// as one that resolves its document root does.
func visitSite(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	a := &arguments{step: step.Args}
	s, readers, rate, think := siteOf(a), a.number("readers"), a.number("rate"), a.duration("think")
	if a.err == nil && rate == 0 {
		a.err = errors.New("argument rate: 0 is not a rate")
	}
	if a.err != nil {
		return history.Load{}, a.err
	}
	var found atomic.Value
	found.Store(s.root)
	files := NewFiles(env)
	until := time.Now().Add(step.Length)
	var done atomic.Uint64
	var reading sync.WaitGroup
	reading.Go(func() {
		together(ctx, files, readers, readers, func(p *Process, i int) (result Result) {
			v := &guest{site: s, linked: step.Args["how"] == bySymlink, process: p, random: rand.New(rand.NewPCG(derive(step.Seed, fmt.Sprint(env.Node, " ", i)), 0))}
			for ctx.Err() == nil && time.Now().Before(until) && !errors.Is(result.Err, ErrStuck) {
				if result = v.visit(ctx, &found); result.OK() {
					done.Add(1)
				}
				pauseFor(ctx, min(time.Duration(v.random.Int64N(int64(2*think)+1)), time.Until(until)))
			}
			return result
		})
	})
	random := rand.New(rand.NewPCG(derive(step.Seed, env.Node), 0))
	fetched, err := fetchAtRate(ctx, step, env, rate, func() string {
		seen := s
		seen.root = found.Load().(string) //nolint:forcetypeassert // nothing else is stored
		return seen.page(random.IntN(s.pages))
	})
	reading.Wait()
	files.logStuck(env.Log, step)
	// A quarter of what unhindered readers do, as in readFiles.
	fetched.Done += done.Load()
	fetched.Wanted += uint64(readers) * uint64(step.Length/(think+readingTime)) / 4
	return fetched, err
}

// A guest is a process that reads what is deployed.
type guest struct {
	site    site
	linked  bool // a symlink leads to the site
	process *Process
	random  *rand.Rand
}

// mostVisited is how many of the names in a listing are read.
const mostVisited = 5

// visit reads a page, or now and then some of what a directory has.
func (v *guest) visit(ctx context.Context, found *atomic.Value) Result {
	at := v.site
	if v.linked {
		root, result := v.process.ReadLink(ctx, at.link())
		if !result.OK() {
			return result
		}
		found.Store(root)
		at.root = root
	}
	if v.random.IntN(5) > 0 {
		return v.process.Read(ctx, at.page(v.random.IntN(at.pages)))
	}
	directory := at.directory(v.random.IntN(at.directories))
	names, result := v.process.List(ctx, directory)
	v.random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for _, name := range names[:min(len(names), mostVisited)] {
		if strings.HasPrefix(name, ".") {
			continue
		}
		if read := v.process.Read(ctx, path.Join(directory, name)); errors.Is(read.Err, ErrStuck) || ctx.Err() != nil {
			return read
		}
	}
	return result
}
