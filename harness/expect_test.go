package harness_test

import (
	"testing"

	"github.com/codastress/codastress/harness"
	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/harness/scenario"
	"github.com/stretchr/testify/require"
)

func TestExpect(t *testing.T) {
	hang := scenario.Symptom{Check: "no-hang", Text: "remove", Figure: "longest call", Least: 20}
	fails := func(value float64, text string) history.Verdict {
		return history.Verdict{
			Check: "no-hang", Result: history.Fail, Summary: "a call took too long", Evidence: []history.Evidence{{Text: text}},
			Figures: []history.Figure{{Name: "calls", Value: 3}, {Name: "longest call", Value: value, Unit: "s"}},
		}
	}
	passes := history.Verdict{Check: "no-hang"}
	undecided := history.Verdict{Check: "no-hang", Result: history.Undecided}
	sound := history.Verdict{Check: "no-lost-data"}
	lost := history.Verdict{Check: "no-lost-data", Result: history.Fail}
	for _, c := range []struct {
		name     string
		verdicts []history.Verdict
		symptoms []scenario.Symptom
		overall  history.Result
		says     string // the verdict on the expectation, "" for none
	}{
		{"nothing is expected, and nothing fails", []history.Verdict{passes, sound}, nil, history.Pass, ""},
		{"nothing is expected", []history.Verdict{fails(30, "a remove"), sound}, nil, history.Fail, ""},
		{"it shows up", []history.Verdict{fails(30, "a remove"), sound}, []scenario.Symptom{hang}, history.Pass, "what was expected showed up: no-hang"},
		{"it does not show up", []history.Verdict{passes, sound}, []scenario.Symptom{hang}, history.Fail, "its verdict is pass"},
		{"it cannot be seen", []history.Verdict{undecided, sound}, []scenario.Symptom{hang}, history.Undecided, "its verdict is undecided"},
		{"something else shows up too", []history.Verdict{fails(30, "a remove"), lost}, []scenario.Symptom{hang}, history.Fail, "what was expected showed up: no-hang"},
		{"another text", []history.Verdict{fails(30, "a read"), sound}, []scenario.Symptom{hang}, history.Fail, `with "remove" with a longest call of at least 20: it failed, and does not say that`},
		{"too small", []history.Verdict{fails(19, "a remove"), sound}, []scenario.Symptom{hang}, history.Fail, "it failed, with a longest call of 19 s"},
		{"small enough", []history.Verdict{fails(30, "a remove"), sound}, []scenario.Symptom{{Check: "no-hang", Figure: "longest call", Most: 30}}, history.Pass, "what was expected showed up: no-hang"},
		{"too large", []history.Verdict{fails(31, "a remove"), sound}, []scenario.Symptom{{Check: "no-hang", Figure: "longest call", Least: 20, Most: 30}}, history.Fail, "with a longest call of at least 20 and at most 30: it failed, with a longest call of 31 s"},
		{"no such figure", []history.Verdict{fails(30, ""), sound}, []scenario.Symptom{{Check: "no-hang", Figure: "calls that hung"}}, history.Fail, `it has no figure "calls that hung"`},
		{"one of two", []history.Verdict{fails(30, ""), sound}, []scenario.Symptom{{Check: "no-hang"}, {Check: "no-lost-data"}}, history.Fail, "no-lost-data was expected to fail: its verdict is pass"},
		{"no such check", []history.Verdict{sound}, []scenario.Symptom{hang}, history.Fail, "there is no such check"},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := harness.Expect(c.verdicts, c.symptoms)
			require.Equal(t, c.overall, history.Overall(all))
			last := all[len(all)-1]
			if c.says == "" {
				require.Equal(t, c.verdicts, all)
				return
			}
			require.Equal(t, harness.ExpectCheck, last.Check)
			require.Contains(t, last.Summary, c.says)
			for _, verdict := range c.verdicts {
				require.False(t, verdict.Expected, "what was given is as it was")
			}
		})
	}
}
