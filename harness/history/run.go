package history

import (
	"fmt"
	"time"
)

// A Step is one numbered line of a run's plan: a task of a workload or a fault. The plan is on disk before anything starts.
type Step struct {
	Number int               `yaml:"number" json:"number"`
	Phase  string            `yaml:"phase" json:"phase"`                       // prepare (in order, before everything), load or fault (both by their start), or repair (in order, when all is healed)
	Kind   string            `yaml:"kind" json:"kind"`                         // workload or fault
	Name   string            `yaml:"name" json:"name"`                         // of the workload or fault in the catalog
	Task   string            `yaml:"task,omitempty" json:"task,omitempty"`     // what the workload does here
	Nodes  []string          `yaml:"nodes" json:"nodes"`                       // where; of a partition, both ends
	Start  time.Duration     `yaml:"start" json:"start"`                       // after the start of the load, or after When
	When   *Trigger          `yaml:"when,omitempty" json:"when,omitempty"`     // what a fault waits for; nil for nothing but its time
	Length time.Duration     `yaml:"length,omitempty" json:"length,omitempty"` // until a fault is healed or a task ends by itself
	Seed   uint64            `yaml:"seed" json:"seed"`                         // of everything random in the step
	Args   map[string]string `yaml:"args,omitempty" json:"args,omitempty"`
}

// A Trigger is the moment of the load at which so many operations have been done, or a daemon has come so many times to a failpoint. Only operations count
// that succeeded.
type Trigger struct {
	Operation Kind      `yaml:"operation,omitempty" json:"operation,omitempty"` // 0 where a failpoint is waited for
	Failpoint Failpoint `yaml:"failpoint,omitempty" json:"failpoint,omitempty"` // of the daemon of Node
	Count     int       `yaml:"count" json:"count"`
	Node      string    `yaml:"node,omitempty" json:"node,omitempty"` // the client that does the operations, "" for all together; or whose daemon it is
}

// String says what is waited for.
func (t Trigger) String() string {
	text := fmt.Sprintf("%d %s", t.Count, t.Operation)
	if t.Failpoint != "" {
		text = fmt.Sprintf("%d %s", t.Count, t.Failpoint)
	}
	if t.Node != "" {
		text += " on " + t.Node
	}
	return text
}

// A Fault is the record of one injected fault. Times that never came are zero.
type Fault struct {
	Step       int      `json:"step"`
	Name       string   `json:"name"`
	Nodes      []string `json:"nodes"`
	Injecting  Time     `json:"injecting"`  // just before
	Injected   Time     `json:"injected"`   // the injection returned
	Proven     Time     `json:"proven"`     // it was seen to have taken effect
	Recovering Time     `json:"recovering"` // just before healing
	Recovered  Time     `json:"recovered"`  // it was seen to be healed
	Proof      string   `json:"proof"`      // what was seen
	Problem    string   `json:"problem"`    // why it was not proven or not healed; "" where all is well
	Cuts       []Cut    `json:"cuts"`       // what it may excuse
}

// A Cut says which daemon cannot work, or which link cannot carry, while a fault lasts.
type Cut struct {
	Node string `json:"node"` // whose daemon stands still; or with Peer, one end of the link
	Peer string `json:"peer"` // "" for a daemon
	// Daemon is the web server where that alone stands still: who asks it for pages waits, and nobody else. "" for the daemon of the file system.
	Daemon string `json:"daemon,omitempty"`
}

// An Event is something that happened to a node's daemon.
type Event struct {
	Node     string `json:"node"`
	Daemon   string `json:"daemon"` // codasrv, venus, web, agent, proxy
	What     string `json:"what"`   // started, ready, exited, killed, paused, resumed
	Time     Time   `json:"time"`
	Expected bool   `json:"expected"` // a fault or the teardown asked for it
	Detail   string `json:"detail"`   // exit status, last lines of output with a panic
}

// Load counts what a workload's task did, for the question whether the run proved anything.
type Load struct {
	Step   int    `json:"step"`
	Node   string `json:"node"`
	Done   uint64 `json:"done"`   // operations completed
	Missed uint64 `json:"missed"` // operations that should have been started and could not
	Wanted uint64 `json:"wanted"` // the fewest that make the task count

	Begun Time `json:"begun,omitempty"` // when the harness asked for the task; zero where it did not say

	Conflicts []Conflict `json:"conflicts,omitempty"` // those that the task repaired
}

// A Stall is an operation that had not returned when its time was up, seen while the run went on.
type Stall struct {
	Node    string   `json:"node"`
	Worker  uint32   `json:"worker"`
	Kind    Kind     `json:"kind"`
	Path    string   `json:"path"`
	Invoked Time     `json:"invoked"`
	Seen    Time     `json:"seen"`
	Files   []string `json:"files"` // evidence in the run directory
	Saved   Time     `json:"saved"` // when the evidence was, where it was taken for this operation; 0 for one that refers to that of another
}

// An Observation is the state of one node after healing. The last one of each node and source counts.
type Observation struct {
	Node      string     `json:"node"`
	Source    string     `json:"source"` // mount (a client's tree), server (codasrv's own tree)
	Time      Time       `json:"time"`
	Objects   []Object   `json:"objects"`         // sorted by path
	Pending   uint64     `json:"pending"`         // modify-log records of a client
	State     string     `json:"state"`           // of a client's volume
	Conflicts []Conflict `json:"conflicts"`       // local versions that a client keeps
	Problems  []string   `json:"problems"`        // what fsck found on a server
	Error     string     `json:"error"`           // why it could not be observed
	Hung      *HungCall  `json:"hung,omitempty"`  // what ended the observation, if that is what did
	Files     []string   `json:"files,omitempty"` // evidence in the run directory of how the node was, where the nodes did not agree
}

// A HungCall is a call of whoever observed a tree that had not returned when it was left behind.
type HungCall struct {
	Call  string        `json:"call"`  // such as read site/page
	After time.Duration `json:"after"` // in nanoseconds
}

// An Object is one name in an observed tree.
type Object struct {
	Path    string `json:"path"`
	Kind    string `json:"kind"` // file, directory, symlink, conflict
	Mode    uint32 `json:"mode"`
	Length  int64  `json:"length"` // of a directory: 0
	Links   uint32 `json:"links"`  // of a directory: 0, since front ends count differently
	Digest  string `json:"digest"` // SHA-256 of a file's content in hex, or a symlink's text
	Content Nonce  `json:"content"`
	Problem string `json:"problem"`           // what is wrong with the content
	Version string `json:"version,omitempty"` // on a server: its version vector and store id, which all replicas have to agree on
}

// KindConflict is the kind of an object of which a client keeps two versions, instead of showing one. The versions stand below it.
const KindConflict = "conflict"

// Inconsistent is the operation of a conflict between replicas, which servers keep: each has a version of its own.
const Inconsistent = "inconsistent"

// A Conflict is a local version that a client keeps because the server refused it, or the version of a server of what the replicas disagree about.
type Conflict struct {
	Path      string `json:"path"`
	Operation string `json:"operation"`
	Why       string `json:"why"`
	Content   Nonce  `json:"content"`
	OverQuota bool   `json:"overQuota,omitempty"` // what it began with was refused since the volume had no room for it
}

// A Verdict is what a check says of a run.
type Verdict struct {
	Check    string     `json:"check"`
	Result   Result     `json:"result"`
	Summary  string     `json:"summary"`  // one line
	Evidence []Evidence `json:"evidence"` // the fewest that show it, at most 20
	Figures  []Figure   `json:"figures"`
	Expected bool       `json:"expected,omitempty"` // it is a fail, and the scenario expects that
}

// Result is a verdict's value. Merged, the larger wins.
type Result int8

// The results.
const (
	Skipped Result = iota - 1 // the promise is none of this file system's, or nothing that it shows could tell
	Pass
	Undecided
	Fail
)

// Evidence is one thing that shows why a verdict is what it is.
type Evidence struct {
	Text       string      `json:"text"`
	Operations []Operation `json:"operations,omitempty"`
	Faults     []int       `json:"faults,omitempty"` // steps of the faults around it
	Files      []string    `json:"files,omitempty"`  // in the run directory
}

// A Figure is a measured number that a check reports, whatever its result.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
}

// Limits are the bounds of a scenario that checks hold a run against.
type Limits struct {
	Hang     time.Duration `yaml:"hang" json:"hang"`         // the longest that a call may take
	Converge time.Duration `yaml:"converge" json:"converge"` // from healing to equal trees

	// What nothing is held against where it is 0.
	P99     time.Duration `yaml:"p99,omitempty" json:"p99,omitempty"`         // what 99 of 100 calls that no fault hinders may take
	Stall   time.Duration `yaml:"stall,omitempty" json:"stall,omitempty"`     // the longest in which such calls of a client wait and none returns
	Cached  time.Duration `yaml:"cached,omitempty" json:"cached,omitempty"`   // the longest that a client may take for what it has, with every server gone
	Stale   time.Duration `yaml:"stale,omitempty" json:"stale,omitempty"`     // for how long a client that is connected may not see what is on the servers
	Recover time.Duration `yaml:"recover,omitempty" json:"recover,omitempty"` // from the healing of a client's faults until its calls are quick again
}
