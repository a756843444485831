package venusfs

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// mounted is a FUSE mount as the kernel lists it. The list is read without looking at the mount itself, which may hang.
type mounted struct {
	dir        string
	connection uint64 // the name of its directory in fusectl: the minor number of its device
}

// mountsAt gives the FUSE mounts on a directory, the visible one last.
func mountsAt(dir string) ([]mounted, error) {
	dir, err := realDirectory(dir)
	if err != nil {
		return nil, err
	}
	list, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list the mounts: %w", err)
	}
	all, err := parseMounts(list)
	if err != nil {
		return nil, fmt.Errorf("list the mounts: %w", err)
	}
	var at []mounted
	for _, m := range all {
		if m.dir == dir {
			at = append(at, m)
		}
	}
	return at, nil
}

// InMount splits the path of something in a FUSE mount into the mount's directory and the path below it, "" for its root. It looks at nothing
// but the list of mounts; ok is false where the path is in none.
func InMount(path string) (dir, below string, ok bool, err error) {
	if path, err = filepath.Abs(path); err != nil {
		return "", "", false, fmt.Errorf("find %s: %w", path, err)
	}
	list, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", "", false, fmt.Errorf("list the mounts: %w", err)
	}
	all, err := parseMounts(list)
	if err != nil {
		return "", "", false, fmt.Errorf("list the mounts: %w", err)
	}
	for _, m := range all {
		if rest, in := strings.CutPrefix(path+"/", m.dir+"/"); in && len(m.dir) >= len(dir) {
			dir, below, ok = m.dir, strings.TrimSuffix(rest, "/"), true
		}
	}
	return dir, below, ok, nil
}

// realDirectory resolves symbolic links in all of a path but its last element, since looking at that may hang. The last element must not be one.
func realDirectory(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if dir == "/" {
		return dir, nil
	}
	parent, err := filepath.EvalSymlinks(filepath.Dir(dir))
	if err != nil {
		return "", fmt.Errorf("find %s: %w", dir, err)
	}
	return filepath.Join(parent, filepath.Base(dir)), nil
}

// parseMounts finds the FUSE mounts in the text of /proc/self/mountinfo, which proc_pid_mountinfo(5) describes: numbers, device and
// place, then optional fields up to a dash, then the type of file system.
func parseMounts(text []byte) ([]mounted, error) {
	var all []mounted
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		dash := -1
		for i := 6; i < len(fields); i++ {
			if fields[i] == "-" {
				dash = i
				break
			}
		}
		if dash < 0 || dash+1 >= len(fields) {
			return nil, fmt.Errorf("%q is not a line of mountinfo", lines.Text())
		}
		if kind := fields[dash+1]; kind != "fuse" && !strings.HasPrefix(kind, "fuse.") {
			continue
		}
		_, minor, _ := strings.Cut(fields[2], ":")
		connection, err := strconv.ParseUint(minor, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%q is not a line of mountinfo: %w", lines.Text(), err)
		}
		all = append(all, mounted{dir: unescape(fields[4]), connection: connection})
	}
	return all, lines.Err()
}

// unescape undoes the kernel's octal escapes of blanks and backslashes.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
