package harness

import (
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/codastress/codastress/harness/history"
)

// Judge lets every check look at a run, side by side. A check that panics is undecided: that is no word on the system.
func Judge(run *history.Run, checks []Check) []history.Verdict {
	verdicts := make([]history.Verdict, len(checks))
	var all sync.WaitGroup
	for i, check := range checks {
		all.Go(func() { verdicts[i] = judgeOne(run, check) })
	}
	all.Wait()
	return verdicts
}

func judgeOne(run *history.Run, check Check) (verdict history.Verdict) {
	defer func() {
		if problem := recover(); problem != nil {
			verdict = history.Verdict{
				Check:    check.Name,
				Result:   history.Undecided,
				Summary:  fmt.Sprintf("the check itself broke: %v", problem),
				Evidence: []history.Evidence{{Text: string(debug.Stack())}},
			}
		}
	}()
	verdict = check.Run(run)
	verdict.Check = check.Name
	return verdict
}
