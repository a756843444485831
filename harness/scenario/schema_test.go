package scenario_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/codastress/codastress/harness/scenario"
	"github.com/stretchr/testify/require"
)

// Each field of the schema is one that Parse knows, and each field that Parse knows is in the schema.
func TestSchemaHasTheFieldsOfParse(t *testing.T) {
	text, err := scenario.Schema([]scenario.ParametricTerm{{Term: scenario.Term{Name: "mass-delete"}}}, []scenario.ParametricTerm{{Term: scenario.Term{Name: "partition"}}}, []scenario.Term{{Name: "modern"}}, []scenario.Term{{Name: "no-hang"}}, nil)
	require.NoError(t, err)
	var schema group
	require.NoError(t, json.Unmarshal(text, &schema))
	for path, fields := range map[string]map[string]group{
		"":             schema.Properties,
		"faults":       schema.Properties["faults"].Properties,
		"limits":       schema.Properties["limits"].Properties,
		"faults.steps": schema.Properties["faults"].Properties["steps"].Items.Properties,
	} {
		require.NotEmpty(t, fields, path)
		require.ElementsMatch(t, keysOf(fields), fieldsOf(t, path), path)
	}
}

// group is what the test reads of a schema.
type group struct {
	Properties map[string]group
	Items      *group
}

func keysOf(fields map[string]group) []string {
	var names []string
	for name := range fields {
		names = append(names, name)
	}
	return names
}

// fieldsOf lets Parse say which fields it knows at a path, in what it says about one that it does not know.
func fieldsOf(t *testing.T, path string) []string {
	t.Helper()
	text := map[string]string{"": "%s: 1", "faults": "faults: {%s: 1}", "limits": "limits: {%s: 1}", "faults.steps": "faults: {steps: [{%s: 1}]}"}[path]
	_, err := scenario.Parse("", fmt.Appendf(nil, text, "qqqqqqqqqqqqqqqq"))
	require.Error(t, err)
	_, list, found := strings.Cut(err.Error(), "there are ")
	require.True(t, found, "%v", err)
	return strings.Split(list, ", ")
}
