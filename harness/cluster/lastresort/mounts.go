package lastresort

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/codastress/codastress/harness/agent/fusemount"
)

// A Connection is a FUSE connection by its name below /sys/fs/fuse/connections.
type Connection string

// Of returns the connections of the FUSE mounts that a process sees at a path or below it. It has to be asked while the process lives, which may have
// a mount namespace of its own, so that nobody else can tell. A process that is not there sees none.
func Of(pid int, path string) ([]Connection, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the mounts of process %d: %w", pid, err)
	}
	return in(string(text), path), nil
}

// in reads the text of mountinfo (proc_pid_mountinfo(5)). The name of a connection is the minor number of the mount's device.
func in(mountinfo, path string) []Connection {
	path = strings.NewReplacer(`\`, `\134`, " ", `\040`, "\t", `\011`, "\n", `\012`).Replace(path)
	var found []Connection
	for line := range strings.Lines(mountinfo) {
		before, after, _ := strings.Cut(line, " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if len(fields) < 5 || len(kind) < 1 {
			continue
		}
		isFUSE := kind[0] == "fuse" || strings.HasPrefix(kind[0], "fuse.")
		within := fields[4] == path || strings.HasPrefix(fields[4], path+"/")
		if _, minor, ok := strings.Cut(fields[2], ":"); ok && isFUSE && within {
			found = append(found, Connection(minor))
		}
	}
	return found
}

// Abort gives an error to everyone who waits for a connection. One that has ended is no error.
func Abort(connection Connection) error { return fusemount.AbortConnection(string(connection)) }
