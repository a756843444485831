package checks

import (
	"fmt"

	"github.com/codastress/codastress/harness/history"
)

// soundServer looks at what fsck found on the servers after the run.
func soundServer(run *history.Run) history.Verdict {
	j := judge(run, "sound-server")
	if run.Meta.Foreign() {
		return j.skipped("the servers of the file system are not ours to look into")
	}
	looked := map[string]bool{}
	for i := range run.Observations {
		o := &run.Observations[i]
		if o.Source != history.SourceServer {
			continue
		}
		looked[o.Node] = true
		for _, problem := range o.Problems {
			j.fail(history.Evidence{Text: fmt.Sprintf("fsck on %s: %s", o.Node, problem), Faults: faultsOf(run, o.Node)})
		}
		if o.Error != "" {
			j.doubt("%s could not be looked at: %s", o.Node, o.Error)
		}
	}
	for _, server := range run.Meta.Servers {
		if !looked[server] {
			j.doubt("%s was not looked at", server)
		}
	}
	if len(looked) == 0 && j.doubts == 0 {
		j.doubt("no server was looked at")
	}
	return j.verdict("fsck found nothing on %s", count(len(looked), "server"))
}

// faultsOf are the steps of the faults that kept a node's daemon from working.
func faultsOf(run *history.Run, node string) []int {
	var steps []int
	for i := range run.Faults {
		for _, cut := range run.Faults[i].Cuts {
			if cut.Node == node && cut.Stops(history.Read) {
				steps = append(steps, run.Faults[i].Step)
				break
			}
		}
	}
	return steps
}
