package fusemount

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// mount is one line of /proc/self/mountinfo (proc_pid_mountinfo(5)).
type mount struct {
	device string // major:minor
	path   string
	kind   string // of the file system: "fuse", "fuse.coda", "ext4"
}

// isFUSE says whether a mount is one that can be aborted.
func (m mount) isFUSE() bool { return m.kind == "fuse" || strings.HasPrefix(m.kind, "fuse.") }

// connection is the name of the mount's connection below fusectl: the device's number, which for a device without major is its minor.
func (m mount) connection() string {
	_, minor, _ := strings.Cut(m.device, ":")
	return minor
}

func mounts() ([]mount, error) {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read
	return parse(file)
}

var errFormat = errors.New("unknown format of mountinfo")

func parse(r io.Reader) ([]mount, error) {
	var all []mount
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		before, after, found := strings.Cut(lines.Text(), " - ")
		fields, kinds := strings.Fields(before), strings.Fields(after)
		if !found || len(fields) < 6 || len(kinds) < 1 {
			return nil, fmt.Errorf("%w: %q", errFormat, lines.Text())
		}
		all = append(all, mount{device: fields[2], path: unescape(fields[4]), kind: kinds[0]})
	}
	return all, lines.Err()
}

// unescape replaces the octal escapes that the kernel writes for spaces, tabs, newlines and backslashes.
func unescape(text string) string {
	var plain strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+3 < len(text) {
			if code, err := strconv.ParseUint(text[i+1:i+4], 8, 8); err == nil {
				plain.WriteByte(byte(code))
				i += 3
				continue
			}
		}
		plain.WriteByte(text[i])
	}
	return plain.String()
}

// realPath resolves the symlinks in a path but for its last element, which may be a dead mount.
func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	folder, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	return filepath.Join(folder, filepath.Base(path)), nil
}

// at returns the mounts of any kind that are at a path, the topmost last.
func at(path string) ([]mount, error) {
	path, err := realPath(path)
	if err != nil {
		return nil, err
	}
	all, err := mounts()
	if err != nil {
		return nil, err
	}
	var here []mount
	for _, m := range all {
		if m.path == path {
			here = append(here, m)
		}
	}
	return here, nil
}

// Mounted says whether something is mounted at a path.
func Mounted(path string) (bool, error) {
	here, err := at(path)
	return len(here) > 0, err
}

// Under returns where something is mounted at or below a folder.
func Under(folder string) ([]string, error) {
	folder, err := realPath(folder)
	if err != nil {
		return nil, err
	}
	all, err := mounts()
	if err != nil {
		return nil, err
	}
	var found []string
	for _, m := range all {
		if m.path == folder || strings.HasPrefix(m.path, folder+"/") {
			found = append(found, m.path)
		}
	}
	return found, nil
}
