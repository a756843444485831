package scenario_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness/scenario"
)

func TestWhatTurnsOutWrongLaterHasAPlace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mine.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`name: mine
workload:
  name: mass-delete
  rate: abc
faults:
  must: [partition]
constants:
  venus: {ping: 0s}
`), 0o600))
	_, source, err := scenario.Read(file)
	require.NoError(t, err)
	at := func(place string) string { return file + ":" + place }
	for want, problem := range map[string]*scenario.Error{
		at("4:9: workload.rate: bad"):         scenario.WrongValue("workload.rate", "bad"),
		at("4:3: workload.rate: bad"):         scenario.Wrong("workload.rate", "bad"),
		at("8:17: constants.venus.ping: bad"): scenario.WrongValue("constants.venus.ping", "bad"),
		at("6:10: faults.must[0]: bad"):       scenario.Wrong("faults.must[0]", "bad"),
		at("5:1: faults.gap: bad"):            scenario.Wrong("faults.gap", "bad"),
		file + ": clients: bad":               scenario.Wrong("clients", "bad"),
	} {
		require.EqualError(t, source.Locate(problem), want)
	}
	source.Changed("workload.rate", "faults.must", "clients")
	for want, problem := range map[string]*scenario.Error{
		"workload.rate: bad":           scenario.WrongValue("workload.rate", "bad"),
		"faults.must[0]: bad":          scenario.Wrong("faults.must[0]", "bad"),
		at("2:1: workload.rates: bad"): scenario.Wrong("workload.rates", "bad"),
		at("3:9: workload.name: bad"):  scenario.Wrong("workload.name", "bad"),
	} {
		require.EqualError(t, source.Locate(problem), want)
	}
	other := errors.New("other")
	require.Equal(t, other, source.Locate(other))
	require.EqualError(t, scenario.Source{}.Locate(scenario.Wrong("clients", "bad")), "clients: bad")
}
