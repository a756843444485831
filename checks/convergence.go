package checks

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// convergence compares the last observations of all nodes, and holds the time that it took against Limits.Converge. That time begins when
// the last fault was healed and the last operation had returned. Where a modify log is not empty by then, it says whether that is slow or stuck.
func convergence(run *history.Run) history.Verdict {
	j := judge(run, "convergence")
	if len(run.Observations) == 0 {
		return j.undecided("no tree was observed")
	}
	if missing := unobserved(run); len(missing) > 0 {
		return j.undecided("%s was not observed", summary(missing[0], len(missing)))
	}
	healed, sick := healing(run)
	var seen history.Time
	for i := range run.Observations {
		seen = max(seen, run.Observations[i].Time)
	}
	took := time.Duration(max(0, seen-healed))
	limit := run.Meta.Limits.Converge
	differences := history.Compare(withoutFsck(run.Observations), 1000)
	switch {
	case len(differences) > 0 && sick != "":
		return j.undecided("%s, but %s", summary(differences[0].Text, len(differences)), sick)
	case len(differences) > 0:
		for _, log := range logsSince(run, healed) {
			j.fail(history.Evidence{Text: log.describe()})
		}
		shown := differences[:min(len(differences), mostEvidence)]
		for _, difference := range shown {
			j.fail(history.Evidence{
				Text:       fmt.Sprintf("%s, %v after everything was healed", difference.Text, round(took)),
				Operations: lastChanges(run, difference.Path), Faults: lastFaults(run), Files: filesOf(run, difference.Nodes),
			})
		}
		j.failures += len(differences) - len(shown)
	case limit <= 0:
		return j.undecided("the run has no bound for convergence")
	case took > limit:
		j.fail(history.Evidence{
			Text: fmt.Sprintf("the trees were seen to be equal only %v after everything was healed, and may take %v", round(took), limit),
		})
	}
	j.figure("time to converge", took.Seconds(), "s")
	j.figure("objects", float64(len(run.Observations[0].Objects)), "")
	return j.verdict("%s were seen to be equal %v after everything was healed", count(len(run.Observations), "tree"), round(took))
}

// lastChanges are what each client changed of a name last, in the order in which they ended, or of the nearest directory above it where nobody
// changed the name itself.
func lastChanges(run *history.Run, name string) []history.Operation {
	for ; name != "" && name != "." && name != "/"; name = path.Dir(name) {
		last := map[string]history.Operation{}
		for i, row := range run.Operations.Rows() {
			if !row.Kind.Mutates() || row.Outcome == history.Failed ||
				run.Operations.Path(row.Path) != name && run.Operations.Path(run.Operations.Target(row)) != name {
				continue
			}
			op := run.Operations.At(i)
			if before, known := last[op.Node]; !known || before.Completed != 0 && (op.Completed == 0 || op.Completed > before.Completed) {
				last[op.Node] = op
			}
		}
		if len(last) > 0 {
			return slices.SortedFunc(maps.Values(last), func(a, b history.Operation) int {
				return cmp.Or(cmp.Compare(a.Completed, b.Completed), cmp.Compare(a.Node, b.Node))
			})
		}
	}
	return nil
}

// filesOf are those that were saved as the nodes did not agree, of some nodes first.
func filesOf(run *history.Run, first []string) []string {
	var files, others []string
	for i := range run.Observations {
		if o := &run.Observations[i]; slices.Contains(first, o.Node) {
			files = append(files, o.Files...)
		} else {
			others = append(others, o.Files...)
		}
	}
	return append(files, others...)
}

// unobserved lists the nodes that should have been observed and were not.
func unobserved(run *history.Run) []string {
	var missing []string
	for source, nodes := range map[string][]string{history.SourceMount: run.Meta.Clients, history.SourceServer: run.Meta.Servers} {
		for _, node := range nodes {
			there := slices.ContainsFunc(run.Observations, func(o history.Observation) bool { return o.Node == node && o.Source == source })
			if !there {
				missing = append(missing, node)
			}
		}
	}
	slices.Sort(missing)
	return missing
}

// healing is when everything was healed and quiet, and what is still sick.
func healing(run *history.Run) (since history.Time, sick string) {
	for _, row := range run.Operations.Rows() {
		since = max(since, row.Completed)
	}
	for i := range run.Faults {
		fault := &run.Faults[i]
		since = max(since, fault.Recovered)
		if fault.Injecting != 0 && fault.Recovered == 0 && sick == "" {
			sick = fmt.Sprintf("step %d, %s, was not seen to be healed", fault.Step, fault.Name)
		}
	}
	if run.Truncated != "" && sick == "" {
		sick = run.Truncated
	}
	return since, sick
}

// withoutFsck leaves out what the check sound-server judges.
func withoutFsck(observations []history.Observation) []history.Observation {
	all := slices.Clone(observations)
	for i := range all {
		if all[i].Source == history.SourceServer {
			all[i].Problems = nil
		}
	}
	return all
}

// lastFaults are the steps of the faults that were healed last, at most three.
func lastFaults(run *history.Run) []int {
	faults := slices.Clone(run.Faults)
	slices.SortStableFunc(faults, func(a, b history.Fault) int { return int(b.Recovered - a.Recovered) })
	var steps []int
	for _, fault := range faults[:min(3, len(faults))] {
		steps = append(steps, fault.Step)
	}
	return steps
}
