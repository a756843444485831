package scenario_test

import (
	"testing"

	"github.com/codastress/codastress/harness/scenario"
	"github.com/stretchr/testify/require"
)

const beforeExpect = "name: a\nworkload: {name: mass-delete}\n"

func TestExpect(t *testing.T) {
	for _, text := range []string{"", "expect: pass\n", "expect: []\n", "expect:\n"} {
		sc, err := scenario.Parse("a.yaml", []byte(beforeExpect+text))
		require.NoError(t, err, "%q", text)
		require.Empty(t, sc.Symptoms(), "%q", text)
	}
	sc, err := scenario.Parse("a.yaml", []byte(beforeExpect+`expect:
  - check: no-hang
    text: remove
    figure: longest call
    least: 20
  - check: proven
    profiles: [coda-6.1, coda-6.9]
`))
	require.NoError(t, err)
	hang := scenario.Symptom{Check: "no-hang", Text: "remove", Figure: "longest call", Least: 20}
	require.Equal(t, []scenario.Symptom{hang}, sc.Symptoms(), "the profile is modern")
	sc.Profile = "coda-6.9"
	require.Equal(t, []scenario.Symptom{hang, {Check: "proven", Profiles: []string{"coda-6.1", "coda-6.9"}}}, sc.Symptoms())
	require.NoError(t, sc.Set("expect=pass"))
	require.Empty(t, sc.Symptoms())
}

func TestExpectationsThatCannotBeMeant(t *testing.T) {
	known := scenario.Names{
		Workloads: map[string][]string{"mass-delete": nil}, Profiles: []string{"modern", "coda-6.1"}, Checks: []string{"no-hang", "no-crash"},
		Figures: map[string][]string{"no-hang": {"longest call", "longest call on NODE"}},
	}
	for text, want := range map[string]string{
		"expect: fail\n":                                                 `a.yaml:3:9: expect: "fail" is not possible: write pass, or a list of symptoms`,
		"expect: {check: no-hang}\n":                                     "a.yaml:3:",
		"expect: [{text: remove}]\n":                                     "a.yaml:3:10: expect[0].check: is missing",
		"expect: [{check: no-hang, least: 3}]\n":                         "expect[0].figure: is missing",
		"expect: [{check: no-hang, most: 3}]\n":                          "expect[0].figure: is missing",
		"expect: [{check: no-hang, figure: calls, least: 4, most: 3}]\n": "expect[0].most: 3 is not possible: the figure must be at least 4",
		"expect: [{check: no-hang, figure: longst call}]\n":              `a.yaml:3:35: expect[0].figure: unknown figure of no-hang "longst call": did you mean "longest call"?`,
		"expect: [{check: no-crash, figure: longest call}]\n":            `expect[0].figure: unknown figure of no-crash "longest call": there is none`,
		"expect: [{check: no-hang, figure: longest call on }]\n":         `unknown figure of no-hang "longest call on"`,
		"expect: [{check: no-hagn}]\n":                                   `expect[0].check: unknown check "no-hagn": did you mean "no-hang"?`,
		"expect: [{check: no-hang, profiles: [modern, coda-6.2]}]\n":     `unknown profile "coda-6.2": did you mean "coda-6.1"?`,
		"expect: [{check: no-hang, txt: remove}]\n":                      `unknown field "txt": did you mean "text"?`,
		"expect: [{check: no-hang, figure: calls, least: many}]\n":       `"many" is no number`,
	} {
		_, err := scenario.Parse("a.yaml", []byte(beforeExpect+text), known)
		require.ErrorContains(t, err, want, "%q", text)
	}
	for _, figure := range []string{"longest call", "longest call on client1"} {
		_, err := scenario.Parse("a.yaml", []byte(beforeExpect+"expect: [{check: no-hang, figure: "+figure+"}]\n"), known)
		require.NoError(t, err, figure)
	}
}
