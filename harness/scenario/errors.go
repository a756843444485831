package scenario

import (
	"errors"
	"fmt"
)

// ErrUnknown says that there is no scenario of a name.
var ErrUnknown = errors.New("no such scenario")

// An Error is something in a scenario that cannot be carried out.
type Error struct {
	File    string // "" where the scenario is not from a file
	Line    int    // from 1; 0 where the file does not say it, so that a default or a setting is meant
	Column  int    // from 1, in letters
	Field   string // as in limits.hang; "" where the file as a whole is wrong
	Problem string // what is wrong, and what to do

	value bool // of the field, rather than that it is there
}

// Wrong is an error about a field, without a place yet.
func Wrong(field, format string, args ...any) *Error { return wrong(field, format, args...) }

// WrongValue is an error about the value of a field, without a place yet.
func WrongValue(field, format string, args ...any) *Error {
	problem := wrong(field, format, args...)
	problem.value = true
	return problem
}

// Error is one line: FILE:LINE:COLUMN: FIELD: PROBLEM, without what is not known.
func (e *Error) Error() string {
	text := e.Problem
	if e.Field != "" {
		text = e.Field + ": " + text
	}
	switch {
	case e.File != "" && e.Line > 0:
		return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, text)
	case e.File != "":
		return e.File + ": " + text
	default:
		return text
	}
}
