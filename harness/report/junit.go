package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/codastress/codastress/harness/history"
)

// suites is the root of the XML that CI servers read.
type suites struct {
	XMLName  xml.Name `xml:"testsuites"`
	Name     string   `xml:"name,attr"`
	Tests    int      `xml:"tests,attr"`
	Failures int      `xml:"failures,attr"`
	Errors   int      `xml:"errors,attr"`
	Skipped  int      `xml:"skipped,attr,omitempty"`
	Time     string   `xml:"time,attr"`
	Suite    suite    `xml:"testsuite"`
}

type suite struct {
	Name       string     `xml:"name,attr"`
	Tests      int        `xml:"tests,attr"`
	Failures   int        `xml:"failures,attr"`
	Errors     int        `xml:"errors,attr"`
	Skipped    int        `xml:"skipped,attr,omitempty"`
	Time       string     `xml:"time,attr"`
	Properties []property `xml:"properties>property"`
	Cases      []testCase `xml:"testcase"`
}

type property struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type testCase struct {
	Class   string   `xml:"classname,attr"`
	Name    string   `xml:"name,attr"`
	Failure *trouble `xml:"failure"`
	Error   *trouble `xml:"error"`
	Skipped *skipped `xml:"skipped"`
	Output  string   `xml:"system-out,omitempty"`
}

type trouble struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

type skipped struct {
	Message string `xml:"message,attr"`
}

// JUnit prints a result for a CI server: one test case for each check. A check that failed is a failure; one that could not decide is an
// error, since a run that proves nothing must not turn a CI green. One that does not apply is skipped.
func JUnit(w io.Writer, result Result) error {
	f := result.findings()
	s := f.suite()
	all := suites{Name: "codastress", Tests: s.Tests, Failures: s.Failures, Errors: s.Errors, Skipped: s.Skipped, Time: s.Time, Suite: s}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("writing the result as JUnit: %w", err)
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(all); err != nil {
		return fmt.Errorf("writing the result as JUnit: %w", err)
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return fmt.Errorf("writing the result as JUnit: %w", err)
	}
	return nil
}

func (f *findings) suite() suite {
	meta := f.Run.Meta
	s := suite{
		Name: meta.Scenario, Tests: len(f.verdicts), Time: fmt.Sprintf("%.3f", f.loaded().Seconds()),
		Properties: []property{
			{"seed", fmt.Sprint(meta.Seed)},
			{"runtime", meta.Runtime},
			{"mount", meta.Mount},
			{"clients", fmt.Sprint(len(meta.Clients))},
			{"servers", fmt.Sprint(len(meta.Servers))},
			{"version", meta.Version},
			{"directory", f.Dir},
			{"replay", f.replay()},
		},
	}
	if meta.Foreign() {
		s.Properties = append(s.Properties, property{"mounts", strings.Join(meta.Mounts, ",")}, property{"consistency", meta.Consistency.String()})
	}
	for _, verdict := range f.verdicts {
		c := testCase{Class: "codastress." + meta.Scenario, Name: verdict.Check, Output: legible(f.account(verdict))}
		switch {
		case verdict.Expected:
		case verdict.Result == history.Fail:
			c.Failure = &trouble{legible(verdict.Summary), "fail", legible(f.proof(verdict))}
			s.Failures++
		case verdict.Result == history.Undecided:
			c.Error = &trouble{legible(verdict.Summary), "undecided", legible(f.proof(verdict))}
			s.Errors++
		case verdict.Result == history.Skipped:
			c.Skipped = &skipped{legible(verdict.Summary)}
			s.Skipped++
		}
		s.Cases = append(s.Cases, c)
	}
	return s
}

// account is what a check says whatever its result.
func (f *findings) account(verdict history.Verdict) string {
	var out strings.Builder
	fmt.Fprintln(&out, verdict.Summary)
	for _, one := range verdict.Figures {
		fmt.Fprintf(&out, "%s: %s\n", one.Name, figure(one.Value, one.Unit))
	}
	return out.String()
}

// proof is the evidence of a check as plain text, with the seed and the way to see it again.
func (f *findings) proof(verdict history.Verdict) string {
	var out strings.Builder
	for _, evidence := range verdict.Evidence {
		fmt.Fprintln(&out, evidence.Text)
		for _, op := range evidence.Operations {
			fmt.Fprintln(&out, "  "+f.operation(op))
		}
		for _, number := range evidence.Faults {
			fmt.Fprintln(&out, "  during "+f.faultText(number))
		}
		for _, line := range f.lines(f.around(verdict, evidence), mostEvents) {
			fmt.Fprintln(&out, "  "+line)
		}
		if len(evidence.Files) > 0 {
			fmt.Fprintln(&out, "  see "+strings.Join(evidence.Files, ", "))
		}
	}
	fmt.Fprintf(&out, "seed %d, %s\n", f.Run.Meta.Seed, f.replay())
	return out.String()
}

// legible leaves out what XML cannot hold: a name in a file system may have any byte in it.
func legible(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0xFFFE || r == 0xFFFF {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}
