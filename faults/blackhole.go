package faults

import (
	"fmt"

	"github.com/codastress/codastress/harness/history"
)

// A Blackhole loses what is sent over a link in the directions that are set, as a router does that forgets its routes for a while. No sender notices; the
// connections that lost something are reset by healing, since their streams would go on with a gap.
type Blackhole struct {
	Up   bool // from the client to the server; between servers, from the first to the second
	Down bool
}

var _ Fault = Blackhole{}

// Name implements Fault.
func (b Blackhole) Name() string { return "blackhole" + oneWay(b.Up, b.Down) }

// Doc implements Fault.
func (b Blackhole) Doc() string {
	what := "what is sent over a link in either direction"
	switch oneWay(b.Up, b.Down) {
	case "-up":
		what = "what is sent over a link towards the server"
	case "-down":
		what = "what is sent over a link towards the client"
	}
	return what + " is lost, and nobody told; connections that lost something are reset by healing"
}

// Applies implements Fault.
func (b Blackhole) Applies(topology Topology) error { return appliesToLinks(b.Name(), topology) }

// Targets implements Fault: both ends of each link.
func (Blackhole) Targets(topology Topology) [][]string { return links(topology) }

// Cuts implements Fault.
func (Blackhole) Cuts(step history.Step) []history.Cut { return linkCut(step) }

// Prepare implements Fault.
func (b Blackhole) Prepare(handles Handles, step history.Step) (*Injection, error) {
	node, link, err := linkOf(handles, step)
	if err != nil {
		return nil, fmt.Errorf("preparing %s: %w", b.Name(), err)
	}
	return newInjection(b, step, &cut{Partition: Partition(b), loses: true, node: node, link: link}), nil
}
