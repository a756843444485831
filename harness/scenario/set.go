package scenario

import (
	"errors"
	"fmt"
	"maps"
	"strings"
)

// Set changes single values, each given as FIELD=VALUE with the field's path and a value as in a file: workload.rate=50, load=1m,
// faults.must=partition,kill-venus. The scenario stays as it was where one of them is wrong.
func (s *Scenario) Set(settings ...string) error {
	changed := *s
	changed.Workload.Args = maps.Clone(s.Workload.Args)
	if s.Constants != nil {
		changed.Constants = Constants{}
	}
	for daemon, values := range s.Constants {
		changed.Constants[daemon] = maps.Clone(values)
	}
	for _, setting := range settings {
		if err := changed.set(setting); err != nil {
			return fmt.Errorf("setting %s: %w", setting, err)
		}
	}
	*s = changed
	return nil
}

// set reads the little file that says what the setting says.
func (s *Scenario) set(setting string) error {
	path, value, ok := strings.Cut(setting, "=")
	if !ok || path == "" || strings.Contains(value, "\n") {
		return errors.New("write it as FIELD=VALUE, as in workload.rate=50")
	}
	var text strings.Builder
	for depth, name := range strings.Split(path, ".") {
		fmt.Fprintf(&text, "\n%s%s:", strings.Repeat(" ", depth), plain(name))
	}
	d := &decoder{places: map[string]place{}, commas: true}
	err := d.parse([]byte(text.String()+" "+value), s)
	var problem *Error
	if errors.As(err, &problem) {
		problem.Line, problem.Column = 0, 0
	}
	return err
}
