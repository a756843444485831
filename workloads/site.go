package workloads

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"strconv"

	"github.com/codastress/codastress/harness/history"
)

// A site is a tree of web pages. Everything about it follows from its fields, so that every node knows every page.
type site struct {
	root        string // the directory that holds it; it is new for each plan
	seed        uint64 // of the sizes
	pages       int
	directories int
	size        int // the median of the sizes, in bytes
	large       int // pages of largeSize, evenly spread
}

// largeSize is the size of a large page: an archive or a photograph among web pages, in bytes.
const largeSize = 512 << 10

// spread is the standard deviation of the logarithm of the sizes: with 0.8, two pages of three are between half and double the median.
const spread = 0.8

// largestPage bounds the tail of the sizes of ordinary pages, in medians.
const largestPage = 16

// smallestPage leaves room for the header of self-describing contents and a path.
const smallestPage = 512

// siteParameters are those of every workload that works on a site.
func siteParameters() parameters {
	return parameters{
		{name: "pages", preset: 2700, least: 1, most: 200_000, documentation: "web pages in the tree"},
		{name: "directories", preset: 27, least: 1, most: 10_000, documentation: "directories that the pages are spread over"},
		{name: "size", preset: 10 << 10, least: smallestPage, most: 1 << 20, documentation: "median size of a page in bytes; sizes are log-normal"},
		{name: "large", preset: 8, least: 0, most: 1000, documentation: "pages of 512 KiB among the others"},
	}
}

// newSite makes the site of a plan.
func newSite(values map[string]int64, seed uint64) (site, error) {
	s := site{
		root: fmt.Sprintf("site-%08x", uint32(derive(seed, "root"))), seed: derive(seed, "site"),
		pages: int(values["pages"]), directories: int(values["directories"]), size: int(values["size"]), large: int(values["large"]),
	}
	return s, s.check()
}

func (s site) check() error {
	if s.directories < 1 || s.directories > s.pages {
		return badParameter("directories", "%d is not a number from 1 to the number of pages, %d", s.directories, s.pages)
	}
	if s.large > s.pages {
		return badParameter("large", "%d is not a number from 0 to the number of pages, %d", s.large, s.pages)
	}
	return nil
}

// args writes the site into a planned step, with what else the task needs.
func (s site) args(more map[string]string) map[string]string {
	args := map[string]string{
		"root": s.root, "site_seed": strconv.FormatUint(s.seed, 10),
		"pages": strconv.Itoa(s.pages), "directories": strconv.Itoa(s.directories),
		"size": strconv.Itoa(s.size), "large": strconv.Itoa(s.large),
	}
	maps.Copy(args, more)
	return args
}

// siteOf reads a site from a planned step.
func siteOf(a *arguments) site {
	s := site{
		root: a.step["root"], seed: a.seed("site_seed"),
		pages: a.number("pages"), directories: a.number("directories"), size: a.number("size"), large: a.number("large"),
	}
	if a.err == nil {
		a.err = s.check()
	}
	return s
}

// ratedSite reads the site of a step, and how often a second something is to be done there.
func ratedSite(step history.Step) (s site, rate int, err error) {
	a := &arguments{step: step.Args}
	s, rate = siteOf(a), a.number("rate")
	if a.err == nil && rate == 0 {
		a.err = errors.New("argument rate: 0 is not a rate")
	}
	return s, rate, a.err
}

// directory names one of the site's directories.
func (s site) directory(i int) string { return fmt.Sprintf("%s/d%03d", s.root, i) }

// page names one of the pages. Pages that follow each other are in the same directory.
func (s site) page(i int) string {
	return fmt.Sprintf("%s/p%05d.html", s.directory(i*s.directories/s.pages), i)
}

// length is the size of a page in bytes.
func (s site) length(i int) int {
	if s.large > 0 && i%(s.pages/s.large) == 0 && i/(s.pages/s.large) < s.large {
		return largeSize
	}
	random := rand.New(rand.NewPCG(s.seed, uint64(i)))
	factor := min(math.Exp(spread*random.NormFloat64()), largestPage)
	return max(smallestPage, int(float64(s.size)*factor))
}
