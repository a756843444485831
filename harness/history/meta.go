package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/goccy/go-yaml"
)

// The files of a run directory that are there before anything starts.
const (
	metaFile     = "meta.json"
	planFile     = "plan.yaml"
	scenarioFile = "scenario.yaml"
)

// Meta describes a run.
type Meta struct {
	Scenario string   `json:"scenario"` // its name
	Seed     uint64   `json:"seed"`
	Clients  []string `json:"clients"` // the names of the nodes
	Servers  []string `json:"servers"`
	Limits   Limits   `json:"limits"`
	Runtime  string   `json:"runtime"` // the driver
	Mount    string   `json:"mount"`   // fuse, direct or foreign
	Version  string   `json:"version"` // of codastress

	// Of a run on a file system that is not ours: a directory for each client, and what the file system claims.
	Mounts      []string    `json:"mounts,omitempty"`
	Consistency Consistency `json:"consistency,omitzero"`
}

// Foreign says whether the run was on a file system that is not ours: nothing is known of it but what its mounts show.
func (m Meta) Foreign() bool { return len(m.Mounts) > 0 }

// WriteMeta writes meta.json.
func WriteMeta(dir string, meta Meta) error {
	text, err := json.MarshalIndent(meta, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the description of the run: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, metaFile), append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the description of the run: %w", err)
	}
	return nil
}

// ReadMeta reads meta.json. A field that is not known is an error.
func ReadMeta(dir string) (Meta, error) {
	text, err := os.ReadFile(filepath.Join(dir, metaFile))
	if err != nil {
		return Meta{}, fmt.Errorf("reading the description of the run: %w", err)
	}
	var meta Meta
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&meta); err != nil {
		return Meta{}, fmt.Errorf("reading %s: %w", filepath.Join(dir, metaFile), err)
	}
	return meta, nil
}

// plan is the file plan.yaml.
type plan struct {
	Steps []Step `yaml:"steps"`
}

// WritePlan writes plan.yaml. Durations stand in it as text, like 1.5s.
func WritePlan(dir string, steps []Step) error {
	if steps == nil {
		steps = []Step{}
	}
	text, err := yaml.Marshal(plan{steps})
	if err != nil {
		return fmt.Errorf("encoding the plan: %w", err)
	}
	if err := readsAsWritten(text); err != nil {
		return fmt.Errorf("encoding the plan: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, planFile), text, 0o644); err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	return nil
}

// readsAsWritten guards against texts that the encoder of YAML does not quote as its decoder needs them.
func readsAsWritten(text []byte) error {
	steps, err := parsePlan(text)
	if err != nil {
		return fmt.Errorf("it would not be read as it was written: %w", err)
	}
	if steps == nil {
		steps = []Step{}
	}
	if again, err := yaml.Marshal(plan{steps}); err != nil || !bytes.Equal(text, again) {
		return errors.New("it would not be read as it was written")
	}
	return nil
}

// ReadPlan reads plan.yaml. A field that is not known is an error with its line and column.
func ReadPlan(dir string) ([]Step, error) {
	text, err := os.ReadFile(filepath.Join(dir, planFile))
	if err != nil {
		return nil, fmt.Errorf("reading the plan: %w", err)
	}
	steps, err := parsePlan(text)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", filepath.Join(dir, planFile), err)
	}
	return steps, nil
}

func parsePlan(text []byte) ([]Step, error) {
	var p plan
	if err := yaml.UnmarshalWithOptions(text, &p, yaml.Strict()); err != nil {
		return nil, err
	}
	return p.Steps, nil
}

// limits are Limits as JSON has them: with durations as text, and without those that are not set and need not be.
type limits struct {
	Hang     string `json:"hang"`
	Converge string `json:"converge"`
	P99      string `json:"p99,omitempty"`
	Stall    string `json:"stall,omitempty"`
	Recover  string `json:"recover,omitempty"`
	Stale    string `json:"stale,omitempty"`
	Cached   string `json:"cached,omitempty"`
}

// MarshalJSON writes durations as text, like 1.5s.
func (l Limits) MarshalJSON() ([]byte, error) {
	optional := func(limit time.Duration) string {
		if limit == 0 {
			return ""
		}
		return limit.String()
	}
	return json.Marshal(limits{l.Hang.String(), l.Converge.String(), optional(l.P99), optional(l.Stall), optional(l.Recover), optional(l.Stale), optional(l.Cached)})
}

// UnmarshalJSON reads durations as text.
func (l *Limits) UnmarshalJSON(text []byte) error {
	var read limits
	if err := json.Unmarshal(text, &read); err != nil {
		return fmt.Errorf("reading limits: %w", err)
	}
	for _, limit := range []struct {
		name, text string
		to         *time.Duration
		optional   bool
	}{
		{"hang", read.Hang, &l.Hang, false},
		{"converge", read.Converge, &l.Converge, false},
		{"p99", read.P99, &l.P99, true},
		{"stall", read.Stall, &l.Stall, true},
		{"recover", read.Recover, &l.Recover, true},
		{"stale", read.Stale, &l.Stale, true},
		{"cached", read.Cached, &l.Cached, true},
	} {
		if limit.optional && limit.text == "" {
			continue
		}
		var err error
		if *limit.to, err = time.ParseDuration(limit.text); err != nil {
			return fmt.Errorf("reading the limit %s: %w", limit.name, err)
		}
	}
	return nil
}
