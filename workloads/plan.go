package workloads

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// The tasks, by their names in plans.
const (
	taskWriteSite  = "write-site"  // write every page of the site
	taskReadSite   = "read-site"   // read every page once, as soon as it is there
	taskFetchPages = "fetch-pages" // fetch pages from the node's web server
	taskDelete     = "delete"      // delete pages
	taskOverwrite  = "overwrite"   // replace pages
	taskUpdate     = "update"      // replace a page now and then
	taskReadFiles  = "read-files"  // read pages through the mount
	taskEdit       = "edit"        // read and replace pages that others edit, too
	taskRepair     = "repair"      // merge both versions of what is in conflict
	taskHoard      = "hoard"       // hoard the site
	taskLook       = "look"        // list directories of the site, and look at what is in them
	taskTravel     = "travel"      // read every page of the site, which was hoarded, and replace some
	taskLink       = "link"        // make the symlink that leads to the site
	taskDeploy     = "deploy"      // replace the site as a whole, some times
	taskVisit      = "visit"       // read what is deployed, through the mount and from the node's web server
)

// A draft is a plan in the making.
type draft struct {
	name    string // of the workload
	request PlanRequest
	values  map[string]int64
	site    site
	steps   []history.Step
}

// newDraft reads a request and plans what all workloads begin with: the first client writes the site, the others read all of it, so
// that it is in every cache; then web readers on every client for as long as the load lasts.
func newDraft(w Workload, ps parameters, request PlanRequest) (*draft, error) {
	d := &draft{name: w.Name(), request: request}
	if err := d.begin(ps); err != nil {
		return nil, fmt.Errorf("workload %s: %w", w.Name(), err)
	}
	d.add(prepare, taskWriteSite, request.Clients[:1], 0, 0, nil)
	if len(request.Clients) > 1 {
		d.add(prepare, taskReadSite, request.Clients[1:], 0, 0, nil)
	}
	d.add(load, taskFetchPages, request.Clients, 0, request.Load, map[string]string{"rate": d.value("rate")})
	if d.values["looks"] > 0 {
		d.add(load, taskLook, request.Clients, 0, request.Load, map[string]string{"rate": d.value("looks")})
	}
	return d, nil
}

func (d *draft) begin(ps parameters) error {
	if len(d.request.Clients) == 0 {
		return errors.New("it needs at least one client")
	}
	if d.request.Load <= 0 {
		return fmt.Errorf("a load of %v is too short: it must be longer than 0", d.request.Load)
	}
	values, err := ps.resolve(d.request.Args)
	if err != nil {
		return err
	}
	d.values = values
	d.site, err = newSite(values, d.request.Seed)
	return err
}

// add plans a task.
func (d *draft) add(phase, task string, nodes []string, start, length time.Duration, args map[string]string) {
	d.steps = append(d.steps, history.Step{
		Phase: phase, Kind: "workload", Name: d.name, Task: task, Nodes: slices.Clone(nodes), Start: start, Length: length,
		Seed: derive(d.request.Seed, task), Args: d.site.args(args),
	})
}

// value is a parameter's as an argument.
func (d *draft) value(name string) string { return strconv.FormatInt(d.values[name], 10) }

// addBurst plans a task that works on some pages that follow each other, on the last client and at a moment in the first half of the
// load, both drawn from the seed. It has the rest of the load for its time.
func (d *draft) addBurst(task, parameter string) error {
	count, pages := int(d.values[parameter]), d.site.pages
	if count > pages {
		return fmt.Errorf("workload %s: %w", d.name, badParameter(parameter, "%d is not a number from 1 to the number of pages, %d", count, pages))
	}
	random := rand.New(rand.NewPCG(derive(d.request.Seed, "burst"), 0))
	earliest, latest := d.request.Load/10, d.request.Load/2
	start := (earliest + time.Duration(random.Int64N(int64(latest-earliest)+1))).Truncate(time.Millisecond)
	last := d.request.Clients[len(d.request.Clients)-1:]
	d.add(load, task, last, start, d.request.Load-start, map[string]string{
		"first": strconv.Itoa(random.IntN(pages - count + 1)), "count": strconv.Itoa(count),
	})
	return nil
}

// rateParameter is that of the web readers.
func rateParameter() parameter {
	return parameter{
		name: "rate", preset: 30, least: 1, most: 1000,
		documentation: "pages a second that are fetched from the web server of each client, whether it keeps up or not",
	}
}
