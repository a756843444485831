package scenario

import (
	"errors"
	"strings"
)

// A Source is the text that a scenario was read from. It knows where each field stands. The zero value knows of none.
type Source struct {
	file    string
	places  map[string]place
	changed []string // fields that are not as they stand there any more
}

// Changed says that fields are not as they stand in the text: what is wrong with them has no place there.
func (s *Source) Changed(fields ...string) { s.changed = append(s.changed, fields...) }

// Locate says of an [*Error] that has no place where in the text its field stands, or else the field around it. Other errors stay as they are.
func (s Source) Locate(err error) error {
	var problem *Error
	if !errors.As(err, &problem) || problem.File != "" || s.isChanged(problem.Field) {
		return err
	}
	problem.File = s.file
	if problem.Line == 0 {
		at := s.nearestPlace(problem)
		problem.Line, problem.Column = at.line, at.column
	}
	return err
}

// isChanged says whether a field, or one around it, was changed.
func (s Source) isChanged(field string) bool {
	for _, changed := range s.changed {
		if rest, ok := strings.CutPrefix(field, changed); ok && (rest == "" || strings.ContainsAny(rest[:1], ".[")) {
			return true
		}
	}
	return false
}

func (s Source) nearestPlace(problem *Error) place {
	path := problem.Field
	if found, ok := s.places[path+valueOf]; ok && problem.value {
		return found
	}
	for {
		if found, ok := s.places[path]; ok {
			return found
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			return place{}
		}
		path = path[:cut]
	}
}
