package main

import (
	"context"
	"errors"
	"strings"

	"github.com/codastress/codastress/harness"
	"github.com/codastress/codastress/harness/history"
)

// The exit statuses (DESIGN.md section 8).
const (
	exitPass        = 0
	exitFail        = 1
	exitUsage       = 2
	exitCluster     = 3
	exitUndecided   = 4
	exitDisk        = 5 // of codasrv and venus
	exitInterrupted = 130
)

const exitHelp = `Exit status:
  0    every check passed
  1    a check failed, or a symptom that the scenario expects did not show up
  2    wrong usage or scenario
  3    the cluster could not be started or was lost
  4    undecided: the run proved too little
  130  interrupted, after a clean teardown`

// errSaid marks an error that the user has read about already, in the summary of a run.
var errSaid = errors.New("said")

// A usageError is the user's to mend.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// A verdictError carries the overall result of a run that was not a pass.
type verdictError struct{ result history.Result }

func (e verdictError) Error() string { return "the run's verdict: " + e.result.String() }

func (e verdictError) Is(target error) bool { return target == errSaid }

// An endedError is why a run ended before its time. What the nodes said of it stands below the line that says so.
type endedError struct {
	err error
	dir string
}

func (e endedError) Error() string {
	reason, details, more := strings.Cut(e.err.Error(), "\n")
	text := reason + ": what was recorded until then is in " + e.dir
	if more {
		text += "\n" + details
	}
	return text
}

func (e endedError) Unwrap() error { return e.err }

// verdictOf turns the overall result of a run into what its command returns.
func verdictOf(result history.Result) error {
	if result == history.Pass {
		return nil
	}
	return verdictError{result}
}

func exitStatus(err error) int {
	var usage usageError
	var verdict verdictError
	switch {
	case err == nil:
		return exitPass
	case errors.As(err, &verdict) && verdict.result == history.Fail, errors.Is(err, errBroken):
		return exitFail
	case errors.As(err, &verdict):
		return exitUndecided
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &usage), errors.Is(err, harness.ErrRunDirectory):
		return exitUsage
	case errors.Is(err, harness.ErrRecord), errors.Is(err, errReport):
		return exitUndecided
	default:
		return exitCluster
	}
}
