package scenario

import (
	"slices"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// A Scenario says what to run. Make one with [Parse], [Load] or [Library], which fill in the defaults.
type Scenario struct {
	Name      string         // names the run directory
	Doc       string         // what it is for; the first line is a summary
	Clients   int            // nodes that mount the file system
	Servers   int            // nodes that hold it
	Volumes   int            // of each client: the first directories that it makes, each a volume of its own
	Profile   string         // names the ways in which the file system does what can be done in several
	TimeScale float64        // divides the time constants of the file system
	Constants Constants      // of the daemons, that are not to be as the profile and the time scale have them; nil where all are
	Load      time.Duration  // how long the workload and the faults go on
	Workload  Workload       // nothing where there are Workloads
	Workloads []Workload     // several, side by side or one after the other; nil where there is one
	Faults    Faults         //
	Limits    history.Limits // what the checks hold the run against
	Expect    []Symptom      // what must show up; with none, every check is to pass

	// Of a scenario for a file system that is not ours; nil for one of ours. There are as many clients as mounts, and no servers.
	Mounts      []string // for each client a directory that all show, by an absolute path
	Consistency history.Consistency
}

// A Symptom is what a run must show, and is no failure of it: a check that does not pass.
type Symptom struct {
	Profiles []string // with which it must show up; nil with any
	Check    string   // that must fail
	Text     string   // that its summary or its evidence must have; "" where any will do
	Figure   string   // of the check, that must be at least Least, and at most Most; "" where none is demanded
	Least    float64  // in the unit of the figure
	Most     float64  // the same; 0 for no bound
}

// With says whether a symptom must show up with a profile.
func (s Symptom) With(profile string) bool {
	return len(s.Profiles) == 0 || slices.Contains(s.Profiles, profile)
}

// Symptoms are those that must show up with the profile of the scenario.
func (s Scenario) Symptoms() []Symptom {
	var all []Symptom
	for _, symptom := range s.Expect {
		if symptom.With(s.Profile) {
			all = append(all, symptom)
		}
	}
	return all
}

// Foreign says whether the scenario is for a file system that is not ours.
func (s Scenario) Foreign() bool { return len(s.Mounts) > 0 }

// On gives a scenario to be carried out on a file system that is not ours: a client for each of the mounts.
func (s *Scenario) On(mounts []string) {
	s.Mounts, s.Clients, s.Servers = mounts, len(mounts), 0
	if s.Consistency.IsZero() {
		s.Consistency.Level = history.CloseToOpen
	}
}

// Constants are values by the names of constants, for each kind of daemon. They are what the daemons have: the time scale does not divide them.
type Constants = map[string]map[string]string

// A limit is one that a scenario can do without.
type limit struct {
	name  string
	value time.Duration // 0 for none
}

// optionalLimits are what a scenario need not hold its runs against, in the order of a file.
func (s Scenario) optionalLimits() []limit {
	return []limit{{"p99", s.Limits.P99}, {"stall", s.Limits.Stall}, {"recover", s.Limits.Recover}, {"stale", s.Limits.Stale}, {"cached", s.Limits.Cached}}
}

// Workload names what is done to the file system.
type Workload struct {
	Name string
	Args map[string]string // what the scenario sets of its parameters; nil where it sets none

	// Of one of several; zero where there is one.
	Start   time.Duration // after the start of the load
	Length  time.Duration // 0 until the load ends
	Clients []string      // that do it; nil for all
}

// AllWorkloads are the workloads of a scenario, one or several, to be read or changed.
func (s *Scenario) AllWorkloads() []*Workload {
	if s.Workloads == nil {
		return []*Workload{&s.Workload}
	}
	var all []*Workload
	for i := range s.Workloads {
		all = append(all, &s.Workloads[i])
	}
	return all
}

// WorkloadField is the field of the i-th of AllWorkloads.
func (s *Scenario) WorkloadField(i int) string {
	if s.Workloads == nil {
		return "workload"
	}
	return item("workloads", i)
}

// Faults says what harm is done: faults that the seed places, or steps that are fixed, or both, or none.
type Faults struct {
	Must  []string       // each is placed at least once, as often as it is named
	Mix   map[string]int // weights of the faults that fill what time is left; nil where nothing shall
	Least time.Duration  // the least time from the injection of a placed fault to its healing
	Gap   time.Duration  // the least time from the healing of a placed fault to the next one, also where healing takes longer and they share a node
	Steps []Step         // fixed ones
}

// A Step is a fault at a fixed time, or when something has happened, in the words of a plan.
type Step struct {
	Name   string            // of the fault
	Nodes  []string          // where; of a partition, both ends
	Start  time.Duration     // after the start of the load, or after When
	When   *history.Trigger  // what the fault waits for; nil for nothing but its time
	Length time.Duration     // until it is healed
	Args   map[string]string // nil where there are none
}

// Names are the names that a scenario can use. With them at hand, an unknown name is an error at its place in the file.
type Names struct {
	Workloads map[string][]string // with their parameters
	Faults    map[string][]string // with theirs
	Profiles  []string
	Checks    []string
	Figures   map[string][]string // of each check; what follows in capital letters stands for any text, as in "longest call on NODE"
	Constants map[string][]string // of each kind of daemon
}

// DefaultProfile is the profile of a scenario that names none.
const DefaultProfile = "modern"

// defaults is what a scenario has where it says nothing.
func defaults() Scenario {
	return Scenario{
		Clients:   3,
		Servers:   1,
		Profile:   DefaultProfile,
		TimeScale: 1,
		Load:      15 * time.Second,
		Faults:    Faults{Least: 500 * time.Millisecond, Gap: 1500 * time.Millisecond},
		Limits:    history.Limits{Hang: 10 * time.Second, Converge: 30 * time.Second},
	}
}
