package mounts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

// A request is what a process is asked to do in a mount, as JSON in its only argument.
type request struct {
	Verb      verb          `json:"verb"`
	Directory string        `json:"directory"`
	Mark      string        `json:"mark,omitempty"`     // the content of the marker
	Patience  time.Duration `json:"patience,omitempty"` // of verbFind
}

type verb string

const (
	verbLook   verb = "look"   // at what is there
	verbMake   verb = "make"   // a directory of a run with a marker
	verbFind   verb = "find"   // them, and write beside the marker
	verbRemove verb = "remove" // the directory with everything in it
)

// An answer is what the process says, as JSON on its standard output.
type answer struct {
	Problem  string   `json:"problem,omitempty"`
	Identity identity `json:"identity"`
}

// An identity tells the directories of a machine apart: the same directory in two mounts has two.
type identity struct {
	Mount  uint64 `json:"mount"`
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
}

// errHangs says that a file system did not answer.
var errHangs = errors.New("it does not answer: a run needs a file system that works when it begins")

// ask has a process do something in a mount, and waits for it for a time. One that does not return is left behind, with the goroutine that waits for
// it: what it waits for cannot be ended from here.
func ask(ctx context.Context, binary string, bound time.Duration, r request) (answer, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return answer{}, fmt.Errorf("writing a request: %w", err)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(binary, "node", "directory", string(text))
	cmd.Stdout, cmd.Stderr, cmd.Dir = &stdout, &stderr, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal's signal ends a removal half-way
	if err := cmd.Start(); err != nil {
		return answer{}, fmt.Errorf("starting a process that looks at %s: %w", r.Directory, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	timer := time.NewTimer(bound)
	defer timer.Stop()
	select {
	case err = <-ended:
	case <-timer.C:
		return answer{}, leave(cmd, r, fmt.Errorf("%w (after %v)", errHangs, bound))
	case <-ctx.Done():
		return answer{}, leave(cmd, r, ctx.Err())
	}
	var a answer
	if unreadable := json.Unmarshal(stdout.Bytes(), &a); err != nil || unreadable != nil {
		return a, fmt.Errorf("looking at %s: %w: %s", r.Directory, errors.Join(err, unreadable), bytes.TrimSpace(stderr.Bytes()))
	}
	if a.Problem != "" {
		return a, errors.New(a.Problem)
	}
	return a, nil
}

// leave leaves a process behind. A removal may go on: it ends by itself.
func leave(cmd *exec.Cmd, r request, why error) error {
	if r.Verb == verbRemove {
		return fmt.Errorf("process %d still removes %s: %w", cmd.Process.Pid, r.Directory, why)
	}
	_ = cmd.Process.Kill() // it ends now, or when the file system answers
	return why
}
