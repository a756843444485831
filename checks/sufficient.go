package checks

import (
	"cmp"
	"path"
	"slices"

	"github.com/codastress/codastress/harness/history"
)

// How many operations are tried at most beside those that a check has shown, of each kind: a page can be read by everybody all the time.
const (
	mostChanges = 100 // the last before the end of what was shown
	mostLooks   = 50  // the same
	mostLater   = 20  // the first after it
)

// sufficient makes the evidence of a check sufficient: with its operations alone, and what was observed of their names, the check says the same again. Where
// that takes more than the check has shown, such as the write of a content that was seen, the fewest are added that will do. Evidence that no operations
// suffice for, as it is of what did not happen, stays as it is.
func sufficient(check func(*history.Run) history.Verdict) func(*history.Run) history.Verdict {
	return func(run *history.Run) history.Verdict {
		verdict := check(run)
		if verdict.Result != history.Fail {
			return verdict
		}
		for i := range verdict.Evidence {
			if evidence := &verdict.Evidence[i]; len(evidence.Operations) > 0 {
				evidence.Operations = suffice(check, run, *evidence)
			}
		}
		return verdict
	}
}

// suffice are the operations of an evidence, and those that it takes besides.
func suffice(check func(*history.Run) history.Verdict, run *history.Run, evidence history.Evidence) []history.Operation {
	shown, related := withRelated(run, evidence.Operations)
	says := func(more []history.Operation) bool {
		verdict := check(only(run, slices.Concat(shown, more)))
		return verdict.Result == history.Fail &&
			slices.ContainsFunc(verdict.Evidence, func(e history.Evidence) bool { return e.Text == evidence.Text })
	}
	if says(nil) || !says(related) {
		return evidence.Operations
	}
	for i := 0; i < len(related); {
		if fewer := slices.Delete(slices.Clone(related), i, i+1); says(fewer) {
			related = fewer
		} else {
			i++
		}
	}
	all := slices.Concat(shown, related)
	slices.SortStableFunc(all, func(a, b history.Operation) int { return cmp.Compare(a.Invoked, b.Invoked) })
	return all
}

// withRelated finds some operations in the record, each once, and those nearest to their end that have to do with the same names or contents.
func withRelated(run *history.Run, some []history.Operation) (found, related []history.Operation) {
	names, contents := map[string]bool{}, map[history.Nonce]bool{}
	var end history.Time
	for _, op := range some {
		names[op.Path] = true
		names[op.Target] = op.Target != ""
		contents[op.Content] = !op.Content.IsZero()
		end = max(end, op.Invoked, op.Completed, op.Abandoned)
	}
	for i := range run.Observations {
		for _, object := range run.Observations[i].Objects {
			if contents[object.Content] {
				names[object.Path] = true
			}
		}
	}
	operations := run.Operations
	target := func(row *history.Row) string { return operations.Path(operations.Target(row)) }
	for _, row := range operations.Rows() {
		if row.Kind != history.Symlink && names[target(row)] {
			names[operations.Path(row.Path)] = true // where it came from
		}
	}
	var changes, looks, later []history.Operation
	for i, row := range operations.Rows() {
		if !names[operations.Path(row.Path)] && !names[target(row)] && !contents[operations.Nonce(row.Content)] {
			continue
		}
		switch op := operations.At(i); {
		case slices.ContainsFunc(some, func(one history.Operation) bool { return same(&one, &op) }):
			found = append(found, op)
		case op.Invoked > end:
			later = append(later, op)
		case op.Kind.Mutates():
			changes = append(changes, op)
		default:
			looks = append(looks, op)
		}
	}
	return found, slices.Concat(
		looks[max(0, len(looks)-mostLooks):], later[:min(len(later), mostLater)], changes[max(0, len(changes)-mostChanges):],
	)
}

func same(a, b *history.Operation) bool {
	return a.Invoked == b.Invoked && a.Worker == b.Worker && a.Number == b.Number && a.Node == b.Node && a.Kind == b.Kind && a.Path == b.Path
}

// only is a run in which nothing was done but some operations, and nothing observed but their names and contents, and the directories of these.
func only(run *history.Run, operations []history.Operation) *history.Run {
	names, contents := map[string]bool{}, map[history.Nonce]bool{}
	for _, op := range operations {
		contents[op.Content] = !op.Content.IsZero()
		for _, name := range append([]string{op.Path, op.Target}, op.Entries...) {
			for ; name != "" && name != "." && name != "/"; name = path.Dir(name) {
				names[name] = true
			}
		}
	}
	reduced := *run
	reduced.Operations = history.Pack(operations)
	reduced.Observations = slices.Clone(run.Observations)
	for i := range reduced.Observations {
		o := &reduced.Observations[i]
		o.Objects = slices.DeleteFunc(slices.Clone(o.Objects), func(object history.Object) bool { return !names[object.Path] && !contents[object.Content] })
	}
	return &reduced
}
