package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// A Topology names the nodes of a cluster.
type Topology struct {
	Servers, Clients []string
	Mounts           []string // the clients of a file system that is not ours; there are no others then
}

// A Fault is a kind of harm.
type Fault interface {
	Name() string
	Doc() string // one sentence
	// Applies says why the fault cannot happen in a topology; nil where it can.
	Applies(topology Topology) error
	// Targets returns the sets of nodes that the fault can hit, each as the Nodes of a step. Of a link, the node that connects comes first;
	// two servers have a link each way.
	Targets(topology Topology) [][]string
	// Cuts says what the injection of a step may excuse: at most, where the seed draws what is cut. Its record has what was.
	Cuts(step history.Step) []history.Cut
	// Prepare makes the injection of a step, and harms nothing yet.
	Prepare(handles Handles, step history.Step) (*Injection, error)
}

// All returns every fault, in the order in which to list them.
func All() []Fault {
	all := []Fault{
		Partition{Up: true, Down: true},
		Partition{Up: true},
		Partition{Down: true},
		Isolate{},
		Split{},
		Sever{},
		Swizzle{},
		Flapping{},
		Blackhole{Up: true, Down: true},
		Blackhole{Up: true},
		Blackhole{Down: true},
		Reset{},
		Latency{},
		Bandwidth{},
		Slicing{},
		SlowClose{},
		Corruption{},
		Kill{Daemon: cluster.Venus},
		Kill{Daemon: cluster.Codasrv},
		Kill{Daemon: cluster.Web},
		Restart{Daemon: cluster.Venus},
		Restart{Daemon: cluster.Codasrv},
		Restart{Daemon: cluster.Web},
		CrashLoop{Daemon: cluster.Venus},
		CrashLoop{Daemon: cluster.Codasrv},
		Rolling{},
		Reinstall{},
		LostDisk{},
		Pause{Daemon: cluster.Venus},
		Pause{Daemon: cluster.Codasrv},
		Pause{Daemon: cluster.Web},
		Disconnect{},
		HoardWalk{},
		VolumeLock{},
		Quota{},
		TokenExpiry{},
		PowerLoss{Daemon: cluster.Venus},
		PowerLoss{Daemon: cluster.Codasrv},
	}
	for _, ailment := range []Ailment{Slow, Stalled, Full, Failing} {
		all = append(all, Disk{ailment, cluster.Venus}, Disk{ailment, cluster.Codasrv})
	}
	all = append(all, FlipBit{cluster.Venus}, FlipBit{cluster.Codasrv})
	for _, resource := range []Resource{CPU, Memory} {
		all = append(all, Squeeze{resource, cluster.Venus}, Squeeze{resource, cluster.Codasrv})
	}
	return append(all, ClockJump{cluster.Venus}, ClockJump{cluster.Codasrv})
}

// Find returns the fault with a name.
func Find(name string) (Fault, error) { return findIn(All(), name) }

func findIn(known []Fault, name string) (Fault, error) {
	var names []string
	for _, fault := range known {
		if fault.Name() == name {
			return fault, nil
		}
		names = append(names, fault.Name())
	}
	return nil, fmt.Errorf("there is no fault %q: there are %s", name, strings.Join(names, ", "))
}

// An effect is the part of an injection that differs from fault to fault. An Injection calls it in order.
type effect interface {
	inject(ctx context.Context) error
	// prove looks once whether the harm is done, and says what it saw. An error says why not, or why not yet.
	prove(ctx context.Context) (string, error)
	// recover heals whatever inject did, also where it failed half-way. It may be repeated.
	recover(ctx context.Context) error
	// proveRecovered looks once whether the harm is healed.
	proveRecovered(ctx context.Context) (string, error)
}

// choosing is a fault that can hit more than it lists as its targets.
type choosing interface {
	// hits says why the fault cannot hit the nodes of a step, which are there, and each once; nil where it can.
	hits(topology Topology, step history.Step) error
}

// Hits says why a fault cannot hit the nodes of a step in a topology; nil where it can.
func Hits(fault Fault, topology Topology, step history.Step) error {
	if err := fault.Applies(topology); err != nil {
		return err
	}
	nodes := strings.Join(step.Nodes, " ")
	if chosen, ok := fault.(choosing); ok {
		err := areThere(topology, step.Nodes)
		if err == nil {
			err = chosen.hits(topology, step)
		}
		if err != nil {
			return fmt.Errorf("%s cannot hit %q: %w", fault.Name(), nodes, err)
		}
		return nil
	}
	var possible []string
	for _, target := range fault.Targets(topology) {
		if slices.Equal(target, step.Nodes) {
			return nil
		}
		possible = append(possible, strings.Join(target, " "))
	}
	return fmt.Errorf("%s cannot hit %q: it can hit %s", fault.Name(), nodes, strings.Join(possible, ", "))
}

// areThere says which of some nodes is none of a topology, or named twice; nil where there are some, and all is well.
func areThere(topology Topology, nodes []string) error {
	if len(nodes) == 0 {
		return errors.New("it needs nodes")
	}
	for i, node := range nodes {
		switch {
		case !slices.Contains(topology.Servers, node) && !slices.Contains(topology.Clients, node):
			return fmt.Errorf("there is no node %s", node)
		case slices.Contains(nodes[:i], node):
			return fmt.Errorf("it names %s twice", node)
		}
	}
	return nil
}

// links returns who connects to whom: each client and each other server to each server.
func links(topology Topology) [][]string {
	var ends [][]string
	for _, server := range topology.Servers {
		for _, from := range slices.Concat(topology.Clients, topology.Servers) {
			if from != server {
				ends = append(ends, []string{from, server})
			}
		}
	}
	return ends
}

// linkOf returns the node and the link of a step that has both ends of a link.
func linkOf(handles Handles, step history.Step) (Node, Link, error) {
	if len(step.Nodes) != 2 {
		return nil, nil, fmt.Errorf("it needs both ends of a link, not %q", step.Nodes)
	}
	node, err := handles.Node(step.Nodes[0])
	if err != nil {
		return nil, nil, err
	}
	link, err := handles.Link(step.Nodes[0], step.Nodes[1])
	return node, link, err
}

// linkCut is what a fault of a link may excuse.
func linkCut(step history.Step) []history.Cut {
	if len(step.Nodes) != 2 {
		return nil
	}
	return []history.Cut{{Node: step.Nodes[0], Peer: step.Nodes[1]}}
}

// appliesToLinks says why a fault of a link cannot happen in a topology.
func appliesToLinks(name string, topology Topology) error {
	if len(links(topology)) == 0 {
		return fmt.Errorf("%s needs a link: there are %d servers and %d clients", name, len(topology.Servers), len(topology.Clients))
	}
	return nil
}

// singles makes a set of one of each node.
func singles(nodes []string) [][]string {
	var sets [][]string
	for _, node := range nodes {
		sets = append(sets, []string{node})
	}
	return slices.Clip(sets)
}
