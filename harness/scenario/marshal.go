package scenario

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/codastress/codastress/harness/history"
)

// Marshal writes a scenario with everything resolved. [Parse] makes an equal scenario of it.
func (s Scenario) Marshal() ([]byte, error) {
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("writing a scenario that is not sound: %w", err)
	}
	var out bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
	line("name: %s", plain(s.Name))
	if s.Doc != "" {
		line("doc: %s", block(s.Doc))
	}
	if s.Foreign() {
		line("mounts: %s", flow(s.Mounts))
		line("consistency: %s", plain(s.Consistency.String()))
	} else {
		line("clients: %d", s.Clients)
		line("servers: %d", s.Servers)
		if s.Volumes > 0 {
			line("volumes: %d", s.Volumes)
		}
	}
	line("profile: %s", plain(s.Profile))
	line("time_scale: %s", strconv.FormatFloat(s.TimeScale, 'f', -1, 64))
	marshalConstants(s.Constants, line)
	line("load: %v", s.Load)
	marshalWorkloads(s, line)
	line("faults:")
	line("  must: %s", flow(s.Faults.Must))
	if len(s.Faults.Mix) > 0 {
		line("  mix:")
	}
	for _, name := range keys(s.Faults.Mix) {
		line("    %s: %d", plain(name), s.Faults.Mix[name])
	}
	line("  least: %v", s.Faults.Least)
	line("  gap: %v", s.Faults.Gap)
	if len(s.Faults.Steps) > 0 {
		line("  steps:")
	}
	for _, step := range s.Faults.Steps {
		line("    - name: %s", plain(step.Name))
		line("      nodes: %s", flow(step.Nodes))
		line("      start: %v", step.Start)
		if step.When != nil {
			marshalTrigger(*step.When, line)
		}
		line("      length: %v", step.Length)
		if len(step.Args) > 0 {
			line("      args:")
		}
		for _, name := range keys(step.Args) {
			line("        %s: %s", plain(name), value(step.Args[name]))
		}
	}
	line("limits:")
	line("  hang: %v", s.Limits.Hang)
	line("  converge: %v", s.Limits.Converge)
	for _, limit := range s.optionalLimits() {
		if limit.value > 0 {
			line("  %s: %v", limit.name, limit.value)
		}
	}
	if len(s.Expect) > 0 {
		line("expect:")
	}
	for _, symptom := range s.Expect {
		marshalSymptom(symptom, line)
	}
	return out.Bytes(), nil
}

// marshalConstants writes the constants of each kind of daemon.
func marshalConstants(all Constants, line func(format string, args ...any)) {
	if len(all) > 0 {
		line("constants:")
	}
	for _, daemon := range keys(all) {
		line("  %s:", plain(daemon))
		for _, name := range keys(all[daemon]) {
			line("    %s: %s", plain(name), value(all[daemon][name]))
		}
	}
}

// marshalWorkloads writes what is done to the file system.
func marshalWorkloads(s Scenario, line func(format string, args ...any)) {
	if s.Workloads == nil {
		line("workload:")
		line("  name: %s", plain(s.Workload.Name))
		for _, name := range keys(s.Workload.Args) {
			line("  %s: %s", plain(name), value(s.Workload.Args[name]))
		}
		return
	}
	line("workloads:")
	for _, w := range s.Workloads {
		line("  - name: %s", plain(w.Name))
		line("    start: %v", w.Start)
		if w.Length > 0 {
			line("    length: %v", w.Length)
		}
		if len(w.Clients) > 0 {
			line("    clients: %s", flow(w.Clients))
		}
		for _, name := range keys(w.Args) {
			line("    %s: %s", plain(name), value(w.Args[name]))
		}
	}
}

// marshalSymptom writes what must show up.
func marshalSymptom(symptom Symptom, line func(format string, args ...any)) {
	line("  - check: %s", plain(symptom.Check))
	if len(symptom.Profiles) > 0 {
		line("    profiles: %s", flow(symptom.Profiles))
	}
	if symptom.Text != "" {
		line("    text: %s", plain(symptom.Text))
	}
	if symptom.Figure != "" {
		line("    figure: %s", plain(symptom.Figure))
		line("    least: %s", strconv.FormatFloat(symptom.Least, 'f', -1, 64))
		if symptom.Most != 0 {
			line("    most: %s", strconv.FormatFloat(symptom.Most, 'f', -1, 64))
		}
	}
}

// marshalTrigger writes what a step waits for.
func marshalTrigger(when history.Trigger, line func(format string, args ...any)) {
	line("      when:")
	if when.Failpoint != "" {
		line("        failpoint: %s", when.Failpoint)
	} else {
		line("        operation: %v", when.Operation)
	}
	line("        count: %d", when.Count)
	if when.Node != "" {
		line("        node: %s", plain(when.Node))
	}
}

// word is text that means itself in YAML wherever it stands; number is a whole number that reads back as it was written.
var (
	word   = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_-]*$`)
	number = regexp.MustCompile(`^(0|-?[1-9][0-9]{0,17})$`)
	prose  = regexp.MustCompile(`^[!-~][ -~]*$`)
)

// reserved are words that YAML takes for something else than text.
var reserved = regexp.MustCompile(`^(?i:y|n|yes|no|on|off|true|false|null|nan|inf)$`)

// plain is a text in quotes where it needs them. What JSON calls a string is one in YAML too.
func plain(text string) string {
	if word.MatchString(text) && !reserved.MatchString(text) {
		return text
	}
	var quoted bytes.Buffer
	encoder := json.NewEncoder(&quoted)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(text); err != nil {
		panic(fmt.Sprintf("encoding a string: %v", err)) // a string can always be encoded
	}
	return strings.TrimSuffix(quoted.String(), "\n")
}

// value is an argument: a number or a truth value is as good as a text.
func value(text string) string {
	if number.MatchString(text) || text == "true" || text == "false" {
		return text
	}
	return plain(text)
}

func flow(texts []string) string {
	items := make([]string, len(texts))
	for i, text := range texts {
		items[i] = plain(text)
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// block is text over several lines, as it stands where that is possible.
func block(text string) string {
	var out strings.Builder
	out.WriteString("|")
	for line := range strings.SplitSeq(text, "\n") {
		if line != "" && (!prose.MatchString(line) || strings.HasSuffix(line, " ")) {
			return plain(text)
		}
		out.WriteString("\n")
		if line != "" {
			out.WriteString("  " + line)
		}
	}
	return out.String()
}
