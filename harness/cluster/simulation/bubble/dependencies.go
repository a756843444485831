package bubble

import (
	"io"
	"reflect"
	"time"
)

// dependencies are what package testing asks of the program that `go test` generates: nothing, in a bubble.
type dependencies struct{}

// input is an entry of a corpus, declared exactly as in package testing.
type input = struct {
	Parent     string
	Path       string
	Data       []byte
	Values     []any
	Generation int
	IsSeed     bool
}

func (dependencies) ImportPath() string                          { return "" }
func (dependencies) ModulePath() string                          { return "" }
func (dependencies) MatchString(_, _ string) (bool, error)       { return true, nil }
func (dependencies) SetPanicOnExit0(bool)                        {}
func (dependencies) StartCPUProfile(io.Writer) error             { return errUnused }
func (dependencies) StopCPUProfile()                             {}
func (dependencies) StartTestLog(io.Writer)                      {}
func (dependencies) StopTestLog() error                          { return nil }
func (dependencies) WriteProfileTo(string, io.Writer, int) error { return errUnused }
func (dependencies) RunFuzzWorker(func(input) error) error       { return errUnused }
func (dependencies) ReadCorpus(string, []reflect.Type) ([]input, error) {
	return nil, errUnused
}
func (dependencies) CheckCorpus([]any, []reflect.Type) error { return errUnused }
func (dependencies) ResetCoverage()                          {}
func (dependencies) SnapshotCoverage()                       {}

func (dependencies) CoordinateFuzzing(
	time.Duration, int64, time.Duration, int64, int, []input, []reflect.Type, string, string,
) error {
	return errUnused
}

func (dependencies) InitRuntimeCoverage() (string, func(string, string) (string, error), func() float64) {
	return "", nil, nil
}
