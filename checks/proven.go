package checks

import (
	"slices"

	"github.com/codastress/codastress/harness/history"
)

// mostMissed is the share of operations that may have been missed: more, and the load was another than was asked for. A client whose daemon
// is down misses some.
const mostMissed = 1. / 3

// proven says whether the run proved anything. It never fails a run: nothing that it looks at is the file system's doing alone.
func proven(run *history.Run) history.Verdict {
	j := judge(run, "proven")
	if problem := notWhole(run); problem != "" {
		j.doubt("%s", problem)
	}
	faults := j.faults()
	done, missed := j.loads()
	j.figure("faults", float64(faults), "")
	j.figure("operations", float64(run.Operations.Len()), "")
	j.figure("missed", float64(missed), "operations")
	return j.verdict("%s took effect and were healed, and %s were done", count(faults, "fault"), count(int(done), "operation"))
}

// faults looks whether each planned fault was there, while something was done.
func (j *judgement) faults() int {
	records := map[int]*history.Fault{}
	for i := range j.run.Faults {
		records[j.run.Faults[i].Step] = &j.run.Faults[i]
	}
	for i := range j.run.Plan {
		step := &j.run.Plan[i]
		if step.Kind == "fault" && records[step.Number] == nil {
			j.doubt("step %d, %s, was not carried out", step.Number, step.Name)
		}
	}
	begun := invocations(j.run)
	for i := range j.run.Faults {
		fault := &j.run.Faults[i]
		switch {
		case fault.Problem != "":
			j.doubt("step %d, %s: %s", fault.Step, fault.Name, fault.Problem)
		case fault.Proven == 0:
			j.doubt("step %d, %s, was not seen to take effect", fault.Step, fault.Name)
		case fault.Recovered == 0:
			j.doubt("step %d, %s, was not seen to be healed", fault.Step, fault.Name)
		case !anyWithin(begun, fault.Injecting, fault.Recovered):
			j.doubt("nothing was done while step %d, %s, was there", fault.Step, fault.Name)
		}
	}
	return len(j.run.Faults)
}

// invocations are the times at which operations began, in order.
func invocations(run *history.Run) []history.Time {
	if len(run.Faults) == 0 {
		return nil
	}
	begun := make([]history.Time, 0, run.Operations.Len())
	for _, row := range run.Operations.Rows() {
		begun = append(begun, row.Invoked)
	}
	slices.Sort(begun)
	return begun
}

func anyWithin(sorted []history.Time, from, to history.Time) bool {
	i, _ := slices.BinarySearch(sorted, from)
	return i < len(sorted) && sorted[i] <= to
}

// loads looks whether each planned task did enough.
func (j *judgement) loads() (done, missed uint64) {
	type task struct {
		step int
		node string
	}
	records := map[task]bool{}
	for _, load := range j.run.Loads {
		records[task{load.Step, load.Node}] = true
		done, missed = done+load.Done, missed+load.Missed
		if load.Done < load.Wanted {
			j.doubt("step %d on %s did %d operations, and at least %d were wanted", load.Step, load.Node, load.Done, load.Wanted)
		}
		if float64(load.Missed) > mostMissed*float64(load.Done+load.Missed) {
			j.doubt("step %d on %s missed %d operations and did %d", load.Step, load.Node, load.Missed, load.Done)
		}
	}
	for i := range j.run.Plan {
		step := &j.run.Plan[i]
		if step.Kind != "workload" {
			continue
		}
		for _, node := range step.Nodes {
			if !records[task{step.Number, node}] {
				j.doubt("step %d, %s %s, was not carried out on %s", step.Number, step.Name, step.Task, node)
			}
		}
	}
	return done, missed
}
