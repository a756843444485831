package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/cluster/containers"
)

// workshop is where what the end-to-end tests build and share is, "" until something is built.
var workshop string

var openWorkshop = sync.OnceValue(func() (err error) {
	workshop, err = os.MkdirTemp("", "ct-program")
	return err
})

// program is codastress, built statically from this tree, once.
var program = sync.OnceValues(func() (string, error) {
	if err := openWorkshop(); err != nil {
		return "", err
	}
	return build(filepath.Join(workshop, "codastress"), nil)
})

// seeded is the overlay that gives the Go runtime of the program its seed, as files by what they take the place of: empty where the overlay does
// not fit the version of Go.
var seeded = sync.OnceValues(func() (map[string]string, error) {
	if err := openWorkshop(); err != nil {
		return nil, err
	}
	folder := filepath.Join(workshop, "overlay")
	if output, err := exec.Command("go", "run", "../../scripts/overlay", "-optional", folder).CombinedOutput(); err != nil {
		return nil, &buildError{string(output), err}
	}
	text, err := os.ReadFile(filepath.Join(folder, "overlay.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]string{}, nil
	}
	var overlay struct{ Replace map[string]string }
	if err == nil {
		err = json.Unmarshal(text, &overlay)
	}
	return overlay.Replace, err
})

// build builds codastress as `make build` does, with other files in the place of some.
func build(executable string, replace map[string]string) (string, error) {
	overlay, err := seeded()
	if err != nil {
		return executable, err
	}
	args := []string{"build", "-trimpath", "-o", executable}
	if len(overlay) > 0 {
		args = append(args, "-tags=runtimeseed")
	}
	all := maps.Clone(overlay)
	maps.Copy(all, replace)
	text, err := json.Marshal(map[string]any{"Replace": all})
	if err == nil {
		err = os.WriteFile(executable+".overlay", text, 0o644)
	}
	if err != nil {
		return executable, err
	}
	cmd := exec.Command("go", append(args, "-overlay", executable+".overlay", ".")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	output, err := cmd.CombinedOutput()
	if err != nil {
		err = &buildError{string(output), err}
	}
	return executable, err
}

type buildError struct {
	output string
	err    error
}

func (e *buildError) Error() string { return "building codastress: " + e.err.Error() + "\n" + e.output }

func clean(t *testing.T) string {
	t.Helper()
	executable, err := program()
	require.NoError(t, err)
	return executable
}

// sweepTime is how long after the end of its harness, however that came, a run may still have something outside its run directory.
const sweepTime = 10 * time.Second

// ground gives a test a temporary folder of its own for all that its runs make outside their run directories, and sees to it that they leave
// nothing there, nor a process, mount, container or network. It returns a folder for the run directories.
func ground(t *testing.T) string {
	t.Helper()
	clean(t) // the program is to outlive the folder
	runs := t.TempDir()
	temporary, err := os.MkdirTemp("", "ct") //nolint:usetesting // sockets in it may not have longer names than the kernel takes
	require.NoError(t, err)
	t.Setenv("TMPDIR", temporary)
	t.Cleanup(func() {
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			require.Empty(c, leftovers(t, temporary))
		}, sweepTime, 200*time.Millisecond)
		require.NoError(t, os.RemoveAll(temporary))
	})
	return runs
}

// leftovers is what runs have left whose temporary folder is the given one.
func leftovers(t require.TestingT, temporary string) []string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	found, err := cluster.Leftovers(ctx, sweepers()...)
	require.NoError(t, err)
	var texts []string
	for _, one := range found {
		if strings.HasPrefix(one.Lock, temporary+"/") {
			texts = append(texts, one.String())
		}
	}
	entries, err := os.ReadDir(temporary)
	require.NoError(t, err)
	for _, entry := range entries {
		texts = append(texts, filepath.Join(temporary, entry.Name()))
	}
	return texts
}

// runBound ends a codastress that does not end by itself.
const runBound = 2 * time.Minute

// An invocation is a codastress process. Its output may be read when it has ended.
type invocation struct {
	cmd    *exec.Cmd
	stdout output
	stderr output
	ended  chan struct{}
}

// output collects what a process writes, for who reads it meanwhile.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(piece []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(piece)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// begin starts a program. It is killed when the test ends, if it has not ended by then.
func begin(t *testing.T, name string, args ...string) *invocation {
	t.Helper()
	i := &invocation{cmd: exec.Command(name, args...), ended: make(chan struct{})}
	i.cmd.Stdout, i.cmd.Stderr = &i.stdout, &i.stderr
	require.NoError(t, i.cmd.Start())
	go func() {
		defer close(i.ended)
		_ = i.cmd.Wait() // the status is looked at later
	}()
	t.Cleanup(func() {
		_ = i.cmd.Process.Kill() // it has ended, but for a test that has failed
		<-i.ended
	})
	return i
}

// wait waits for the end and returns the exit status, -1 of a program that a signal ended.
func (i *invocation) wait(t *testing.T, bound time.Duration) int {
	t.Helper()
	select {
	case <-i.ended:
	case <-time.After(bound):
		_ = i.cmd.Process.Signal(syscall.SIGQUIT) // so that it says where it is stuck
		select {
		case <-i.ended:
		case <-time.After(5 * time.Second):
		}
		require.FailNow(t, "codastress did not end in time", "%v in %v\n%s", i.cmd.Args, bound, i.said())
	}
	return i.cmd.ProcessState.ExitCode()
}

// said is all that a program wrote, for the messages of tests.
func (i *invocation) said() string { return i.stdout.String() + i.stderr.String() }

// codastress runs a program to its end, and wants an exit status.
func codastress(t *testing.T, status int, executable string, args ...string) *invocation {
	t.Helper()
	return codastressWithin(t, runBound, status, executable, args...)
}

// codastressWithin is codastress with another bound than that of one run.
func codastressWithin(t *testing.T, bound time.Duration, status int, executable string, args ...string) *invocation {
	t.Helper()
	i := begin(t, executable, args...)
	require.Equal(t, status, i.wait(t, bound), "the exit status of codastress %v\n%s", args, i.said())
	return i
}

// complaint is the one line in which codastress says why it ended. Only details may follow.
func (i *invocation) complaint(t *testing.T) string {
	t.Helper()
	before, complaint, found := strings.Cut("\n"+i.stderr.String(), "\ncodastress: ")
	require.True(t, found, "it does not say why it ended:\n%s", before)
	complaint, details, _ := strings.Cut(complaint, "\n")
	for line := range strings.Lines(details) {
		require.True(t, strings.HasPrefix(line, "    "), "it says why it ended in more than one line:\n%s", i.stderr.String())
	}
	return complaint
}

// runtimes are the runtimes that can be tested on this machine.
func runtimes(t *testing.T) []string {
	t.Helper()
	names := []string{"processes"}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := containers.New().Available(ctx); err != nil {
		t.Run("containers", func(t *testing.T) { t.Skipf("needs a container engine: %v", err) })
		return names
	}
	return append(names, "containers")
}

// exists says whether a file is there.
func exists(t *testing.T, path string) bool {
	t.Helper()
	_, err := os.Stat(path)
	if err != nil {
		require.ErrorIs(t, err, fs.ErrNotExist)
	}
	return err == nil
}
