package processes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/cluster/lastresort"
)

// process is a process of a run, as /proc shows it.
type process struct {
	pid   int
	born  string // its start in clock ticks since boot: with the number it names one process for ever
	runID string
	lock  string
	name  string
}

// processesOfRuns finds the processes that carry the name of a run in their environment, but for those of containers, which have numbers of
// their own: they are the engine's to end.
func processesOfRuns() ([]process, error) {
	all, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("looking for processes: %w", err)
	}
	numbers, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return nil, fmt.Errorf("looking for processes: %w", err)
	}
	var found []process
	for _, entry := range all {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		p, ok := ofRun(pid)
		if !ok {
			continue
		}
		if own, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid)); err == nil && own == numbers {
			found = append(found, p)
		}
	}
	return found, nil
}

// ofRun reads the marks of a run. A process that is a zombie has none any more.
func ofRun(pid int) (process, bool) {
	environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil || !bytes.Contains(environment, []byte(cluster.RunVariable+"=")) {
		return process{}, false
	}
	p := process{pid: pid, name: fmt.Sprint(pid)}
	for variable := range strings.SplitSeq(string(environment), "\x00") {
		name, value, _ := strings.Cut(variable, "=")
		switch name {
		case cluster.RunVariable:
			p.runID = value
		case cluster.LockVariable:
			p.lock = value
		}
	}
	born, state, ok := status(pid)
	if !ok || state == 'Z' || p.runID == "" {
		return process{}, false
	}
	p.born = born
	if arguments, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil {
		p.name = fmt.Sprintf("%d (%s)", pid, describe(arguments))
	}
	return p, true
}

// describe is the beginning of a command line, for people.
func describe(arguments []byte) string {
	words := strings.Split(strings.TrimRight(string(arguments), "\x00"), "\x00")
	words[0] = filepath.Base(words[0])
	return strings.Join(words[:min(3, len(words))], " ")
}

// status reads the start and the state of a process. The program's name in the line may contain anything, so it is skipped.
func status(pid int) (born string, state byte, ok bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0, false
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 20 {
		return "", 0, false
	}
	return fields[19], fields[0][0], true // the third and the 22nd field of proc_pid_stat(5)
}

// gone says whether the process has ended. A zombie has.
func (p process) gone() bool {
	born, state, ok := status(p.pid)
	return !ok || born != p.born || state == 'Z'
}

// signal sends a signal to the process and to no other that got its number.
func (p process) signal(signal unix.Signal) error {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sending %v to process %s: %w", signal, p.name, err)
	}
	defer unix.Close(fd) //nolint:errcheck // nothing is written
	if p.gone() {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, signal, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("sending %v to process %s: %w", signal, p.name, err)
	}
	return nil
}

// waitingTime is how long a killed process may take before the FUSE file systems that it may be waiting for are aborted.
const waitingTime = 500 * time.Millisecond

// killUntilGone kills what find finds, until it finds nothing. A process that waits for a FUSE file system does not die before that answers; if it does
// not, its connection is aborted.
func killUntilGone(ctx context.Context, find func() ([]process, error)) error {
	began := time.Now()
	for {
		found, err := find()
		found = slices.DeleteFunc(found, process.gone)
		if err != nil || len(found) == 0 {
			return err
		}
		var errs []error
		for _, p := range found {
			errs = append(errs, p.signal(unix.SIGKILL))
			if time.Since(began) > waitingTime {
				errs = append(errs, p.free())
			}
		}
		select {
		case <-time.After(killPause):
		case <-ctx.Done():
			return errors.Join(append(errs, fmt.Errorf("killing %s: %w", names(found), ctx.Err()))...)
		}
	}
}

// free aborts the FUSE mounts in the run's folder that the process may be waiting for.
func (p process) free() error {
	if p.lock == "" {
		return nil
	}
	mounted, err := lastresort.Of(p.pid, filepath.Dir(p.lock))
	errs := []error{err}
	for _, connection := range mounted {
		errs = append(errs, lastresort.Abort(connection))
	}
	return errors.Join(errs...)
}

func names(all []process) string {
	var words []string
	for _, p := range all {
		words = append(words, p.name)
	}
	return strings.Join(words, ", ")
}

// descendants returns a process of the run with this lock, and all that descend from it.
func descendants(pid int, lock string) []process {
	children := map[int][]int{}
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		if child, err := strconv.Atoi(entry.Name()); err == nil {
			parent := parentOf(child)
			children[parent] = append(children[parent], child)
		}
	}
	var all []process
	for queue := []int{pid}; len(queue) > 0; queue = queue[1:] {
		if born, _, ok := status(queue[0]); ok {
			all = append(all, process{pid: queue[0], born: born, lock: lock, name: strconv.Itoa(queue[0])})
		}
		queue = append(queue, children[queue[0]]...)
	}
	return all
}

func parentOf(pid int) int {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		return 0
	}
	return parent
}
