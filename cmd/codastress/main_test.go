package main

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write the golden parts of the scripts again")

// TestMain lets the scripts run this test binary as codastress.
func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){
		"codastress": func() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

// tests removes what all tests have shared.
type tests struct{ *testing.M }

func (t tests) Run() int {
	status := t.M.Run()
	if workshop != "" {
		_ = os.RemoveAll(workshop) // what is left of it is in the temporary folder
	}
	return status
}

func TestCommandLine(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"status": status, "store": store},
	})
}

// status runs codastress and compares its exit status: status 2 run nothing.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status CODE ARGUMENT...")
	}
	err := ts.Exec("codastress", args[1:]...)
	got := "0"
	if err != nil {
		got = exitCodeOf(err)
	}
	if got != args[0] {
		ts.Fatalf("codastress %v ended with status %s, want %s", args[1:], got, args[0])
	}
}

// exitCodeOf is the exit status in the error of a command that ran.
func exitCodeOf(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return strconv.Itoa(exit.ExitCode())
	}
	return err.Error()
}
