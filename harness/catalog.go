package harness

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/harness/nearest"
	"github.com/codastress/codastress/harness/scenario"
)

// A Catalog lists everything that a run can be made of.
type Catalog struct {
	Workloads []Workload
	Faults    []Fault
	Checks    []Check
	Constants []Constant
	// Schedule places faults in the time of the load: a nemesis schedule, the same for the same request.
	Schedule func(ScheduleRequest) ([]history.Step, error)
	// Lease is for how long clients may trust what they have, with the profile, time scale and constants of a scenario. Nil where nobody knows.
	Lease func(sc scenario.Scenario) (time.Duration, error)
}

// A Workload plans the tasks that the nodes carry out by its name.
type Workload struct {
	Name string
	Doc  string
	// Plan is a pure function: the same request gives the same steps. A value that a parameter cannot have is an [*ArgumentError].
	Plan       func(PlanRequest) ([]history.Step, error)
	Parameters []Parameter
	NeedsCoda  string // what the workload needs that only a Coda-style file system has; "" where any will do
}

// A Parameter is something about a workload or a fault that a scenario can set.
type Parameter struct {
	Name    string
	Default string
	Doc     string
}

// A PlanRequest is what a workload plans from.
type PlanRequest struct {
	Clients []string
	Args    map[string]string
	Seed    uint64
	Load    time.Duration // of the load phase
}

// A ScheduleRequest is what a nemesis schedule is made from.
type ScheduleRequest struct {
	Topology
	Seed    uint64
	Load    time.Duration
	Must    []string       // each of these faults once, or as often as it stands here
	Weights map[string]int // of the faults that fill the time that is left; none where it is empty
	Least   time.Duration  // the least length of a fault
	Gap     time.Duration  // the least time between two faults
}

// A Topology names the nodes of a cluster, or those of a file system that is not ours.
type Topology struct {
	Servers, Clients []string
	Mounts           []string // the clients of a file system that is not ours; there are no others then
}

// nodes are all of a topology that can be named.
func (t Topology) nodes() []string { return slices.Concat(t.Clients, t.Servers, t.Mounts) }

// A Fault is a kind of harm.
type Fault struct {
	Name string
	Doc  string
	// Only is the runtime that it can be injected in alone; "" where any will do.
	Only       string
	Excuses    string      // what it may excuse, in words
	Parameters []Parameter // that a fixed step can set
	// CheckArguments says what is wrong with the arguments of a step; nil where nothing is. A value that cannot be is an [*ArgumentError].
	CheckArguments func(map[string]string) error
	// Hits says why the fault cannot hit the nodes of a step in a cluster; nil where it can.
	Hits func(topology Topology, step history.Step) error
	// Prepare makes the injection of one planned step on a cluster.
	Prepare func(*cluster.Cluster, history.Step) (Injection, error)
}

// An Injection is one fault on its way: injected and seen to have taken effect, then healed and seen to be healed.
type Injection interface {
	// Inject harms, and returns when the effect was seen or an error says that it was not.
	Inject(ctx context.Context) error
	// Recover heals, and returns when that was seen or an error says that it was not. It heals also after a failed Inject.
	Recover(ctx context.Context) error
	// Record returns what happened so far.
	Record() history.Fault
}

// A Constant is a number that a daemon does its work with, and that a scenario can set.
type Constant struct {
	Daemon string
	Name   string
	Doc    string
	// Defaults are what the daemon has where a scenario says nothing, with each profile, before the time scale divides it.
	Defaults map[string]string
	// Check says what is wrong with a value; nil where nothing is.
	Check func(value string) error
}

// A Check decides whether one promise was kept. Run is a pure function.
type Check struct {
	Name string
	Doc  string
	// Figures are what it measures, by name; what follows in capital letters stands for any text, as in "longest call on NODE".
	Figures []string
	Run     func(*history.Run) history.Verdict
}

// An ArgumentError is an argument that a workload or a fault cannot have.
type ArgumentError struct {
	Name string
	Err  error // what is wrong with its value
}

// Error implements error.
func (e *ArgumentError) Error() string { return fmt.Sprintf("argument %s: %v", e.Name, e.Err) }

// Unwrap is what is wrong with the value.
func (e *ArgumentError) Unwrap() error { return e.Err }

// Workload finds a workload by its name; the error suggests the nearest one.
func (c Catalog) Workload(name string) (Workload, error) {
	return find("workload", name, c.Workloads, func(w Workload) string { return w.Name })
}

// Fault finds a fault by its name; the error suggests the nearest one.
func (c Catalog) Fault(name string) (Fault, error) {
	return find("fault", name, c.Faults, func(f Fault) string { return f.Name })
}

func find[T any](what, name string, all []T, nameOf func(T) string) (T, error) {
	names := make([]string, 0, len(all))
	for _, one := range all {
		if nameOf(one) == name {
			return one, nil
		}
		names = append(names, nameOf(one))
	}
	var none T
	return none, fmt.Errorf("%s", nearest.Unknown(what, name, names))
}
