package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/codastress/codastress/harness"
	"github.com/codastress/codastress/harness/cluster/simulation/bubble"
	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/harness/report"
)

// A simulated run has a process of its own, so that nothing of another run is in it: its memory, its runtime's randomness, its end.

// An order is what that process is told, on its standard input. Whoever orders, for a run, a replay or a search, says the same of the same run: what the
// process does besides would show in the order of things.
type order struct {
	Scenario string         `json:"scenario"` // YAML
	Plan     []history.Step `json:"plan"`
	Seed     uint64         `json:"seed"`
	Version  string         `json:"version"`
	Verbose  bool           `json:"verbose"` // say on standard error what the harness and the daemons do; may change the course of things
}

// An answer is what it says when it is done, on its standard output.
type answer struct {
	Problem   problem           `json:"problem,omitempty"`
	Detail    string            `json:"detail,omitempty"` // of the problem
	Verdicts  []history.Verdict `json:"verdicts,omitempty"`
	Simulated time.Duration     `json:"simulated"`
	Exact     bool              `json:"exact"` // the process repeats itself for the same seed
}

// A problem is what kept a simulated run from its end.
type problem string

// The problems.
const (
	problemTask    problem = "task"    // harness.ErrTask
	problemRecord  problem = "record"  // harness.ErrRecord
	problemCluster problem = "cluster" // harness.ErrCluster
	problemOther   problem = "other"
	problemLeft    problem = "left"  // the run ended, and goroutines of daemons stay behind that wait for ever
	problemCrash   problem = "crash" // the process died: a panic in a daemon, which all share
	problemStuck   problem = "stuck" // it took longer than any run does: something is busy without time passing
)

func problemOf(err error) problem {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, harness.ErrRecord):
		return problemRecord
	case errors.Is(err, harness.ErrCluster):
		return problemCluster
	case errors.Is(err, harness.ErrTask):
		return problemTask
	default:
		return problemOther
	}
}

// errBroken says that a simulated run has failed, whatever its checks say of what it recorded.
var errBroken = errors.New("the simulated system broke")

// err is the problem as an error that the harness could have returned, or errBroken.
func (a answer) err() error {
	switch a.Problem {
	case "":
		return nil
	case problemLeft, problemCrash, problemStuck:
		return fmt.Errorf("%w: %s: %s", errBroken, a.Problem, a.Detail)
	case problemTask:
		return fmt.Errorf("%w: %s", harness.ErrTask, a.Detail)
	case problemRecord:
		return fmt.Errorf("%w: %s", harness.ErrRecord, a.Detail)
	default:
		return fmt.Errorf("%w: %s", harness.ErrCluster, a.Detail)
	}
}

const (
	simulationRun  = "run"             // the run directory, below the working directory of the process
	outputFile     = "simulation.log"  // in the run directory: what the process said
	stuckTime      = 10 * time.Minute  // of the machine's time, after which a simulated run counts as stuck
	dyingTime      = 5 * time.Second   // for a process that was asked for its goroutines
	outputMost     = 4 << 20           // bytes of it that are kept
	memoryVariable = "GOMEMLIMIT=4GiB" // a run that needs more than any would is better collected than killed
)

// environmentOfSimulations hides from a new process what is not the same each time. What it learns before its simulation begins lies in its memory, and
// moves all that is allocated later.
func environmentOfSimulations() []string {
	return []string{
		"GOMAXPROCS=1", "GOGC=off", memoryVariable, "GOTRACEBACK=all",
		// With the overlay, stacks begin with a length that few outgrow. Were they shrunk, or begun with what the collector finds to be their average, the
		// goroutines of the runtime itself would move the others'.
		"GODEBUG=gcshrinkstackoff=1,adaptivestackstart=0",
		"PWD=/proc/self/cwd",     // a name of its working directory that is always as long
		"HOST_PROC=/nonexistent", // testcontainers-go looks for its parent among all processes of the machine, through gopsutil, which looks for them here
	}
}

// A cost is what a process took of the machine.
type cost struct {
	memory    int64         // the most that was resident, in bytes
	processor time.Duration // of one, the system's part included
}

// costOf is what a process has taken that has ended.
func costOf(ended *os.ProcessState) cost {
	c := cost{processor: ended.UserTime() + ended.SystemTime()}
	if usage, ok := ended.SysUsage().(*syscall.Rusage); ok {
		c.memory = usage.Maxrss << 10
	}
	return c
}

// simulate has a process carry out an order in a folder, which it makes the run directory in. An error means that there was no such process; what went
// wrong in it is in the answer.
func simulate(ctx context.Context, o order, folder string, stderr io.Writer) (a answer, c cost, err error) {
	text, err := json.Marshal(o)
	if err != nil {
		return a, c, fmt.Errorf("writing the order of a simulation: %w", err)
	}
	executable, err := os.Executable()
	if err != nil {
		return a, c, fmt.Errorf("finding the executable that simulates: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, stuckTime)
	defer cancel()
	var stdout bytes.Buffer
	said := &lastBytes{most: outputMost}
	cmd := exec.CommandContext(ctx, executable, "node", "simulation")
	cmd.Dir = folder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(text), &stdout, io.MultiWriter(said, stderr)
	// The same environment wherever it runs: what differs could show in the order of things.
	cmd.Env = append(environmentOfSimulations(), bubble.SeedVariable+"="+strconv.FormatUint(o.Seed, 10))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) } // so that it says where it is
	cmd.WaitDelay = dyingTime
	// The death of the thread that starts the process counts as the parent's.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	runErr := cmd.Run()
	if cmd.ProcessState == nil {
		return a, c, fmt.Errorf("starting a simulation: %w", runErr)
	}
	c = costOf(cmd.ProcessState)
	if err := json.Unmarshal(stdout.Bytes(), &a); err == nil && runErr == nil {
		return a, c, nil
	}
	if ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return answer{}, c, ctx.Err()
	}
	a = answer{Problem: problemCrash, Detail: outcryOf(said.String())}
	if ctx.Err() != nil {
		a = answer{Problem: problemStuck, Detail: fmt.Sprintf("it did not end in %v", stuckTime)}
	}
	return a, c, saveOutput(folder, said.String())
}

// runSimulated carries out a request in virtual time. The first error is the run's, as harness.Run returns it; the second says that nothing was
// recorded at all.
func runSimulated(ctx context.Context, request harness.Request, verbose bool, stderr io.Writer) (runErr, err error) {
	fmt.Fprintf(stderr, "%s with %d clients, seed %d, in virtual time\n", request.Scenario.Name, request.Scenario.Clients, request.Seed)
	if err := report.Plan(stderr, request.Plan); err != nil {
		return nil, fmt.Errorf("printing the plan: %w", err)
	}
	text, err := request.Scenario.Marshal()
	if err != nil {
		return nil, fmt.Errorf("writing the scenario: %w", err)
	}
	work, err := openWorkplace(filepath.Dir(request.Dir))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, work.close()) }()
	folder, err := work.room()
	if err != nil {
		return nil, err
	}
	a, _, err := simulate(ctx, order{
		Scenario: string(text), Plan: request.Plan, Seed: request.Seed, Version: request.Version, Verbose: verbose,
	}, folder, stderr)
	if err != nil {
		return nil, err
	}
	return a.err(), keep(folder, request.Dir)
}

// compareCourses says whether a simulated run took the course of the stored one that it repeats. Nothing is said where either left no word of its course.
func compareCourses(to io.Writer, stored, again string) {
	was, err := os.ReadFile(filepath.Join(stored, courseFile))
	if err != nil {
		return
	}
	is, err := os.ReadFile(filepath.Join(again, courseFile))
	switch {
	case err != nil:
	case bytes.Equal(was, is):
		fmt.Fprintf(to, "It took the same course as %s, to the last allocation.\n", relative(mustAbs(stored)))
	default:
		fmt.Fprintf(to, "It took another course than %s, as it does with another program, Go version or kind of processor.\n", relative(mustAbs(stored)))
	}
}

// keep gives the run directory that was made in a folder its name.
func keep(folder, dir string) error {
	if _, err := os.Lstat(dir); err == nil {
		return fmt.Errorf("%w: %s exists already: choose another with --dir, or remove it", harness.ErrRunDirectory, dir)
	}
	if err := os.Rename(filepath.Join(folder, simulationRun), dir); err != nil {
		return fmt.Errorf("%w: %w", harness.ErrRunDirectory, err)
	}
	return nil
}

// saveOutput keeps what a process that died had said.
func saveOutput(folder, said string) error {
	dir := filepath.Join(folder, simulationRun)
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, outputFile), []byte(said), 0o644)
	}
	if err != nil {
		return fmt.Errorf("keeping what a simulation said when it died: %w", err)
	}
	return nil
}

// outcryOf is the line of an output that says why the process died.
func outcryOf(said string) string {
	last := "it died without a word"
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return line
		}
		if line != "" {
			last = line
		}
	}
	return last
}

// lastBytes keeps the end of what is written, which is where a process that dies says why.
type lastBytes struct {
	most int
	kept []byte
}

// Write implements io.Writer.
func (l *lastBytes) Write(p []byte) (int, error) {
	l.kept = append(l.kept, p...)
	if over := len(l.kept) - l.most; over > 0 {
		l.kept = l.kept[over:]
	}
	return len(p), nil
}

// String is what was kept.
func (l *lastBytes) String() string { return string(l.kept) }
