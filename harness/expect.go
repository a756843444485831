package harness

import (
	"fmt"
	"strings"

	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/harness/scenario"
)

// ExpectCheck names the verdict on what a scenario expects.
const ExpectCheck = "expect"

// Expect holds verdicts against the symptoms that a scenario expects. What fails as it is expected to is marked so, and is no failure of the run; a
// symptom that does not show up is one. The verdict on that comes after the others; without any symptom there is none.
func Expect(verdicts []history.Verdict, symptoms []scenario.Symptom) []history.Verdict {
	if len(symptoms) == 0 {
		return verdicts
	}
	all := append([]history.Verdict(nil), verdicts...)
	outcome := history.Verdict{Check: ExpectCheck}
	var shown []string
	for _, symptom := range symptoms {
		why := "there is no such check"
		for i := range all {
			if all[i].Check != symptom.Check {
				continue
			}
			if why = missing(&all[i], symptom); why == "" {
				all[i].Expected = true
				shown = append(shown, symptom.Check)
			} else if all[i].Result == history.Undecided {
				outcome.Result = max(outcome.Result, history.Undecided)
			}
		}
		if why != "" {
			outcome.Evidence = append(outcome.Evidence, history.Evidence{Text: fmt.Sprintf("%s was expected to fail%s: %s", symptom.Check, described(symptom), why)})
		}
	}
	if len(outcome.Evidence) == 0 {
		outcome.Summary = "what was expected showed up: " + strings.Join(shown, ", ")
		return append(all, outcome)
	}
	if outcome.Result != history.Undecided {
		outcome.Result = history.Fail
	}
	outcome.Summary = outcome.Evidence[0].Text
	return append(all, outcome)
}

// missing says why a verdict does not show a symptom, "" where it does.
func missing(verdict *history.Verdict, symptom scenario.Symptom) string {
	if verdict.Result != history.Fail {
		return "its verdict is " + verdict.Result.String()
	}
	if symptom.Text != "" && !says(verdict, symptom.Text) {
		return "it failed, and does not say that"
	}
	if symptom.Figure == "" {
		return ""
	}
	for _, figure := range verdict.Figures {
		switch {
		case figure.Name != symptom.Figure:
		case figure.Value < symptom.Least, symptom.Most != 0 && figure.Value > symptom.Most:
			return fmt.Sprintf("it failed, with a %s of %v %s", figure.Name, figure.Value, figure.Unit)
		default:
			return ""
		}
	}
	return fmt.Sprintf("it has no figure %q", symptom.Figure)
}

// says says whether a text is in what a verdict has to tell.
func says(verdict *history.Verdict, text string) bool {
	if strings.Contains(verdict.Summary, text) {
		return true
	}
	for _, evidence := range verdict.Evidence {
		if strings.Contains(evidence.Text, text) {
			return true
		}
	}
	return false
}

// described is what a symptom demands besides the failure.
func described(symptom scenario.Symptom) string {
	text := ""
	if symptom.Text != "" {
		text += fmt.Sprintf(" with %q", symptom.Text)
	}
	if symptom.Figure != "" {
		text += fmt.Sprintf(" with a %s of at least %v", symptom.Figure, symptom.Least)
		if symptom.Most != 0 {
			text += fmt.Sprintf(" and at most %v", symptom.Most)
		}
	}
	return text
}
