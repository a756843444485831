package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
)

// An event is one line of `go test -json` (see `go doc test2json`).
type event struct {
	Action     string
	Package    string
	ImportPath string // of build output
	Test       string
	Output     string
	Elapsed    float64
}

// A test is known by its package and its name; the package itself has no name.
type test struct{ pkg, name string }

type skip struct {
	test   test
	reason string
}

// needed tells a skip that comes from what the machine lacks from one that a test decided by itself.
var needed = regexp.MustCompile(`\bneeds\b`)

// slow is from when a test is listed as a slow one.
const slow = 10 * time.Second

type summary struct {
	out            io.Writer
	outputs        map[test]*strings.Builder // of what has not ended yet
	skips          []skip
	slow           []string
	passed, failed int // tests, with their subtests
	packages       int // with tests
	broken         []string
}

func newSummary(out io.Writer) *summary {
	return &summary{out: out, outputs: map[test]*strings.Builder{}}
}

// read takes in events until the end. A line that is no event is the go command speaking: it is passed on.
func (s *summary) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			s.line(line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the output of go test: %w", err)
		}
	}
}

func (s *summary) line(line string) {
	var e event
	if json.Unmarshal([]byte(line), &e) != nil {
		fmt.Fprint(s.out, line)
		return
	}
	key := test{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		fmt.Fprint(s.out, e.Output)
	case "output":
		s.output(key, e.Output)
	case "pass", "fail", "skip":
		s.ended(key, e)
	}
}

func (s *summary) output(key test, text string) {
	if s.outputs[key] == nil {
		s.outputs[key] = &strings.Builder{}
	}
	s.outputs[key].WriteString(text)
}

func (s *summary) ended(key test, e event) {
	output := ""
	if b := s.outputs[key]; b != nil {
		output = b.String()
		delete(s.outputs, key)
	}
	if e.Test == "" {
		s.packageEnded(e, output)
		return
	}
	switch e.Action {
	case "pass":
		s.passed++
	case "fail":
		s.failed++
		fmt.Fprintf(s.out, "FAILED %s %s\n%s\n", e.Package, e.Test, indented(output))
	case "skip":
		s.skips = append(s.skips, skip{key, reason(output)})
	}
	if took := time.Duration(e.Elapsed * float64(time.Second)); took >= slow && !strings.Contains(e.Test, "/") {
		s.slow = append(s.slow, fmt.Sprintf("%s %s: %s", e.Package, e.Test, took.Round(time.Second/10)))
	}
}

// packageEnded prints the package's own line, and everything else it said where it failed: a panic, a data race, a time-out.
func (s *summary) packageEnded(e event, output string) {
	if e.Action == "fail" {
		s.broken = append(s.broken, e.Package)
		for key, b := range s.outputs {
			if key.pkg == e.Package {
				fmt.Fprintf(s.out, "UNFINISHED %s %s\n%s\n", key.pkg, key.name, indented(b.String()))
				delete(s.outputs, key)
			}
		}
		fmt.Fprint(s.out, output)
		return
	}
	for line := range strings.Lines(output) {
		if strings.HasPrefix(line, "ok ") {
			s.packages++
			fmt.Fprint(s.out, line)
		}
	}
}

// finish prints the end of the summary and says whether all is well.
func (s *summary) finish(strict bool) bool {
	lacking, other := s.leftOut()
	s.list("Slow tests:", s.slow)
	s.list("Skipped by the tests' own decision:", other)
	s.list("Left out, since this machine lacks what they need:", lacking)
	s.list("Failed packages:", s.broken)
	fmt.Fprintf(s.out, "\n%d passed, %d failed, %d skipped\n", s.passed, s.failed, len(s.skips))
	if s.packages+len(s.broken) == 0 {
		fmt.Fprintln(s.out, "No package was tested.")
		return false
	}
	if strict && len(lacking) > 0 {
		fmt.Fprintln(s.out, "Nothing may be left out here (CI=true).")
		return false
	}
	return s.failed == 0 && len(s.broken) == 0
}

func (s *summary) leftOut() (lacking, other []string) {
	for _, skip := range s.skips {
		line := fmt.Sprintf("%s %s: %s", skip.test.pkg, skip.test.name, skip.reason)
		if needed.MatchString(skip.reason) {
			lacking = append(lacking, line)
		} else {
			other = append(other, line)
		}
	}
	return lacking, other
}

func (s *summary) list(title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(s.out, "\n%s\n", title)
	for _, line := range lines {
		fmt.Fprintln(s.out, "  "+line)
	}
}

// position is how the testing package begins what a test logged.
var position = regexp.MustCompile(`^\s*[\w./-]+\.go:\d+: `)

// reason is what a skipped test said last.
func reason(output string) string {
	said := "no reason given"
	for line := range strings.Lines(output) {
		if at := position.FindString(line); at != "" {
			said = strings.TrimSpace(line[len(at):])
		}
	}
	return said
}

func indented(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    ")
}
