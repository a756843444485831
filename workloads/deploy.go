package workloads

import (
	"context"
	"fmt"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// Deploy replaces a site as a whole, some times during the load, while readers on every client read it. One client, the last, makes everything:
// the first version, the later ones, and what is removed.
//
// What a reader has to see depends on how the site is replaced, and is what the checks demand of names that one client alone changes:
//
//   - tar: each page is written over its old content. A page is always there, whole, old or new, and never old again for a client that has seen the
//     new one. A reader sees a mixture of versions for as long as the deployment lasts, and so it does on a local file system.
//   - rsync: each page is written under a new name and renamed over the old one; what the new version does not have is removed last. A page
//     is whole, old or new, as above; it must never be missing, not for the moment of the rename either.
//   - symlink: the new version is written beside the old one, and only then the symlink that leads to the site is switched, by a rename. The link is
//     always there and leads to one version or the other, never back to one that a client has seen it leave. Who reads it and then a page
//     of that version sees that version alone. The version before the last one is removed.
type Deploy struct{}

var _ Workload = Deploy{}

// Name implements Workload.
func (Deploy) Name() string { return "deploy" }

// Doc implements Workload.
func (Deploy) Doc() string {
	return "one client replaces the site as a whole, as tar, rsync or a switched symlink does, while readers on every client read it"
}

func (Deploy) parameters() parameters {
	return append(
		siteParameters(), rateParameter(),
		parameter{name: "how", words: howDeployed(), documentation: "how the site is replaced: tar writes over what is there, rsync renames over it, symlink switches to a new tree"},
		parameter{name: "deployments", preset: 3, least: 1, most: 1000, documentation: "times that the site is replaced, spread over the load"},
		parameter{name: "readers", preset: 4, least: 1, most: 1000, documentation: "processes on each client that read through the mount"},
		parameter{
			name: "think", preset: int64(50 * time.Millisecond), least: 0, most: int64(time.Minute), nanoseconds: true,
			documentation: "mean pause of a reader between two pages",
		},
	)
}

// The ways to replace a site.
const (
	byTar     = "tar"
	byRsync   = "rsync"
	bySymlink = "symlink"
)

func howDeployed() []string { return []string{byTar, byRsync, bySymlink} }

// Parameters implements Workload.
func (w Deploy) Parameters() []Parameter { return w.parameters().list() }

// Plan implements Workload.
func (w Deploy) Plan(request PlanRequest) ([]history.Step, error) {
	d := &draft{name: w.Name(), request: request}
	if err := d.begin(w.parameters()); err != nil {
		return nil, fmt.Errorf("workload %s: %w", w.Name(), err)
	}
	how := howDeployed()[d.values["how"]]
	others, last := request.Clients[:len(request.Clients)-1], request.Clients[len(request.Clients)-1:]
	d.add(prepare, taskWriteSite, last, 0, 0, nil)
	if how == bySymlink {
		d.add(prepare, taskLink, last, 0, 0, nil)
	}
	if len(others) > 0 {
		d.add(prepare, taskReadSite, others, 0, 0, nil)
	}
	d.add(load, taskVisit, request.Clients, 0, request.Load, map[string]string{
		"how": how, "rate": d.value("rate"), "readers": d.value("readers"), "think": time.Duration(d.values["think"]).String(),
	})
	d.add(load, taskDeploy, last, 0, request.Load, map[string]string{
		"how": how, "deployments": d.value("deployments"),
		"pause": (request.Load / time.Duration(d.values["deployments"]+1)).Truncate(time.Millisecond).String(),
	})
	return d.steps, nil
}

// Do implements Workload.
func (Deploy) Do(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	return perform(ctx, step, env, map[string]task{
		taskWriteSite: writeSite, taskReadSite: readSite, taskLink: linkSite, taskVisit: visitSite, taskDeploy: deploySite,
	})
}

// link is the symlink that leads to the version of the site that is to be read.
func (s site) link() string { return s.root + ".current" }

// release is the site in a tree of its own.
func (s site) release(version int) site {
	if version > 0 {
		s.root = fmt.Sprintf("%s.%d", s.root, version)
	}
	return s
}

// everyAsset is which pages have another name in each version, as style sheets and scripts do that are named by what is in them.
const everyAsset = 10

// deployed is the name of a page in a version that is put in the place of another one.
func (s site) deployed(page, version int) string {
	if page%everyAsset == everyAsset-1 && version > 0 {
		return fmt.Sprintf("%s/a%05d-%d.html", s.directory(page*s.directories/s.pages), page, version)
	}
	return s.page(page)
}

func linkSite(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	a := &arguments{step: step.Args}
	s := siteOf(a)
	if a.err != nil {
		return history.Load{}, a.err
	}
	files := NewFiles(env)
	maker := files.Process()
	result := again(ctx, func() Result { return maker.Symlink(ctx, s.link(), s.root) })
	files.logStuck(env.Log, step)
	done := uint64(0)
	if result.OK() {
		done = 1
	}
	return history.Load{Done: done, Wanted: 1}, nil
}

// deploySite replaces the site some times. A deployment is begun when its time has come and the one before is complete.
func deploySite(ctx context.Context, step history.Step, env Environment) (history.Load, error) {
	a := &arguments{step: step.Args}
	s, deployments, pause := siteOf(a), a.number("deployments"), a.duration("pause")
	replace, known := map[string]func(*deployment) bool{
		byTar: (*deployment).tar, byRsync: (*deployment).rsync, bySymlink: (*deployment).symlink,
	}[a.step["how"]]
	if a.err == nil && !known {
		a.err = fmt.Errorf("argument how: %q is no way to replace a site", a.step["how"])
	}
	if a.err != nil {
		return history.Load{}, a.err
	}
	files := NewFiles(env)
	begun := time.Now()
	d := &deployment{ctx: ctx, site: s, seed: step.Seed, process: files.Process(), until: begun.Add(step.Length)}
	done := uint64(0)
	for d.version = 1; d.version <= deployments && pauseFor(ctx, time.Until(begun.Add(pause*time.Duration(d.version)))); d.version++ {
		if !replace(d) {
			break
		}
		done++
	}
	files.logStuck(env.Log, step)
	return history.Load{Done: done, Wanted: uint64(deployments)}, nil
}

// A deployment is the work on one version.
type deployment struct {
	ctx     context.Context // of the task
	site    site
	seed    uint64
	process *Process
	until   time.Time
	version int
	made    int // temporary files
}

// each does something for every page, again and again until nothing of it fails, and says whether it came to the end.
func (d *deployment) each(count int, do func(i int) Result) bool {
	all := make([]int, count)
	for i := range all {
		all[i] = i
	}
	return untilAllDone(d.ctx, d.until, all, do) == uint64(count)
}

// length is how long a page of the version is.
func (d *deployment) length(page int) int {
	sized := d.site
	sized.seed = derive(d.seed, fmt.Sprint(d.version))
	return sized.length(page)
}

// tar unpacks the version over the one before, as with --overwrite. What only that one had stays.
func (d *deployment) tar() bool {
	return d.each(d.site.pages, func(i int) Result {
		return d.process.Write(d.ctx, d.site.deployed(i, d.version), d.length(i), How{})
	})
}

// rsync puts each page of the version in the place of the one before, as with --delete-after.
func (d *deployment) rsync() bool {
	return d.each(d.site.pages, d.replace) && d.each(d.site.pages, func(i int) Result {
		old := d.site.deployed(i, d.version-1)
		if old == d.site.deployed(i, d.version) {
			return Result{Outcome: history.OK}
		}
		return gone(d.process.Remove(d.ctx, old))
	})
}

// replace writes a page under a name of its own and renames it.
func (d *deployment) replace(page int) Result {
	d.made++
	name := d.site.deployed(page, d.version)
	temporary := fmt.Sprintf("%s/.p%05d.%d", d.site.directory(page*d.site.directories/d.site.pages), page, d.made)
	result := d.process.Write(d.ctx, temporary, d.length(page), How{Exclusive: true})
	if result.OK() {
		result = d.process.SetTime(d.ctx, temporary, time.Unix(1_000_000_000+int64(d.version), 0))
	}
	if result.OK() {
		result = d.process.Rename(d.ctx, temporary, name)
	}
	if !result.OK() {
		d.process.Remove(d.ctx, temporary)
	}
	return result
}

// symlink writes the version beside the others, and then lets the link lead to it.
func (d *deployment) symlink() bool {
	next := d.site.release(d.version)
	if !d.directories(next) || !d.each(next.pages, func(i int) Result {
		return d.process.Write(d.ctx, next.page(i), d.length(i), How{})
	}) || !d.each(1, func(int) Result { return d.point(next) }) {
		return false
	}
	return d.version < 2 || d.remove(d.site.release(d.version-2))
}

// point lets the link lead to a version.
func (d *deployment) point(to site) Result {
	d.made++
	temporary := fmt.Sprintf("%s.%d", d.site.link(), d.made)
	result := d.process.Symlink(d.ctx, temporary, to.root)
	if result.OK() {
		result = d.process.Rename(d.ctx, temporary, d.site.link())
	}
	if !result.OK() {
		d.process.Remove(d.ctx, temporary)
	}
	return result
}

// directories makes the directories of a version.
func (d *deployment) directories(of site) bool {
	return d.each(1, func(int) Result { return there(d.process.MakeDirectory(d.ctx, of.root)) }) &&
		d.each(of.directories, func(i int) Result { return there(d.process.MakeDirectory(d.ctx, of.directory(i))) })
}

// remove removes a version that nothing leads to any more.
func (d *deployment) remove(old site) bool {
	return d.each(old.pages, func(i int) Result { return gone(d.process.Remove(d.ctx, old.page(i))) }) &&
		d.each(old.directories, func(i int) Result { return gone(d.process.RemoveDirectory(d.ctx, old.directory(i))) }) &&
		d.each(1, func(int) Result { return gone(d.process.RemoveDirectory(d.ctx, old.root)) })
}
