package report

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/codastress/codastress/harness/history"
)

// Options say how a summary is printed.
type Options struct {
	Color bool
	Width int // in letters, at which lines are wrapped; 0 wraps none
}

const (
	mostEvidence   = 3 // of a check, in the summary
	mostOperations = 4 // of one piece of evidence
	mostTold       = 4 // of the events around it
	labelWidth     = 11
)

// Terminal prints the summary of a run: the verdict first, a line for each check, and what a person needs to go on.
func Terminal(w io.Writer, result Result, options Options) error {
	f := result.findings()
	t := &terminal{findings: f, options: options}
	t.line(0, "%s  %s, seed %d: %s", t.colored(f.overall, strings.ToUpper(f.overall.String())), f.Run.Meta.Scenario, f.Run.Meta.Seed, f.setting())
	t.line(0, "")
	t.checks()
	t.line(0, "")
	t.figures()
	t.line(0, "")
	t.label("Seed", fmt.Sprint(f.Run.Meta.Seed))
	t.label("Run", f.Dir)
	t.label("Again", f.replay())
	if _, err := io.WriteString(w, t.text.String()); err != nil {
		return fmt.Errorf("printing the summary: %w", err)
	}
	return nil
}

type terminal struct {
	*findings
	options Options
	text    strings.Builder
}

func (t *terminal) checks() {
	widest := 0
	for _, verdict := range t.verdicts {
		widest = max(widest, len(verdict.Check))
	}
	for _, verdict := range t.verdicts {
		mark := fmt.Sprintf("%-9s", word(verdict))
		head := fmt.Sprintf("  %s  %-*s  ", t.colored(verdict.Result, mark), widest, verdict.Check)
		t.wrapped(head, 2+9+2+widest+2, verdict.Summary)
		if verdict.Result > history.Pass {
			t.evidence(verdict)
		}
	}
}

func (t *terminal) evidence(verdict history.Verdict) {
	all := verdict.Evidence
	var told []string
	for i, evidence := range all {
		if i == mostEvidence {
			t.line(13, "and %d more in report.html", len(all)-i)
			return
		}
		t.wrapped("", 13, evidence.Text)
		for j, op := range evidence.Operations {
			if j == mostOperations {
				t.line(15, "and %d more", len(evidence.Operations)-j)
				break
			}
			t.wrapped("", 15, t.operation(op))
		}
		for _, number := range evidence.Faults {
			t.line(15, "during %s", t.faultText(number))
		}
		if lines := t.lines(t.around(verdict, evidence), mostTold); !slices.Equal(lines, told) {
			for _, line := range lines {
				t.wrapped("", 15, line)
			}
			told = lines
		}
		if len(evidence.Files) > 0 && (i == 0 || !slices.Equal(evidence.Files, all[i-1].Files)) {
			t.wrapped("", 15, "see "+folders(evidence.Files))
		}
	}
}

// folders names files by their folders, which are in the order of their first files: every file of the first, and the others as a whole.
func folders(files []string) string {
	var order []string
	within := map[string][]string{}
	for _, file := range files {
		folder := path.Dir(file)
		if within[folder] == nil {
			order = append(order, folder)
		}
		within[folder] = append(within[folder], path.Base(file))
	}
	texts := make([]string, len(order))
	for i, folder := range order {
		names := within[folder]
		if i > 0 {
			texts[i] = folder + "/*"
			continue
		}
		slices.Sort(names)
		texts[i] = fmt.Sprintf("%s (%s)", folder, strings.Join(names, ", "))
	}
	return strings.Join(texts, ", ")
}

// figures says what was done to the system and how it bore it, and what each fault was seen to do.
func (t *terminal) figures() {
	for _, fact := range t.facts() {
		t.label(fact.Name, fact.Value)
	}
	for _, fault := range t.faults {
		text := fmt.Sprintf("%s %s: ", t.interval(fault), faultName(fault))
		if fault.Problem != "" {
			t.wrapped("", 2+labelWidth, text+t.colored(history.Undecided, fault.Problem))
		} else {
			t.wrapped("", 2+labelWidth, text+fault.Proof)
		}
	}
}

func (t *terminal) label(name, text string) {
	t.wrapped(fmt.Sprintf("  %-*s", labelWidth, name), 2+labelWidth, text)
}

func (t *terminal) line(indent int, format string, args ...any) {
	fmt.Fprintln(&t.text, strings.TrimRight(strings.Repeat(" ", indent)+fmt.Sprintf(format, args...), " "))
}

// wrapped writes text behind head, and goes on below it, indented, where a line is full. The head is as wide as the indent, or empty.
func (t *terminal) wrapped(head string, indent int, text string) {
	if head == "" {
		head = strings.Repeat(" ", indent)
	}
	for i, line := range wrap(text, t.options.Width-indent) {
		if i > 0 {
			head = strings.Repeat(" ", indent)
		}
		t.line(0, "%s", head+line)
	}
}

// wrap breaks text at blanks so that no line is longer than width, unless a word is. Less than 20 letters a line are not worth it.
func wrap(text string, width int) []string {
	var lines []string
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		line := ""
		for word := range strings.FieldsSeq(paragraph) {
			if line != "" && width >= 20 && len([]rune(line))+1+len([]rune(word)) > width {
				lines = append(lines, line)
				line = ""
			}
			if line != "" {
				line += " "
			}
			line += word
		}
		lines = append(lines, line)
	}
	return lines
}

func (t *terminal) colored(result history.Result, text string) string {
	if !t.options.Color {
		return text
	}
	color := map[history.Result]string{history.Pass: "32", history.Undecided: "33", history.Fail: "31", history.Skipped: "2"}[result]
	return "\x1b[1;" + color + "m" + text + "\x1b[0m"
}
