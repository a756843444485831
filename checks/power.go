package checks

import (
	"slices"
	"strings"

	"github.com/codastress/codastress/harness/history"
)

// powerLosses is when the machines of clients lost their power, and what was safe from it: DESIGN.md section 7 promises only of what an fsync
// covered that it is there afterwards. Venus's fsync covers everything that was acknowledged before it, but contents that were not synced
// themselves are not promised. A client that was installed anew has lost what was synced, too. What was reintegrated is promised in any case (safe).
type powerLosses struct {
	dark   map[string][]history.Time // of each node, when it lost its power or was installed anew, in order
	wiped  map[string][]history.Time // the latter alone
	synced map[string][]history.Time // of each node, when acknowledged fsyncs began, in order
}

func newPowerLosses(run *history.Run) *powerLosses {
	p := &powerLosses{dark: map[string][]history.Time{}, wiped: map[string][]history.Time{}, synced: map[string][]history.Time{}}
	for i := range run.Faults {
		fault := &run.Faults[i]
		wiped := wipesClient(fault)
		if fault.Injecting == 0 || !wiped && !darkensClient(fault) {
			continue
		}
		for _, cut := range fault.Cuts {
			at := max(fault.Injected, fault.Injecting)
			p.dark[cut.Node] = append(p.dark[cut.Node], at)
			if wiped {
				p.wiped[cut.Node] = append(p.wiped[cut.Node], at)
			}
		}
	}
	if len(p.dark) == 0 {
		return p
	}
	for _, row := range run.Operations.Rows() {
		if row.Kind.Writes() && row.Outcome == history.OK && row.Synced {
			node := run.Operations.Node(row.Worker)
			p.synced[node] = append(p.synced[node], row.Invoked)
		}
	}
	for _, times := range []map[string][]history.Time{p.dark, p.wiped, p.synced} {
		for node := range times {
			slices.Sort(times[node])
		}
	}
	return p
}

// wipesClient says whether a fault takes everything from the disk of a client.
func wipesClient(fault *history.Fault) bool { return fault.Name == "reinstall-venus" }

// darkensClient says whether the machine of a client loses its power.
func darkensClient(fault *history.Fault) bool {
	return strings.HasPrefix(fault.Name, "power-loss-venus")
}

// took says whether a loss of power may have taken an acknowledged change that a client made: one that came after the change, with no fsync
// in between that covers it. A write that was not synced itself is not covered by any.
func (p *powerLosses) took(operations *history.Packed, m *history.Row) bool {
	node := operations.Node(m.Worker)
	if wiped := p.wiped[node]; len(wiped) > 0 && wiped[len(wiped)-1] > m.Completed {
		return true
	}
	dark := p.dark[node]
	next, _ := slices.BinarySearch(dark, m.Completed)
	if next == len(dark) || m.Synced {
		return false
	}
	if m.Kind.Writes() {
		return true
	}
	covered, _ := slices.BinarySearch(p.synced[node], m.Completed)
	return covered == len(p.synced[node]) || p.synced[node][covered] >= dark[next]
}
