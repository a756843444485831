package workloads

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A parameter is a number, or one of some words, or a text, that a scenario can set.
type parameter struct {
	name          string
	preset        int64
	least, most   int64
	nanoseconds   bool     // the number is a duration
	words         []string // the number is the place of one of these
	text          bool     // it is any text, "" where nothing is said, and no number
	documentation string
}

func (p parameter) format(value int64) string {
	switch {
	case p.text:
		return ""
	case p.nanoseconds:
		return time.Duration(value).String()
	case p.words != nil:
		return p.words[value]
	}
	return strconv.FormatInt(value, 10)
}

func (p parameter) parse(text string) (int64, error) {
	if p.text {
		return 0, nil
	}
	if p.words != nil {
		if i := slices.Index(p.words, text); i >= 0 {
			return int64(i), nil
		}
		return 0, badParameter(p.name, "%q is none of %s", text, strings.Join(p.words, ", "))
	}
	what := "a whole number"
	value, err := strconv.ParseInt(text, 10, 64)
	if p.nanoseconds {
		what = "a duration"
		var length time.Duration
		length, err = time.ParseDuration(text)
		value = int64(length)
	}
	if err != nil || value < p.least || value > p.most {
		return 0, badParameter(p.name, "%q is not %s from %s to %s", text, what, p.format(p.least), p.format(p.most))
	}
	return value, nil
}

// A ParameterError is a value that a parameter cannot have.
type ParameterError struct {
	Parameter string
	Err       error // what is wrong with the value
}

// Error implements error.
func (e *ParameterError) Error() string { return fmt.Sprintf("parameter %s: %v", e.Parameter, e.Err) }

// Unwrap is what is wrong with the value.
func (e *ParameterError) Unwrap() error { return e.Err }

func badParameter(name, format string, args ...any) error {
	return &ParameterError{Parameter: name, Err: fmt.Errorf(format, args...)}
}

// parameters is what a workload can be told.
type parameters []parameter

// list describes the parameters for people.
func (ps parameters) list() []Parameter {
	described := make([]Parameter, len(ps))
	for i, p := range ps {
		described[i] = Parameter{Name: p.name, Default: p.format(p.preset), Doc: p.documentation}
	}
	return described
}

// resolve gives every parameter its value.
func (ps parameters) resolve(args map[string]string) (map[string]int64, error) {
	values := make(map[string]int64, len(ps))
	for _, p := range ps {
		values[p.name] = p.preset
		text, ok := args[p.name]
		if !ok {
			continue
		}
		value, err := p.parse(text)
		if err != nil {
			return nil, err
		}
		values[p.name] = value
	}
	for name := range args {
		if _, ok := values[name]; !ok {
			return nil, fmt.Errorf("there is no parameter %q: there are %s", name, list(values))
		}
	}
	return values, nil
}

// arguments are a planned step's, read back. The first error stays.
type arguments struct {
	step map[string]string
	err  error
}

// number reads a whole number that is not negative.
func (a *arguments) number(name string) int {
	value, err := strconv.ParseUint(a.step[name], 10, 31)
	if err != nil && a.err == nil {
		a.err = fmt.Errorf("argument %s: %q is not a whole number", name, a.step[name])
	}
	return int(value)
}

// seed reads a seed.
func (a *arguments) seed(name string) uint64 {
	value, err := strconv.ParseUint(a.step[name], 10, 64)
	if err != nil && a.err == nil {
		a.err = fmt.Errorf("argument %s: %q is not a seed", name, a.step[name])
	}
	return value
}

// duration reads a duration that is not negative.
func (a *arguments) duration(name string) time.Duration {
	value, err := time.ParseDuration(a.step[name])
	if (err != nil || value < 0) && a.err == nil {
		a.err = fmt.Errorf("argument %s: %q is not a duration", name, a.step[name])
	}
	return value
}
