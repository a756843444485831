package faults

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Parameter is something about a fault that a fixed step of a scenario can say in its arguments. What no step says is drawn from its seed, or has
// the default.
type Parameter struct {
	Name    string
	Default string // in words where it is drawn
	Doc     string
}

// parametric is a fault that has parameters.
type parametric interface {
	parameters() []Parameter
	// checkArguments says what is wrong with values; names are known to be right.
	checkArguments(args map[string]string) error
}

// Parameters lists the parameters of a fault.
func Parameters(fault Fault) []Parameter {
	if asked, ok := fault.(parametric); ok {
		return asked.parameters()
	}
	return nil
}

// An ArgumentError is an argument that a fault cannot have.
type ArgumentError struct {
	Name string
	Err  error // says which fault, and what it can have
}

// Error implements error.
func (e *ArgumentError) Error() string { return e.Err.Error() }

// Unwrap is what Error says.
func (e *ArgumentError) Unwrap() error { return e.Err }

// CheckArguments says what is wrong with the arguments of a step of a fault; nil where nothing is.
func CheckArguments(fault Fault, args map[string]string) error {
	var names []string
	for _, parameter := range Parameters(fault) {
		names = append(names, parameter.Name)
	}
	for name := range args {
		switch {
		case len(names) == 0:
			return fmt.Errorf("%s has no parameters, and so no %q", fault.Name(), name)
		case !slices.Contains(names, name):
			return fmt.Errorf("%s has no parameter %q: it has %s", fault.Name(), name, strings.Join(names, ", "))
		}
	}
	if asked, ok := fault.(parametric); ok {
		return asked.checkArguments(args)
	}
	return nil
}

// arguments are those of a step, to be read one by one: what is not there leaves a value as it is. The first that cannot be read is err.
type arguments struct {
	of    string // the fault
	given map[string]string
	err   error
}

// take has a text parsed where there is one.
func (a *arguments) take(name, want string, parse func(text string) bool) {
	text, ok := a.given[name]
	if ok && !parse(text) && a.err == nil {
		a.err = &ArgumentError{Name: name, Err: fmt.Errorf("%s of %s is %s, not %q", name, a.of, want, text)}
	}
}

func (a *arguments) fail(format string, values ...any) {
	if a.err == nil {
		a.err = fmt.Errorf(format, values...)
	}
}

func (a *arguments) duration(name string, value *time.Duration, least, most time.Duration) {
	a.take(name, fmt.Sprintf("a duration from %v to %v", least, most), func(text string) bool {
		given, err := time.ParseDuration(text)
		*value = given
		return err == nil && least <= given && given <= most
	})
}

func (a *arguments) whole(name string, value *int, least, most int) {
	a.take(name, fmt.Sprintf("a whole number from %d to %d", least, most), func(text string) bool {
		given, err := strconv.Atoi(text)
		*value = given
		return err == nil && least <= given && given <= most
	})
}

// number reads a number between two others, of which the first is not one of them.
func (a *arguments) number(name string, value *float64, above, most float64) {
	a.take(name, fmt.Sprintf("a number above %v and at most %v", above, most), func(text string) bool {
		given, err := strconv.ParseFloat(text, 64)
		*value = given
		return err == nil && above < given && given <= most
	})
}

func (a *arguments) word(name string, value *string, words ...string) {
	a.take(name, "one of "+strings.Join(words, ", "), func(text string) bool {
		*value = text
		return slices.Contains(words, text)
	})
}
