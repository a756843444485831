package scenario_test

import (
	"testing"
	"time"

	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/harness/scenario"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestMarshal(t *testing.T) {
	sc, err := scenario.Parse("", []byte(`
name: "no"
doc: "One line.\n\nAnother: with a colon."
volumes: 4
constants: {venus: {ping: 2s, workers: 5}, codasrv: {lease: 3s}}
workload: {name: mass-delete, files: 900, pattern: "[a-z]*", quick: true, empty: "", zeros: "007", word: "null"}
faults:
  must: [partition]
  mix: {partition: 2}
  steps: [{name: partition, nodes: [client1, server1], length: 2s, args: {mode: reset}}]
`))
	require.NoError(t, err)
	text, err := sc.Marshal()
	require.NoError(t, err)
	require.Equal(t, `name: "no"
doc: |
  One line.

  Another: with a colon.
clients: 3
servers: 1
volumes: 4
profile: modern
time_scale: 1
constants:
  codasrv:
    lease: "3s"
  venus:
    ping: "2s"
    workers: 5
load: 15s
workload:
  name: mass-delete
  empty: ""
  files: 900
  pattern: "[a-z]*"
  quick: true
  word: "null"
  zeros: "007"
faults:
  must: [partition]
  mix:
    partition: 2
  least: 500ms
  gap: 1.5s
  steps:
    - name: partition
      nodes: [client1, server1]
      start: 0s
      length: 2s
      args:
        mode: reset
limits:
  hang: 10s
  converge: 30s
`, string(text))
	requireSameAgain(t, sc)
}

func TestMarshalRefusesWhatParseWouldRefuse(t *testing.T) {
	_, err := scenario.Scenario{}.Marshal()
	require.ErrorContains(t, err, "name: is missing")
}

func TestEveryScenarioSurvivesItsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		requireSameAgain(t, anyScenario().Draw(t, "scenario"))
	})
}

// requireSameAgain demands that a scenario is equal to what its text says.
func requireSameAgain(t require.TestingT, sc scenario.Scenario) {
	text, err := sc.Marshal()
	require.NoError(t, err)
	again, err := scenario.Parse("", text)
	require.NoError(t, err, "%s", text)
	require.Equal(t, sc, again, "%s", text)
}

func anyScenario() *rapid.Generator[scenario.Scenario] {
	return rapid.Custom(func(t *rapid.T) scenario.Scenario {
		name := rapid.StringMatching(`[a-z0-9][a-z0-9-]{0,8}`)
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[ -~]{0,10}`), rapid.SampledFrom([]string{"true", "~", "1e3", "- a", "a: b", "\t", "\r\n", "\u2028", "#", "0x1f", "*a", "007"}))
		duration := func(least, most time.Duration) *rapid.Generator[time.Duration] {
			return rapid.Map(rapid.Int64Range(int64(least), int64(most)), func(n int64) time.Duration { return time.Duration(n) })
		}
		args := rapid.Custom(func(t *rapid.T) map[string]string {
			drawn := rapid.MapOfN(rapid.StringMatching(`[a-z~: ]{1,6}`), text, 0, 3).Draw(t, "args")
			for _, field := range []string{"name", "start", "length", "clients"} {
				delete(drawn, field)
			}
			if len(drawn) == 0 {
				return nil
			}
			return drawn
		})
		load := duration(time.Second, time.Hour).Draw(t, "load")
		step := rapid.Custom(func(t *rapid.T) scenario.Step {
			var when *history.Trigger
			if rapid.Bool().Draw(t, "triggered") {
				when = &history.Trigger{
					Operation: rapid.SampledFrom(history.Kinds()).Draw(t, "operation"), Count: rapid.IntRange(1, 1000).Draw(t, "count"), Node: rapid.SampledFrom([]string{"", "client1", "no"}).Draw(t, "node"),
				}
			}
			if when != nil && when.Node != "" && rapid.Bool().Draw(t, "at a failpoint") {
				when.Operation, when.Failpoint = 0, rapid.SampledFrom(history.Failpoints()).Draw(t, "failpoint")
			}
			return scenario.Step{
				When: when, Name: name.Draw(t, "fault"), Nodes: rapid.SliceOfN(text, 1, 3).Draw(t, "nodes"), Start: duration(0, load-1).Draw(t, "start"),
				Length: duration(1, time.Hour).Draw(t, "length"), Args: args.Draw(t, "args"),
			}
		})
		symptom := rapid.Custom(func(t *rapid.T) scenario.Symptom {
			s := scenario.Symptom{Check: name.Draw(t, "check"), Profiles: orNil(rapid.SliceOfN(name, 0, 2).Draw(t, "profiles")), Text: text.Draw(t, "text")}
			if s.Figure = text.Draw(t, "figure"); s.Figure != "" {
				s.Least = rapid.Float64Range(-1e6, 1e6).Draw(t, "least")
				s.Most = rapid.SampledFrom([]float64{0, 1e6, 2.5e6}).Draw(t, "most")
			}
			return s
		})
		mix := rapid.MapOfN(name, rapid.IntRange(1, 1000), 0, 3).Draw(t, "mix")
		if len(mix) == 0 {
			mix = nil
		}
		sc := scenario.Scenario{
			Name:      name.Draw(t, "name"),
			Doc:       rapid.StringMatching(`([!-~]([ -~\n]{0,20}[!-~])?)?`).Draw(t, "doc"),
			Clients:   rapid.IntRange(1, 100).Draw(t, "clients"),
			Servers:   rapid.IntRange(1, 8).Draw(t, "servers"),
			Profile:   name.Draw(t, "profile"),
			TimeScale: rapid.Float64Range(0.001, 1000).Draw(t, "scale"),
			Load:      load,
			Workload:  scenario.Workload{Name: name.Draw(t, "workload"), Args: args.Draw(t, "args")},
			Faults: scenario.Faults{
				Must:  orNil(rapid.SliceOfN(name, 0, 4).Draw(t, "must")),
				Mix:   mix,
				Least: duration(0, time.Hour).Draw(t, "least"),
				Gap:   duration(0, time.Hour).Draw(t, "gap"),
				Steps: orNil(rapid.SliceOfN(step, 0, 2).Draw(t, "steps")),
			},
			Limits: history.Limits{
				Hang: duration(1, time.Hour).Draw(t, "hang"), Converge: duration(1, time.Hour).Draw(t, "converge"),
				P99: duration(0, time.Hour).Draw(t, "p99"), Stall: duration(0, time.Hour).Draw(t, "stall"), Recover: duration(0, time.Hour).Draw(t, "recover"),
				Stale: duration(0, time.Hour).Draw(t, "stale"), Cached: duration(0, time.Hour).Draw(t, "cached"),
			},
			Expect: orNil(rapid.SliceOfN(symptom, 0, 2).Draw(t, "expect")),
		}
		if rapid.Bool().Draw(t, "several workloads") {
			sc.Workload = scenario.Workload{}
			sc.Workloads = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) scenario.Workload {
				w := scenario.Workload{Name: name.Draw(t, "workload"), Args: args.Draw(t, "args"), Start: duration(0, load-1).Draw(t, "start")}
				w.Length = duration(0, load-w.Start).Draw(t, "length")
				w.Clients = orNil(rapid.SliceOfNDistinct(text, 0, 3, rapid.ID[string]).Draw(t, "clients"))
				return w
			}), 1, 3).Draw(t, "workloads")
		}
		if constants := args.Draw(t, "constants"); constants != nil {
			sc.Constants = scenario.Constants{"venus": constants}
		}
		if rapid.Bool().Draw(t, "foreign") {
			sc.Constants = nil
			sc.Consistency = rapid.SampledFrom([]history.Consistency{
				{Level: history.CloseToOpen}, {Level: history.Session}, {Level: history.Eventual, Bound: time.Minute},
			}).Draw(t, "consistency")
			sc.On([]string{"/mnt/a", "/mnt/" + rapid.StringMatching(`[b-z ,'"#:]{1,5}`).Draw(t, "mount")})
		}
		return sc
	})
}

func orNil[T any](items []T) []T {
	if len(items) == 0 {
		return nil
	}
	return items
}

func FuzzParse(f *testing.F) {
	all, err := scenario.Library()
	require.NoError(f, err)
	for _, sc := range all {
		text, err := sc.Marshal()
		require.NoError(f, err)
		f.Add(text)
	}
	f.Add([]byte("name: a\nworkload: {name: b, c: !!str d}\nlimits: &x\n? [a]\n: *x\n"))
	f.Add([]byte("name: [\x00\n---\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		sc, err := scenario.Parse("f.yaml", text)
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		requireSameAgain(t, sc)
	})
}
