package workloads

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/codastress/codastress/harness/history"
)

// readStrace reads the output of strace -f, with or without times. A line that it does not understand, such as one of a call that has nothing to do with files, it
// leaves out.
func readStrace(from io.Reader, below string) ([]traced, error) {
	s := &strace{
		below: below, processes: map[string]*tracedProcess{}, waiting: map[string]string{}, calls: pathCalls(),
		head:  regexp.MustCompile(`^(?:\[pid +(\d+)\] +|(\d+) +)?(?:[\d:.]+ +)?(.*)$`),
		whole: regexp.MustCompile(`^(\w+)\((.*)\) += +(-?\d+)(.*)$`),
	}
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		s.line(lines.Text())
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the output of strace: %w", err)
	}
	for _, id := range slices.Sorted(maps.Keys(s.processes)) {
		s.exit(s.processes[id])
	}
	return s.all, nil
}

// strace is the output of strace as far as it was read.
type strace struct {
	below     string
	all       []traced
	processes map[string]*tracedProcess
	waiting   map[string]string // of each process the begin of a call that had not returned
	calls     map[string]pathCall

	head  *regexp.Regexp // what stands before a call: the process, with -f, and a time, with -t or -r; and the rest
	whole *regexp.Regexp // a call with its result
}

// A tracedProcess is a process of a recording.
type tracedProcess struct {
	directory string
	files     map[string]*tracedFile // by their descriptors
}

// A tracedFile is an open file. What a session did is known when the last descriptor of it is closed.
type tracedFile struct {
	path          string
	flags         string
	descriptors   int
	read, written int
	listed        bool
	placed        bool // it was written to or cut at some place
	synced        bool
}

// line takes in a line. A call that was interrupted has two.
func (s *strace) line(line string) {
	parts := s.head.FindStringSubmatch(line)
	if parts == nil {
		return
	}
	id, text := parts[1]+parts[2], parts[3]
	if strings.HasPrefix(text, "+++ ") {
		s.exit(s.process(id))
		return
	}
	if begun, unfinished := strings.CutSuffix(text, " <unfinished ...>"); unfinished {
		s.waiting[id] = begun
		return
	}
	if rest, resumed := strings.CutPrefix(text, "<... "); resumed {
		_, end, _ := strings.Cut(rest, " resumed>")
		text = s.waiting[id] + end
	}
	call := s.whole.FindStringSubmatch(text)
	if call == nil {
		return
	}
	result, err := strconv.Atoi(call[3])
	if err != nil {
		return
	}
	s.call(s.process(id), call[1], splitArguments(call[2]), result)
}

func (s *strace) process(id string) *tracedProcess {
	p := s.processes[id]
	if p == nil {
		p = &tracedProcess{directory: "/", files: map[string]*tracedFile{}}
		s.processes[id] = p
	}
	return p
}

// splitArguments splits the arguments of a call at the commas that are in no string and no brackets.
func splitArguments(text string) (arguments []string) {
	depth, from, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{' || c == '(':
			depth++
		case c == ']' || c == '}' || c == ')':
			depth--
		case c == ',' && depth == 0:
			arguments, from = append(arguments, strings.TrimSpace(text[from:i])), i+1
		}
	}
	return append(arguments, strings.TrimSpace(text[from:]))
}

// A pathCall is a call that does something by a path.
type pathCall struct {
	kind   history.Kind
	at     int  // which argument the path is
	second int  // which the other path is; 0 for none
	base   bool // a descriptor stands before each path
}

func pathCalls() map[string]pathCall {
	return map[string]pathCall{
		"stat": {history.Stat, 0, 0, false}, "lstat": {history.Stat, 0, 0, false}, "access": {history.Stat, 0, 0, false},
		"newfstatat": {history.Stat, 1, 0, true}, "statx": {history.Stat, 1, 0, true}, "faccessat": {history.Stat, 1, 0, true},
		"faccessat2": {history.Stat, 1, 0, true}, "unlink": {history.Remove, 0, 0, false}, "unlinkat": {history.Remove, 1, 0, true},
		"mkdir": {history.MakeDirectory, 0, 0, false}, "mkdirat": {history.MakeDirectory, 1, 0, true}, "rmdir": {history.RemoveDirectory, 0, 0, false},
		"rename": {history.Rename, 0, 1, false}, "renameat": {history.Rename, 1, 3, true}, "renameat2": {history.Rename, 1, 3, true},
		"link": {history.Link, 0, 1, false}, "linkat": {history.Link, 1, 3, true},
		"symlink": {history.Symlink, 1, 0, false}, "symlinkat": {history.Symlink, 2, 0, true},
		"readlink": {history.ReadLink, 0, 0, false}, "readlinkat": {history.ReadLink, 1, 0, true},
		"chmod": {history.SetMode, 0, 0, false}, "fchmodat": {history.SetMode, 1, 0, true},
		"utimensat": {history.SetTime, 1, 0, true}, "utimes": {history.SetTime, 0, 0, false},
	}
}

func (s *strace) call(p *tracedProcess, name string, arguments []string, result int) {
	if known, ok := s.calls[name]; ok && known.at < len(arguments) && arguments[known.at] != "NULL" {
		s.byPath(p, known, name, arguments, result)
		return
	}
	switch name {
	case "open", "openat", "creat":
		s.open(p, name, arguments, result)
	case "chdir":
		if to, ok := p.resolve("", arguments[0]); ok && result == 0 {
			p.directory = to
		}
	case "clone", "clone3", "fork", "vfork":
		s.fork(p, result)
	default:
		s.byDescriptor(p, name, arguments, result)
	}
}

// resolve makes an argument an absolute path. A descriptor may stand before it.
func (p *tracedProcess) resolve(base, argument string) (string, bool) {
	text, err := strconv.Unquote(argument)
	switch {
	case err != nil || text == "":
		return "", false
	case strings.HasPrefix(text, "/"):
		return path.Clean(text), true
	}
	directory := p.directory
	if file := p.files[base]; file != nil {
		directory = file.path
	}
	return path.Join(directory, text), true
}

// place is where the path of a call is, relative to the directory that is meant.
func (s *strace) place(p *tracedProcess, call pathCall, at int, arguments []string) (string, bool) {
	if at >= len(arguments) {
		return "", false
	}
	base := ""
	if call.base {
		base = arguments[at-1]
	}
	absolute, ok := p.resolve(base, arguments[at])
	if !ok {
		return "", false
	}
	return within(absolute, s.below)
}

func (s *strace) byPath(p *tracedProcess, call pathCall, name string, arguments []string, result int) {
	t := traced{kind: call.kind, failed: result < 0}
	if name == "unlinkat" && strings.Contains(arguments[len(arguments)-1], "AT_REMOVEDIR") {
		t.kind = history.RemoveDirectory
	}
	if t.failed { // whatever it was to do, it looked
		t.kind, call.second = history.Stat, 0
	}
	var ok bool
	if t.path, ok = s.place(p, call, call.at, arguments); !ok || t.path == "." {
		return
	}
	if call.second > 0 {
		if t.target, ok = s.place(p, call, call.second, arguments); !ok {
			return
		}
	}
	if t.kind == history.Symlink {
		t.target, _ = strconv.Unquote(arguments[0])
	}
	s.all = append(s.all, t)
}

func (s *strace) open(p *tracedProcess, name string, arguments []string, result int) {
	call := pathCall{base: name == "openat"}
	if call.base {
		call.at = 1
	}
	relative, ok := s.place(p, call, call.at, arguments)
	flags := "O_CREAT|O_WRONLY|O_TRUNC"
	if name != "creat" && len(arguments) > call.at+1 {
		flags = arguments[call.at+1]
	}
	if result < 0 {
		if ok && relative != "." {
			s.all = append(s.all, traced{kind: history.Stat, path: relative, failed: true})
		}
		return
	}
	base := ""
	if call.base {
		base = arguments[0]
	}
	if absolute, ok := p.resolve(base, arguments[call.at]); ok {
		p.files[strconv.Itoa(result)] = &tracedFile{path: absolute, flags: flags, descriptors: 1}
	}
}

// fork lets a child begin with the directory and the files of its parent. Its first calls may have come before.
func (s *strace) fork(p *tracedProcess, child int) {
	if child <= 0 {
		return
	}
	c := s.process(strconv.Itoa(child))
	c.directory = p.directory
	for descriptor, file := range p.files {
		if c.files[descriptor] == nil {
			c.files[descriptor] = file
			file.descriptors++
		}
	}
}

// byDescriptor notes what a call does with an open file.
func (s *strace) byDescriptor(p *tracedProcess, name string, arguments []string, result int) {
	if result < 0 {
		return
	}
	file := p.files[arguments[0]]
	if name == "dup2" || name == "dup3" {
		s.close(p, strconv.Itoa(result)) // of what is copied nothing need be known
	}
	if file == nil {
		return
	}
	switch name {
	case "copy_file_range":
		file.read += result
		if to := p.files[arguments[2]]; to != nil {
			to.written += result
		}
	case "sendfile":
		file.written += result
		if from := p.files[arguments[1]]; from != nil {
			from.read += result
		}
	case "read", "readv", "pread64", "preadv":
		file.read += result
	case "write", "writev":
		file.written += result
	case "pwrite64", "pwritev":
		file.written += result
		file.placed = true
	case "ftruncate":
		file.placed = true
	case "getdents", "getdents64":
		file.listed = true
	case "fsync", "fdatasync":
		file.synced = true
	case "utimensat":
		s.attributes(history.SetTime, file)
	case "fchmod":
		s.attributes(history.SetMode, file)
	case "dup", "dup2", "dup3":
		p.files[strconv.Itoa(result)] = file
		file.descriptors++
	case "fcntl", "fcntl64":
		if strings.HasPrefix(arguments[1], "F_DUPFD") {
			p.files[strconv.Itoa(result)] = file
			file.descriptors++
		}
	case "close":
		s.close(p, arguments[0])
	}
}

// attributes notes that attributes of an open file were set.
func (s *strace) attributes(kind history.Kind, file *tracedFile) {
	if relative, inside := within(file.path, s.below); inside && relative != "." {
		s.all = append(s.all, traced{kind: kind, path: relative})
	}
}

// close ends the session with a file where that was its last descriptor.
func (s *strace) close(p *tracedProcess, descriptor string) {
	file := p.files[descriptor]
	if file == nil {
		return
	}
	delete(p.files, descriptor)
	if file.descriptors--; file.descriptors > 0 {
		return
	}
	relative, inside := within(file.path, s.below)
	if t, ok := file.session(); ok && inside {
		t.path = relative
		s.all = append(s.all, t)
	}
}

// exit closes what a process has open.
func (s *strace) exit(p *tracedProcess) {
	for _, descriptor := range slices.Sorted(maps.Keys(p.files)) {
		s.close(p, descriptor)
	}
}

// session is what was done with a file while it was open, if anything was.
func (f *tracedFile) session() (traced, bool) {
	t := traced{length: f.written, synced: f.synced}
	created := strings.Contains(f.flags, "O_CREAT")
	switch {
	case f.listed:
		t.kind, t.length = history.List, 0
	case strings.Contains(f.flags, "O_APPEND") && f.written > 0:
		t.kind = history.Append
	case strings.Contains(f.flags, "O_TRUNC"), created && strings.Contains(f.flags, "O_EXCL"), created && f.written > 0 && !f.placed && f.read == 0:
		t.kind = history.Write
	case f.written > 0, f.placed:
		t.kind = history.Edit
	case f.read > 0:
		t.kind, t.length = history.Read, f.read
	default:
		return t, false
	}
	return t, true
}
