package shrink

import (
	"context"
	"fmt"

	"github.com/codastress/codastress/harness/scenario"
)

// A Trial runs a scenario, with as many seeds as it takes to believe the answer, and says whether it still fails in the same way. A scenario that cannot be run does
// not. An error ends the search.
type Trial func(ctx context.Context, sc scenario.Scenario) (bool, error)

// A Step is a proposal that was tried.
type Step struct {
	What  string // was changed, in words
	Fails bool
}

// A Search is what to shrink and how.
type Search struct {
	Parameters map[string][]Parameter // of each workload
	Try        Trial
	Tell       func(Step) // hears of each trial; may be nil
}

// A Parameter is one of a workload, with the value that it has where a scenario says nothing.
type Parameter struct {
	Name, Default string
}

// Shrink returns the smallest scenario that was found to fail, which is sc itself where nothing smaller does. sc must be one that fails. When ctx ends the search is
// over, and what was found by then is returned without an error.
func (s Search) Shrink(ctx context.Context, sc scenario.Scenario) (scenario.Scenario, error) {
	passed := map[string]bool{} // scenarios that were tried in vain, as text
	for again := true; again; {
		again = false
		for _, kind := range s.kinds() {
			for {
				smaller, found, err := s.first(ctx, kind(sc), passed)
				if err != nil {
					return sc, err
				}
				if !found {
					break
				}
				sc, again = smaller, true
			}
		}
	}
	return sc, nil
}

// first is the first proposal that fails.
func (s Search) first(ctx context.Context, proposals []proposal, passed map[string]bool) (smaller scenario.Scenario, found bool, err error) {
	for _, p := range proposals {
		text, err := p.scenario.Marshal()
		if err != nil || passed[string(text)] {
			continue // cannot be meant, or is known
		}
		fails, err := s.Try(ctx, p.scenario)
		if ctx.Err() != nil {
			return smaller, false, nil //nolint:nilerr // the search is over, which is no failure of it
		}
		if err != nil {
			return smaller, false, fmt.Errorf("trying a scenario with %s: %w", p.what, err)
		}
		if s.Tell != nil {
			s.Tell(Step{What: p.what, Fails: fails})
		}
		if fails {
			return p.scenario, true, nil
		}
		passed[string(text)] = true
	}
	return smaller, false, nil
}
