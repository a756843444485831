package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// JanitorVariable is the environment variable that tells the janitor which run it is for.
const JanitorVariable = "CODASTRESS_JANITOR"

// dismissal is what a harness writes that has left nothing.
const dismissal = "done\n"

// The bounds of the janitor.
const (
	orderlyTime   = 2 * time.Second         // for the nodes to clear themselves
	janitorTime   = time.Minute             // for everything, also for the engine to come back
	settledTime   = 1500 * time.Millisecond // without anything: a request to the engine may still have been on its way
	lookTime      = 10 * time.Second        // for one look and the removal of what it found: an engine may stand still, and go on later
	janitorPause  = 200 * time.Millisecond
	dismissalTime = time.Second
)

// janitorConfig is the value of JanitorVariable.
type janitorConfig struct {
	RunID  string `json:"run"`
	Driver string `json:"driver"`
}

// Janitor is the janitor's whole life, for the command `codastress node janitor`: it reads from the harness until that has ended, however it
// ended. If it was not dismissed it waits a moment for the nodes to clear themselves, and removes what the run has left. config is the value of
// JanitorVariable.
func Janitor(ctx context.Context, from io.Reader, config string, log *slog.Logger, sweepers ...Sweeper) error {
	// What ends the harness must not end the janitor: it stays until the pipe is closed, and not for long after that.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	var of janitorConfig
	if err := json.Unmarshal([]byte(config), &of); err != nil {
		return fmt.Errorf("reading %s: %w", JanitorVariable, err)
	}
	if of.RunID == "" {
		return fmt.Errorf("reading %s: it names no run", JanitorVariable)
	}
	heard, err := io.ReadAll(from)
	if err == nil && string(heard) == dismissal {
		return nil
	}
	log.Info("the harness has ended without its nodes", "run", of.RunID, "heard", string(heard), "error", err)
	ctx, cancel := context.WithTimeout(ctx, janitorTime)
	defer cancel()
	sweepers = slices.DeleteFunc(slices.Clone(sweepers), func(s Sweeper) bool { return s.Name() != of.Driver })
	return tidy(ctx, of.RunID, log, sweepers)
}

// tidy removes what a run has until nothing is left, and nothing more appears.
func tidy(ctx context.Context, runID string, log *slog.Logger, sweepers []Sweeper) error {
	orderly := time.Now().Add(orderlyTime)
	var settled time.Time // since when nothing was seen
	for {
		found, err := tidyOnce(ctx, runID, log, time.Now().After(orderly), sweepers)
		switch {
		case len(found) > 0 || err != nil:
			settled = time.Time{}
		case settled.IsZero():
			settled = time.Now()
		case time.Since(settled) > settledTime:
			return nil
		}
		if err != nil {
			log.Warn("something could not be removed", "error", err)
		}
		select {
		case <-time.After(janitorPause):
		case <-ctx.Done():
			return fmt.Errorf("tidying up after run %s: %w: still there: %v", runID, ctx.Err(), found)
		}
	}
}

// tidyOnce looks for what a run has and removes it, at first only what will not go away by itself: a folder alone.
func tidyOnce(ctx context.Context, runID string, log *slog.Logger, all bool, sweepers []Sweeper) ([]Leftover, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	found, finding := LeftoversOf(ctx, runID, sweepers...)
	if len(found) == 0 || !all && !onlyFolders(found) {
		return found, finding
	}
	log.Info("removing what is left", "what", fmt.Sprint(found))
	return found, errors.Join(finding, remove(ctx, sweepers, found))
}

func onlyFolders(what []Leftover) bool {
	return !slices.ContainsFunc(what, func(one Leftover) bool { return one.Kind != kindFolder })
}

// janitor is the harness's end of the pipe to its janitor.
type janitor struct {
	process *exec.Cmd
	pipe    *os.File
	ended   chan struct{}
}

// hireJanitor starts the janitor of a run. It is in a session of its own, so that no terminal's signal reaches it.
func hireJanitor(spec Spec, driver string) (*janitor, error) {
	config, err := json.Marshal(janitorConfig{RunID: spec.RunID, Driver: driver})
	if err != nil {
		return nil, fmt.Errorf("writing the janitor's configuration: %w", err)
	}
	folder := filepath.Join(spec.Dir, nodesFolder, "janitor")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("making the janitor's folder: %w", err)
	}
	output, err := os.Create(filepath.Join(folder, "janitor.log"))
	if err != nil {
		return nil, fmt.Errorf("making the janitor's log: %w", err)
	}
	defer output.Close() //nolint:errcheck // the janitor has its own descriptor
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making the janitor's pipe: %w", err)
	}
	defer reader.Close() //nolint:errcheck // likewise
	process := exec.Command(spec.Binary, "node", "janitor")
	process.Env = append(os.Environ(), JanitorVariable+"="+string(config))
	process.Stdin, process.Stdout, process.Stderr, process.Dir = reader, output, output, "/"
	process.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := process.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the janitor: %w", err), writer.Close())
	}
	hired := &janitor{process: process, pipe: writer, ended: make(chan struct{})}
	go func() {
		defer close(hired.ended)
		_ = process.Wait() // its log says what went wrong
	}()
	return hired, nil
}

// dismiss lets the janitor go, since nothing is left.
func (j *janitor) dismiss() error {
	_, writing := io.WriteString(j.pipe, dismissal)
	closing := j.pipe.Close()
	select {
	case <-j.ended:
		return nil // also if it had gone before
	case <-time.After(dismissalTime):
		return errors.Join(errors.New("the janitor does not go"), writing, closing, j.process.Process.Kill())
	}
}

// leave lets the janitor remove what is left, while the harness goes on.
func (j *janitor) leave() error { return j.pipe.Close() }
