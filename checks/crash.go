package checks

import (
	"fmt"
	"strings"

	"github.com/codastress/codastress/harness/history"
)

// noCrash looks at how daemons ended and at what they said. A daemon may end by itself while its disk fails: going on could lose what it has
// acknowledged. The daemons of the harness are no part of the promise: without them nothing is decided.
func noCrash(run *history.Run) history.Verdict {
	j := judge(run, "no-crash")
	if run.Meta.Foreign() {
		return foreignDaemons(j)
	}
	seen := map[string]bool{} // nodes whose daemon is known to have been there
	failing := failingMachines(run)
	ended := 0
	for i := range run.Events {
		e := &run.Events[i]
		system := e.Daemon == "codasrv" || e.Daemon == "venus"
		if system {
			seen[e.Node] = true
		}
		where := fmt.Sprintf("%s on %s", e.Daemon, e.Node)
		cry := outcry(e.Detail)
		left := e.What == "exited" || e.What == "killed"
		switch {
		case !system && left && !e.Expected:
			j.doubt("%s, which belongs to the harness, ended by itself: %s", where, firstLine(e.Detail))
		case !system:
		case cry != "":
			j.fail(history.Evidence{Text: fmt.Sprintf("%s said: %s", where, cry), Faults: faultsAround(run, e.Time-1, e.Time)})
		case left && !e.Expected && failing[e.Node].Overlap(history.Interval{From: e.Time, To: e.Time + 1}) == 0:
			j.fail(history.Evidence{
				Text: fmt.Sprintf("%s ended by itself: %s", where, firstLine(e.Detail)), Faults: faultsAround(run, e.Time-1, e.Time),
			})
		case left:
			ended++
		}
	}
	for _, nodes := range [][]string{run.Meta.Servers, run.Meta.Clients} {
		for _, node := range nodes {
			if !seen[node] {
				j.doubt("nothing is known of the daemon of %s", node)
			}
		}
	}
	if len(seen) == 0 && j.doubts == 0 {
		j.doubt("nothing is known of any daemon")
	}
	if run.Truncated != "" {
		j.doubt("daemons may have ended later: %s", run.Truncated)
	}
	return j.verdict("%s ended, each because a fault or the teardown ended it", count(ended, "daemon"))
}

// foreignDaemons judges a run on a file system that is not ours: nobody knows its daemons. Those of the harness have to be there all the same.
func foreignDaemons(j *judgement) history.Verdict {
	for i := range j.run.Events {
		if e := &j.run.Events[i]; !e.Expected && (e.What == "exited" || e.What == "killed") {
			j.doubt("%s on %s, which belongs to the harness, ended by itself: %s", e.Daemon, e.Node, firstLine(e.Detail))
		}
	}
	if j.doubts > 0 {
		return j.verdict("")
	}
	return j.skipped("the daemons of the file system are not ours to watch")
}

// failingMachines is when each node was refused by a fault what a daemon cannot do without: its disk, or memory.
func failingMachines(run *history.Run) map[string]history.Intervals {
	return run.CutTimes(func(fault *history.Fault, _ history.Cut) bool {
		return strings.HasPrefix(fault.Name, "failing-disk-") || strings.HasPrefix(fault.Name, "squeeze-memory-")
	})
}

// outcry is the first line of an output that says of a defect in the program itself, in the words of the Go runtime.
func outcry(detail string) string {
	for line := range strings.Lines(detail) {
		line = strings.TrimSpace(line)
		for _, begin := range []string{"panic: ", "fatal error: ", "WARNING: DATA RACE", "runtime: out of memory", "unexpected fault address"} {
			if strings.HasPrefix(line, begin) {
				return line
			}
		}
	}
	return ""
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if line == "" {
		return "no more is known"
	}
	return line
}
