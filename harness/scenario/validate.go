package scenario

import (
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/harness/nearest"
)

// The most that a scenario may ask for: a slip of the finger should not start a thousand nodes or a run of a year.
const (
	maxNodes   = 100
	maxSlots   = 8   // of a version vector, each for one server
	maxVolumes = 100 // of a client
	maxTime    = 7 * 24 * time.Hour
	maxScale   = 1000
	maxWeight  = 1000
	maxCount   = 1_000_000_000 // of operations
)

// validName keeps the name of a scenario fit for the name of a folder.
var validName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,99}$`)

// Validate says what of a scenario cannot be carried out, as an [*Error] without a place. It looks up no names.
func (s Scenario) Validate() error {
	switch {
	case s.Name == "":
		return wrong("name", "is missing: it names the run directory")
	case !validName.MatchString(s.Name):
		return wrong("name", "%q cannot name a run directory: use a-z, 0-9 and -, and at most 100 of them", s.Name)
	case s.Clients < 1 || s.Clients > maxNodes:
		return wrong("clients", "%d is not possible: from 1 to %d clients can be run", s.Clients, maxNodes)
	case !s.Foreign() && (s.Servers < 1 || s.Servers > maxSlots):
		return wrong("servers", "%d is not possible: from 1 to %d servers can hold a volume", s.Servers, maxSlots)
	case s.Volumes < 0 || s.Volumes > maxVolumes:
		return wrong("volumes", "%d is not possible: from 0 to %d directories of each client can be volumes", s.Volumes, maxVolumes)
	case len(s.Constants) > 0 && s.Foreign():
		return wrong("constants", "cannot be set: the daemons of the file system in the mounts are not ours")
	case s.Volumes > 0 && s.Foreign():
		return wrong("volumes", "%d is not possible: the file system in the mounts has no volumes of ours", s.Volumes)
	case !(s.TimeScale >= 1/float64(maxScale) && s.TimeScale <= maxScale) || math.IsNaN(s.TimeScale):
		return wrong("time_scale", "%v is not possible: it divides time constants, by 0.001 to %d", s.TimeScale, maxScale)
	case s.Profile == "":
		return wrong("profile", "is missing: leave it out for %s", DefaultProfile)
	}
	for _, limit := range []struct {
		field string
		value time.Duration
	}{{"load", s.Load}, {"limits.hang", s.Limits.Hang}, {"limits.converge", s.Limits.Converge}} {
		if limit.value <= 0 || limit.value > maxTime {
			return wrong(limit.field, "%v is not possible: it must be more than 0 and at most a week", limit.value)
		}
	}
	for _, limit := range s.optionalLimits() {
		if limit.value < 0 || limit.value > maxTime {
			return wrong("limits."+limit.name, "%v is not possible: it must be more than 0 and at most a week, or 0 for none", limit.value)
		}
	}
	if err := s.validateWorkloads(); err != nil {
		return err
	}
	if err := s.validateMounts(); err != nil {
		return err
	}
	if err := s.Faults.validate(s.Load); err != nil {
		return err
	}
	for i, symptom := range s.Expect {
		if err := symptom.validate(item("expect", i)); err != nil {
			return err
		}
	}
	return nil
}

func (s Scenario) validateWorkloads() error {
	if s.Workloads != nil && (s.Workload.Name != "" || len(s.Workload.Args) > 0) {
		return wrong("workloads", "cannot be there besides workload: put all of them into the list")
	}
	for i, w := range s.AllWorkloads() {
		field := s.WorkloadField(i)
		switch {
		case w.Name == "":
			return wrong(field+".name", "is missing: `codastress list workloads` shows what there is")
		case w.Start < 0 || w.Start >= s.Load:
			return wrong(field+".start", "%v is not within the load, which lasts %v", w.Start, s.Load)
		case w.Length < 0 || w.Length > s.Load-w.Start:
			return wrong(field+".length", "%v is not possible: %v of the load are left", w.Length, s.Load-w.Start)
		}
		for k, client := range w.Clients {
			if slices.Contains(w.Clients[:k], client) {
				return wrong(item(field+".clients", k), "%s stands there twice", client)
			}
		}
	}
	return nil
}

// validateMounts looks at what a scenario says of a file system that is not ours. Whether the mounts show one file system only they can tell.
func (s Scenario) validateMounts() error {
	switch {
	case !s.Foreign() && !s.Consistency.IsZero():
		return wrong("consistency", "%s cannot be chosen: it is what a file system claims that is not ours, and there are no mounts of one", s.Consistency)
	case !s.Foreign():
		return nil
	case len(s.Mounts) < 2:
		return wrong("mounts", "%s alone shows no consistency: name at least two directories that are mounts of one file system", s.Mounts[0])
	case s.Clients != len(s.Mounts):
		return wrong("clients", "%d is not possible: each of the %d mounts is a client", s.Clients, len(s.Mounts))
	case s.Servers != 0:
		return wrong("servers", "%d is not possible: the file system in the mounts has its own", s.Servers)
	case s.Consistency.IsZero():
		return wrong("consistency", "is missing: say what the file system in the mounts claims, as in %s", history.CloseToOpen)
	}
	seen := map[string]bool{}
	for i, mount := range s.Mounts {
		switch clean := filepath.Clean(mount); {
		case !filepath.IsAbs(mount):
			return wrong(item("mounts", i), "%q is no absolute path", mount)
		case seen[clean]:
			return wrong(item("mounts", i), "%s stands there twice: each client needs a mount of its own", clean)
		default:
			seen[clean] = true
		}
	}
	return nil
}

func (s Symptom) validate(field string) error {
	switch {
	case s.Check == "":
		return wrong(field+".check", "is missing: `codastress list checks` shows what there is")
	case s.Figure == "" && s.Least != 0:
		return wrong(field+".figure", "is missing: %v is the least of a figure of the check", s.Least)
	case math.IsNaN(s.Least) || math.IsInf(s.Least, 0):
		return wrong(field+".least", "%v is not possible: it must be a number", s.Least)
	case s.Figure == "" && s.Most != 0:
		return wrong(field+".figure", "is missing: %v is the most of a figure of the check", s.Most)
	case math.IsNaN(s.Most) || math.IsInf(s.Most, 0):
		return wrong(field+".most", "%v is not possible: it must be a number", s.Most)
	case s.Most != 0 && s.Most < s.Least:
		return wrong(field+".most", "%v is not possible: the figure must be at least %v", s.Most, s.Least)
	}
	return nil
}

func (f Faults) validate(load time.Duration) error {
	if f.Least < 0 || f.Least > maxTime {
		return wrong("faults.least", "%v is not possible: it must be at least 0 and at most a week", f.Least)
	}
	if f.Gap < 0 || f.Gap > maxTime {
		return wrong("faults.gap", "%v is not possible: it must be at least 0 and at most a week", f.Gap)
	}
	if i := slices.Index(f.Must, ""); i >= 0 {
		return wrong(item("faults.must", i), "is empty: `codastress list faults` shows what there is")
	}
	for _, name := range keys(f.Mix) {
		if weight := f.Mix[name]; weight < 1 || weight > maxWeight {
			return wrong("faults.mix."+name, "%d is no weight: use 1 to %d, and leave out what shall not happen", weight, maxWeight)
		}
	}
	for i, step := range f.Steps {
		if err := step.validate(item("faults.steps", i), load); err != nil {
			return err
		}
	}
	return nil
}

func (s Step) validate(field string, load time.Duration) error {
	switch {
	case s.Name == "":
		return wrong(field+".name", "is missing: `codastress list faults` shows what there is")
	case len(s.Nodes) == 0:
		return wrong(field+".nodes", "is missing: say where, as in [client1]")
	case s.When != nil && s.When.Operation == 0 && s.When.Failpoint == "":
		return wrong(field+".when.operation", "is missing: say what is to be counted, as in remove, or name a failpoint")
	case s.When != nil && s.When.Operation != 0 && s.When.Failpoint != "":
		return wrong(field+".when.failpoint", "does not go with an operation: wait for one of both")
	case s.When != nil && s.When.Failpoint != "" && s.When.Node == "":
		return wrong(field+".when.node", "is missing: say whose daemon is to come to the failpoint, as in server1")
	case s.When != nil && (s.When.Count < 1 || s.When.Count > maxCount):
		return wrong(field+".when.count", "%d is not possible: it must be from 1 to %d", s.When.Count, maxCount)
	case s.Start < 0 || s.Start >= load:
		return wrong(field+".start", "%v is not within the load, which lasts %v", s.Start, load)
	case s.Length <= 0 || s.Length > maxTime:
		return wrong(field+".length", "%v is not possible: it must be more than 0 and at most a week", s.Length)
	}
	return nil
}

// LookUp finds the first name that n does not have, and suggests the nearest one that it has: an [*Error] without a place.
func (s Scenario) LookUp(n Names) error {
	if !slices.Contains(n.Profiles, s.Profile) {
		return wrong("profile", "%s", nearest.Unknown("profile", s.Profile, n.Profiles))
	}
	if err := s.lookUpConstants(n); err != nil {
		return err
	}
	for i, w := range s.AllWorkloads() {
		var others []string
		if s.Workloads != nil {
			others = partNames()
		}
		if err := n.lookUpWorkload(s.WorkloadField(i), w, others); err != nil {
			return err
		}
	}
	for i, name := range s.Faults.Must {
		if err := n.lookUpFault(item("faults.must", i), name); err != nil {
			return err
		}
	}
	for _, name := range keys(s.Faults.Mix) {
		if err := n.lookUpFault("faults.mix."+name, name); err != nil {
			return err
		}
	}
	for i, step := range s.Faults.Steps {
		if err := n.lookUpStep(item("faults.steps", i), step); err != nil {
			return err
		}
	}
	return s.lookUpSymptoms(n)
}

func (s Scenario) lookUpConstants(n Names) error {
	for _, daemon := range keys(s.Constants) {
		known, ok := n.Constants[daemon]
		if !ok {
			return wrong("constants."+daemon, "%s", nearest.Unknown("daemon", daemon, keys(n.Constants)))
		}
		for _, name := range keys(s.Constants[daemon]) {
			if !slices.Contains(known, name) {
				return wrong("constants."+daemon+"."+name, "%s", nearest.Unknown("constant of "+daemon, name, known))
			}
		}
	}
	return nil
}

// lookUpWorkload looks up the names of a workload, which has other fields besides its parameters.
func (n Names) lookUpWorkload(field string, w *Workload, others []string) error {
	parameters, ok := n.Workloads[w.Name]
	if !ok {
		return wrong(field+".name", "%s", nearest.Unknown("workload", w.Name, keys(n.Workloads)))
	}
	for _, name := range keys(w.Args) {
		if !slices.Contains(parameters, name) {
			return wrong(field+"."+name, "%s", nearest.Unknown("parameter of "+w.Name, name, slices.Concat(parameters, others)))
		}
	}
	return nil
}

func (n Names) lookUpFault(field, name string) error {
	if _, ok := n.Faults[name]; !ok {
		return wrong(field, "%s", nearest.Unknown("fault", name, keys(n.Faults)))
	}
	return nil
}

func (n Names) lookUpStep(field string, step Step) error {
	if err := n.lookUpFault(field+".name", step.Name); err != nil {
		return err
	}
	for _, name := range keys(step.Args) {
		if parameters := n.Faults[step.Name]; !slices.Contains(parameters, name) {
			return wrong(field+".args."+name, "%s", nearest.Unknown("parameter of "+step.Name, name, parameters))
		}
	}
	return nil
}

func (s Scenario) lookUpSymptoms(n Names) error {
	for i, symptom := range s.Expect {
		if !slices.Contains(n.Checks, symptom.Check) {
			return wrong(item("expect", i)+".check", "%s", nearest.Unknown("check", symptom.Check, n.Checks))
		}
		if figures := n.Figures[symptom.Check]; n.Figures != nil && symptom.Figure != "" && !slices.ContainsFunc(figures, symptom.names) {
			return wrong(item("expect", i)+".figure", "%s", nearest.Unknown("figure of "+symptom.Check, symptom.Figure, figures))
		}
		for k, profile := range symptom.Profiles {
			if !slices.Contains(n.Profiles, profile) {
				return wrong(item(item("expect", i)+".profiles", k), "%s", nearest.Unknown("profile", profile, n.Profiles))
			}
		}
	}
	return nil
}

// names says whether the symptom names a figure, of which the capital letters at its end stand for any text.
func (s Symptom) names(figure string) bool {
	begin := strings.TrimRightFunc(figure, unicode.IsUpper)
	return s.Figure == figure || begin != figure && len(s.Figure) > len(begin) && strings.HasPrefix(s.Figure, begin)
}

func wrong(field, format string, args ...any) *Error {
	return &Error{Field: field, Problem: fmt.Sprintf(format, args...)}
}

// item names one item of a list.
func item(list string, index int) string {
	return fmt.Sprintf("%s[%d]", list, index)
}

// keys returns the keys of a map in order.
func keys[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.SortFunc(names, strings.Compare)
	return names
}
