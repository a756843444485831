package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// A Hook is a fault of the user's own: a command that harms a file system that is not ours, and heals it. HookDoc says how it is called.
type Hook struct {
	Command string   // the executable
	Fault   string   // its name, as the command lists it
	All     bool     // it hits all clients at once, and otherwise one of them
	Text    string   // what it is, as the command says
	Mounts  []string // the directories of the clients
}

var _ Fault = Hook{}

// HookDoc says how a hook is called.
const HookDoc = `A command of your own that harms the file system in the mounts, and heals it.

  CMD list                           print the faults that it can inject, one a line: NAME one|all WHAT
                                     with one, a fault hits one client, which the seed chooses; with all, every client
  CMD inject NAME CLIENT...          inject one
  CMD verify injected NAME CLIENT... end with status 0 if it has taken effect, or otherwise say why not
  CMD heal NAME CLIENT...            heal it, also after an injection that failed or was broken off
  CMD verify healed NAME CLIENT...   end with status 0 if it is healed, or otherwise say why not

The clients are client1, client2 and so on, in the order of the mounts. The environment has

  CODASTRESS_MOUNTS                  the directories of these clients, each in a line of its own
  CODASTRESS_STEP, CODASTRESS_SEED   the number of the step in the plan, and a seed for whatever is random about it

An exit status of 0 means success; of what the command prints, the last line is kept as the proof, or as the reason of a failure. A call that takes longer
than ten seconds is ended with SIGKILL, its process group included, and counts as failed; what has to go on has to leave the group. Healing and verifying
are tried again until they succeed, for ten seconds. A fault that is not seen to take effect, or to be healed, makes the run undecided.

The faults of a scenario that the command lists are placed as the scenario says, the others are left out; where none is left, each that it lists is
injected once. While a fault is there, calls of the clients that it hits may hang, and no time counts in which changes must be seen.`

// hookTime bounds one call of a hook.
const hookTime = 10 * time.Second

// hookName is what a fault of a hook may be called.
var hookName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,49}$`)

// ErrHook says that a hook cannot be used.
var ErrHook = errors.New("the fault hook cannot be used")

// Hooks asks a hook for its faults. The error is ErrHook, with what is wrong.
func Hooks(ctx context.Context, command string) ([]Hook, error) {
	path, err := exec.LookPath(command)
	if err != nil {
		return nil, fmt.Errorf("%w: %w: name an executable file, by its path where it is in none of those of PATH", ErrHook, err)
	}
	said, err := call(ctx, path, nil, "list")
	if err != nil {
		return nil, fmt.Errorf("%w: %s list: %w", ErrHook, command, err)
	}
	var all []Hook
	for line := range strings.Lines(said) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
			continue
		case len(fields) < 2 || fields[1] != "one" && fields[1] != "all":
			return nil, fmt.Errorf("%w: %s list printed %q: each line has to be NAME one|all WHAT", ErrHook, command, strings.TrimSpace(line))
		case !hookName.MatchString(fields[0]):
			return nil, fmt.Errorf("%w: %s list printed the name %q: use a-z, 0-9 and -, and at most 50 of them", ErrHook, command, fields[0])
		case slices.ContainsFunc(all, func(h Hook) bool { return h.Fault == fields[0] }):
			return nil, fmt.Errorf("%w: %s list printed %s twice", ErrHook, command, fields[0])
		}
		all = append(all, Hook{Command: path, Fault: fields[0], All: fields[1] == "all", Text: strings.Join(fields[2:], " ")})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: %s list printed no fault: each line has to be NAME one|all WHAT", ErrHook, command)
	}
	return all, nil
}

// Name implements Fault.
func (h Hook) Name() string { return h.Fault }

// Doc implements Fault.
func (h Hook) Doc() string { return h.Text }

// Applies implements Fault.
func (h Hook) Applies(topology Topology) error {
	if len(topology.Mounts) == 0 {
		return fmt.Errorf("%s needs mounts of a file system that is not ours", h.Fault)
	}
	return nil
}

// Targets implements Fault: each client, or all of them.
func (h Hook) Targets(topology Topology) [][]string {
	if h.All {
		return [][]string{slices.Clone(topology.Mounts)}
	}
	return singles(topology.Mounts)
}

// Cuts implements Fault: the clients that it hits may stand still.
func (Hook) Cuts(step history.Step) []history.Cut { return daemonCut(step) }

// Prepare implements Fault.
func (h Hook) Prepare(_ Handles, step history.Step) (*Injection, error) {
	names := cluster.ClientNames(len(h.Mounts))
	var mounts []string
	for _, node := range step.Nodes {
		i := slices.Index(names, node)
		if i < 0 {
			return nil, fmt.Errorf("preparing %s: there is no mount of %s", h.Fault, node)
		}
		mounts = append(mounts, h.Mounts[i])
	}
	environment := []string{
		"CODASTRESS_MOUNTS=" + strings.Join(mounts, "\n"), "CODASTRESS_STEP=" + strconv.Itoa(step.Number),
		"CODASTRESS_SEED=" + strconv.FormatUint(step.Seed, 10),
	}
	return newInjection(h, step, &hooked{Hook: h, nodes: step.Nodes, environment: environment}), nil
}

// hooked is one fault of a hook on its way.
type hooked struct {
	Hook
	nodes       []string
	environment []string
	why         error // healing failed the last time that it was not broken off
}

func (h *hooked) inject(ctx context.Context) error {
	_, err := h.call(ctx, "inject")
	return err
}

func (h *hooked) prove(ctx context.Context) (string, error) { return h.call(ctx, "verify", "injected") }

func (h *hooked) recover(ctx context.Context) error {
	_, err := h.call(ctx, "heal")
	if err == nil || ctx.Err() == nil || h.why == nil {
		h.why = err
	}
	return h.why
}

func (h *hooked) proveRecovered(ctx context.Context) (string, error) {
	return h.call(ctx, "verify", "healed")
}

// call calls the hook for this fault, and gives the last line that it printed.
func (h *hooked) call(ctx context.Context, verb ...string) (string, error) {
	said, err := call(ctx, h.Command, h.environment, slices.Concat(verb, []string{h.Fault}, h.nodes)...)
	if err != nil {
		return "", fmt.Errorf("the hook's %s: %w", strings.Join(verb, " "), err)
	}
	if line := lastLine(said); line != "" {
		return line, nil
	}
	return fmt.Sprintf("the hook's %s ended with status 0", strings.Join(verb, " ")), nil
}

// mostSaid is how much of what a hook prints is looked at.
const mostSaid = 64 << 10

// call runs a command within hookTime, and gives what it printed. With an error, its last line is in it. A command that does not even die is left
// behind, with the goroutine that waits for it: it may have touched a mount that hangs.
func call(ctx context.Context, command string, environment []string, args ...string) (string, error) {
	// What it prints goes to a file: programs that it leaves behind may keep a pipe open for ever.
	output, err := os.CreateTemp("", "codastress-hook")
	if err != nil {
		return "", fmt.Errorf("making a file for what it prints: %w", err)
	}
	defer output.Close() //nolint:errcheck // nothing more is done with it
	if err := os.Remove(output.Name()); err != nil {
		return "", fmt.Errorf("making a file for what it prints: %w", err)
	}
	cmd := exec.Command(command, args...)
	cmd.Env = append(os.Environ(), environment...)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal's interrupt is the harness's, which heals
	if err := cmd.Start(); err != nil {
		return "", err
	}
	ended := make(chan struct{})
	var waiting error // written before ended is closed
	go func() {
		defer close(ended)
		waiting = cmd.Wait()
	}()
	ctx, cancel := context.WithTimeout(ctx, hookTime)
	defer cancel()
	select {
	case <-ended:
		err = waiting
	case <-ctx.Done():
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it may just have ended
		select {
		case <-ended:
		case <-time.After(time.Second):
		}
		err = fmt.Errorf("it did not return: %w", ctx.Err())
	}
	text, reading := io.ReadAll(io.NewSectionReader(output, 0, mostSaid))
	said := string(text)
	if line := lastLine(said); err != nil && line != "" {
		err = fmt.Errorf("%w: %s", err, line)
	}
	return said, errors.Join(err, reading)
}

// lastLine is the last line of a text that says something.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
