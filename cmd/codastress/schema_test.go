package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// publishedSchema is where editors find the schema.
const publishedSchema = "../../docs/scenario.schema.json"

// The published schema is that of the catalog.
func TestSchemaIsPublished(t *testing.T) {
	text, err := schema(catalog())
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.WriteFile(publishedSchema, text, 0o644))
	}
	published, err := os.ReadFile(publishedSchema)
	require.NoError(t, err)
	require.Equal(t, string(published), string(text), "write it again with go test ./cmd/codastress -run TestSchemaIsPublished -update")
}

// Every scenario of the repository keeps to the schema.
func TestScenariosKeepToTheSchema(t *testing.T) {
	compiled := compileSchema(t)
	library, err := filepath.Glob("../../harness/scenario/library/*.yaml")
	require.NoError(t, err)
	own, err := filepath.Glob("testdata/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, library)
	for _, file := range append(library, own...) {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, compiled.Validate(decoded(t, string(text))), file)
	}
}

func TestSchemaFindsMistakes(t *testing.T) {
	compiled := compileSchema(t)
	for name, text := range map[string]string{
		"no workload":                        "{name: a}",
		"workload and workloads":             "{name: a, workload: {name: mass-delete}, workloads: [{name: mass-delete}]}",
		"one workload with a start":          "{name: a, workload: {name: mass-delete, start: 1s}}",
		"several, one of them of another":    "{name: a, workloads: [{name: mass-delete, start: 1s}, {name: concurrent-readers, delete: 3}]}",
		"no name":                            "workload: {name: mass-delete}",
		"unknown field":                      "{name: a, workload: {name: mass-delete}, nodes: 3}",
		"unknown workload":                   "{name: a, workload: {name: mass-deletion}}",
		"parameter of another workload":      "{name: a, workload: {name: concurrent-readers, delete: 3}}",
		"unknown fault":                      "{name: a, workload: {name: mass-delete}, faults: {must: [partitoin]}}",
		"weight of nothing":                  "{name: a, workload: {name: mass-delete}, faults: {mix: {partition: 0}}}",
		"time without a unit":                "{name: a, workload: {name: mass-delete}, load: 15}",
		"parameter of another fault":         "{name: a, workload: {name: mass-delete}, faults: {steps: [{name: partition, nodes: [client1, server1], start: 1s, length: 1s, args: {latency: 1s}}]}}",
		"step that does not say where it is": "{name: a, workload: {name: mass-delete}, faults: {steps: [{name: partition, start: 1s, length: 1s}]}}",
	} {
		require.Error(t, compiled.Validate(decoded(t, text)), name)
	}
}

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := schema(catalog())
	require.NoError(t, err)
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	require.NoError(t, compiler.AddResource("scenario.json", document))
	compiled, err := compiler.Compile("scenario.json")
	require.NoError(t, err)
	return compiled
}

// decoded is a YAML document as a JSON Schema sees it.
func decoded(t *testing.T, text string) any {
	t.Helper()
	converted, err := yaml.YAMLToJSON([]byte(text))
	require.NoError(t, err)
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(converted))
	require.NoError(t, err)
	return document
}
