package harness

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/harness/scenario"
)

// The files of a run directory (DESIGN.md section 6).
const (
	ScenarioFile = "scenario.yaml"
	PlanFile     = "plan.yaml"
	ResultFile   = "result.json"
	JUnitFile    = "junit.xml"
	ReportFile   = "report.html"
	NodesFolder  = "nodes"
)

// ErrRunDirectory says that a run directory cannot be made, or is not one.
var ErrRunDirectory = errors.New("run directory")

// RunDirectoryName is where a run goes when nothing else is said.
func RunDirectoryName(parent, scenario string, seed uint64, now time.Time) string {
	return filepath.Join(parent, fmt.Sprintf("%s-%s-%d", now.UTC().Format("20060102T150405.000"), scenario, seed))
}

// makeRunDirectory makes dir, which must not exist, and writes what is known before anything starts.
func makeRunDirectory(dir string, sc scenario.Scenario, meta history.Meta, plan []history.Step) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("%w: %w: choose a folder that can be written with --dir", ErrRunDirectory, err)
	}
	if err := os.Mkdir(dir, 0o755); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: %s exists already: choose another with --dir, or remove it", ErrRunDirectory, dir)
	} else if err != nil {
		return fmt.Errorf("%w: %w: choose a folder that can be written with --dir", ErrRunDirectory, err)
	}
	text, err := sc.Marshal()
	if err != nil {
		return fmt.Errorf("writing the scenario: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, ScenarioFile), text, 0o644); err != nil {
		return fmt.Errorf("%w: %w", ErrRunDirectory, err)
	}
	if err := history.WritePlan(dir, plan); err != nil {
		return fmt.Errorf("%w: writing the plan: %w", ErrRunDirectory, err)
	}
	if err := history.WriteMeta(dir, meta); err != nil {
		return fmt.Errorf("%w: writing the run's description: %w", ErrRunDirectory, err)
	}
	return nil
}

// Stored is what a run directory says of how it was run.
type Stored struct {
	Scenario scenario.Scenario
	Meta     history.Meta
	Plan     []history.Step
}

// ReadStored reads the scenario, plan and description of a run directory.
func ReadStored(dir string) (Stored, error) {
	path := filepath.Join(dir, ScenarioFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return Stored{}, fmt.Errorf("%w: %s is not one: %w", ErrRunDirectory, dir, err)
	}
	sc, err := scenario.Parse(path, text)
	if err != nil {
		return Stored{}, err
	}
	meta, err := history.ReadMeta(dir)
	if err != nil {
		return Stored{}, fmt.Errorf("%w: %w", ErrRunDirectory, err)
	}
	plan, err := history.ReadPlan(dir)
	if err != nil {
		return Stored{}, fmt.Errorf("%w: %w", ErrRunDirectory, err)
	}
	return Stored{Scenario: sc, Meta: meta, Plan: plan}, nil
}
