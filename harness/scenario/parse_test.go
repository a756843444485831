package scenario_test

import (
	"strings"
	"testing"
	"time"

	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/harness/scenario"
	"github.com/stretchr/testify/require"
)

var names = scenario.Names{
	Workloads: map[string][]string{"mass-delete": {"files", "rate"}, "bulk-overwrite": nil},
	Faults:    map[string][]string{"partition": nil, "kill-venus": nil, "kill-codasrv": {"how"}},
	Profiles:  []string{"coda-6.1", "modern"},
	Constants: map[string][]string{"venus": {"ping", "workers"}, "codasrv": {"lease"}},
}

func TestParse(t *testing.T) {
	got, err := scenario.Parse("mine.yaml", []byte(`
# What happened.
name: mine
doc: |
  A summary.

  More of it.
clients: 5
servers: 2
volumes: 3
profile: coda-6.1
time_scale: 2.5
constants:
  venus: {ping: 2s, workers: 5}
  codasrv:
    lease: 3s
load: 1m30s
workload:
  name: mass-delete
  files: 1200
  rate: "50"
faults:
  must: [partition, kill-venus, partition]
  mix: {kill-venus: 3}
  least: 2s
  gap: 250ms
  steps:
    - name: kill-codasrv
      nodes: [server1]
      start: 3s
      length: 2s
      args: {how: hard}
limits: {hang: 20s}
`), names)
	require.NoError(t, err)
	require.Equal(t, scenario.Scenario{
		Name: "mine", Doc: "A summary.\n\nMore of it.",
		Clients: 5, Servers: 2, Volumes: 3, Profile: "coda-6.1", TimeScale: 2.5, Load: 90 * time.Second,
		Constants: scenario.Constants{"venus": {"ping": "2s", "workers": "5"}, "codasrv": {"lease": "3s"}},
		Workload:  scenario.Workload{Name: "mass-delete", Args: map[string]string{"files": "1200", "rate": "50"}},
		Faults: scenario.Faults{
			Must:  []string{"partition", "kill-venus", "partition"},
			Mix:   map[string]int{"kill-venus": 3},
			Least: 2 * time.Second,
			Gap:   250 * time.Millisecond,
			Steps: []scenario.Step{{
				Name: "kill-codasrv", Nodes: []string{"server1"}, Start: 3 * time.Second, Length: 2 * time.Second,
				Args: map[string]string{"how": "hard"},
			}},
		},
		Limits: history.Limits{Hang: 20 * time.Second, Converge: 30 * time.Second},
	}, got)
}

func TestSeveralWorkloads(t *testing.T) {
	got, err := scenario.Parse("mine.yaml", []byte(`
name: mine
load: 20s
workloads:
  - name: mass-delete
    rate: 50
  - {name: bulk-overwrite, start: 5s, length: 10s, clients: [client2, client3]}
`), names)
	require.NoError(t, err)
	require.Equal(t, []scenario.Workload{
		{Name: "mass-delete", Args: map[string]string{"rate": "50"}},
		{Name: "bulk-overwrite", Start: 5 * time.Second, Length: 10 * time.Second, Clients: []string{"client2", "client3"}},
	}, got.Workloads)
	require.Zero(t, got.Workload)
	requireSameAgain(t, got)
	require.NoError(t, got.Set("workload.rate=3"))
	require.ErrorContains(t, got.Validate(), "workloads: cannot be there besides workload")
}

func TestDefaults(t *testing.T) {
	got, err := scenario.Parse("", []byte("name: least\nworkload: {name: anything}\nfaults:\nlimits:\n"))
	require.NoError(t, err)
	require.Equal(t, scenario.Scenario{
		Name: "least", Clients: 3, Servers: 1, Profile: "modern", TimeScale: 1, Load: 15 * time.Second,
		Workload: scenario.Workload{Name: "anything"},
		Faults:   scenario.Faults{Least: 500 * time.Millisecond, Gap: 1500 * time.Millisecond},
		Limits:   history.Limits{Hang: 10 * time.Second, Converge: 30 * time.Second},
	}, got)
}

func TestMountsAreTheClients(t *testing.T) {
	got, err := scenario.Parse("", []byte("name: mine\nworkload: {name: anything}\nmounts: [/a, /b]\n"))
	require.NoError(t, err)
	require.True(t, got.Foreign())
	require.Equal(t, []string{"/a", "/b"}, got.Mounts)
	require.Equal(t, 2, got.Clients)
	require.Zero(t, got.Servers)
	require.Equal(t, history.Consistency{Level: history.CloseToOpen}, got.Consistency)
	require.NoError(t, got.Set("consistency=eventual=3s"))
	require.Equal(t, history.Consistency{Level: history.Eventual, Bound: 3 * time.Second}, got.Consistency)
	require.ErrorContains(t, got.Set("clients=3"), "each of the 2 mounts is a client")
}

func TestErrorsHaveAPlaceAndAWayOut(t *testing.T) {
	const sound = "name: mine\nworkload:\n  name: mass-delete\n"
	tests := []struct{ name, text, want string }{
		{"an empty file", "", "f.yaml: name: is missing: it names the run directory"},
		{"only a comment", "# nothing\n", "f.yaml: name: is missing: it names the run directory"},
		{"not YAML", sound + "faults: [", `f.yaml:4:9: sequence end token ']' not found`},
		{"not text", "name: \xff\n", "f.yaml: this is not UTF-8 text"},
		{"a field twice", sound + "clients: 1\nclients: 2\n", `f.yaml:5:1: mapping key "clients" already defined at [4:1]`},
		{"two documents", sound + "---\nname: other\n", `f.yaml:4:1: a second document begins here: a file holds one scenario`},
		{"a list", "- name\n", "f.yaml:1:1: a list stands here: want fields, each with a value"},
		{"one workload and several", sound + "workloads: [{name: bulk-overwrite}]\n", `f.yaml:4:1: workloads: cannot be there besides workload: put all of them into the list`},
		{"no workloads", "name: mine\nworkloads: []\n", "f.yaml: workload.name: is missing: `codastress list workloads` shows what there is"},
		{"one of several without a name", "name: mine\nworkloads:\n  - rate: 3\n", "f.yaml:3:5: workloads[0].name: is missing: `codastress list workloads` shows what there is"},
		{"an unknown one of several", "name: mine\nworkloads: [{name: mass-delet}]\n", `f.yaml:2:20: workloads[0].name: unknown workload "mass-delet": did you mean "mass-delete"?`},
		{"an unknown argument of one of several", "name: mine\nworkloads: [{name: mass-delete, lenght: 3s}]\n", `f.yaml:2:33: workloads[0].lenght: unknown parameter of mass-delete "lenght": did you mean "length"?`},
		{"a workload after the load", "name: mine\nworkloads: [{name: mass-delete, start: 15s}]\n", `f.yaml:2:40: workloads[0].start: 15s is not within the load, which lasts 15s`},
		{"a workload that is too long", "name: mine\nworkloads: [{name: mass-delete, start: 5s, length: 11s}]\n", `f.yaml:2:52: workloads[0].length: 11s is not possible: 10s of the load are left`},
		{"a workload twice on a client", "name: mine\nworkloads: [{name: mass-delete, clients: [client1, client1]}]\n", `f.yaml:2:52: workloads[0].clients[1]: client1 stands there twice`},
		{"an unknown field", sound + "cleints: 3\n", `f.yaml:4:1: cleints: unknown field "cleints": did you mean "clients"?`},
		{"an unknown field inside", sound + "limits:\n  hnag: 1s\n", `f.yaml:5:3: limits.hnag: unknown field "hnag": did you mean "hang"?`},
		{"a field of a step", sound + "faults:\n  steps:\n    - nmae: x\n", `f.yaml:6:7: faults.steps[0].nmae: unknown field "nmae": did you mean "name"?`},
		{"a field that is a number", "1: x\n", `f.yaml:1:1: a single value cannot be the name of a field`},
		{"no workload", "name: mine\n", "f.yaml: workload.name: is missing: `codastress list workloads` shows what there is"},
		{"a workload without a name", "name: mine\nworkload:\n  rate: 5\n", "f.yaml:2:1: workload.name: is missing: `codastress list workloads` shows what there is"},
		{"a name that is no folder", "name: ../mine\n" + sound[11:], `f.yaml:1:7: name: "../mine" cannot name a run directory: use a-z, 0-9 and -, and at most 100 of them`},
		{"no clients", sound + "clients: 0\n", "f.yaml:4:10: clients: 0 is not possible: from 1 to 100 clients can be run"},
		{"no servers", sound + "servers: -1\n", "f.yaml:4:10: servers: -1 is not possible: from 1 to 8 servers can hold a volume"},
		{"too many volumes", sound + "volumes: 101\n", "f.yaml:4:10: volumes: 101 is not possible: from 0 to 100 directories of each client can be volumes"},
		{"volumes on mounts", sound + "mounts: [/a, /b]\nvolumes: 1\n", "f.yaml:5:10: volumes: 1 is not possible: the file system in the mounts has no volumes of ours"},
		{"clients that are no number", sound + "clients: many\n", `f.yaml:4:10: clients: "many" is no whole number`},
		{"clients that are a list", sound + "clients: [3]\n", `f.yaml:4:10: clients: a list stands here: want a single value`},
		{"a mistyped daemon", sound + "constants: {vensu: {ping: 2s}}\n", `f.yaml:4:13: constants.vensu: unknown daemon "vensu": did you mean "venus"?`},
		{"a mistyped constant", sound + "constants:\n  venus: {pign: 2s}\n", `f.yaml:5:11: constants.venus.pign: unknown constant of venus "pign": did you mean "ping"?`},
		{"constants of nothing", sound + "constants: 3\n", `f.yaml:4:12: constants: a single value stands here: want fields, each with a value`},
		{"constants on mounts", sound + "mounts: [/a, /b]\nconstants: {venus: {ping: 2s}}\n", `f.yaml:5:1: constants: cannot be set: the daemons of the file system in the mounts are not ours`},
		{"a mistyped profile", sound + "profile: coda-6.2\n", `f.yaml:4:10: profile: unknown profile "coda-6.2": did you mean "coda-6.1"?`},
		{"no profile", sound + "profile: \"\"\n", `f.yaml:4:10: profile: is missing: leave it out for modern`},
		{"a scale of nothing", sound + "time_scale: 0\n", `f.yaml:4:13: time_scale: 0 is not possible: it divides time constants, by 0.001 to 1000`},
		{"a scale that is no number", sound + "time_scale: .nan\n", `f.yaml:4:13: time_scale: ".nan" is no number`},
		{"a time without a unit", sound + "load: 14\n", `f.yaml:4:7: load: "14" is no length of time: write a number with its unit, as in 10s, 500ms or 1m30s`},
		{"no load", sound + "load: 0s\n", `f.yaml:4:7: load: 0s is not possible: it must be more than 0 and at most a week`},
		{"a limit below zero", sound + "limits:\n  converge: -1s\n", `f.yaml:5:13: limits.converge: -1s is not possible: it must be more than 0 and at most a week`},
		{"a length below zero", sound + "faults:\n  least: -1s\n", `f.yaml:5:10: faults.least: -1s is not possible: it must be at least 0 and at most a week`},
		{"a limit that can be left out, below zero", sound + "limits:\n  stall: -1s\n", `f.yaml:5:10: limits.stall: -1s is not possible: it must be more than 0 and at most a week, or 0 for none`},
		{"a gap below zero", sound + "faults:\n  gap: -1s\n", `f.yaml:5:8: faults.gap: -1s is not possible: it must be at least 0 and at most a week`},
		{"faults that are no list", sound + "faults:\n  must: partition\n", `f.yaml:5:9: faults.must: a single value stands here: want a list, as in [one, two]`},
		{"a weight of nothing", sound + "faults:\n  mix: {partition: 0}\n", `f.yaml:5:20: faults.mix.partition: 0 is no weight: use 1 to 1000, and leave out what shall not happen`},
		{"an unknown fault in the mix", sound + "faults:\n  mix: {pratition: 1}\n", `f.yaml:5:20: faults.mix.pratition: unknown fault "pratition": did you mean "partition"?`},
		{"a fault without a name", sound + "faults:\n  must: [partition, '']\n", "f.yaml:5:21: faults.must[1]: is empty: `codastress list faults` shows what there is"},
		{"a step without nodes", sound + "faults:\n  steps:\n    - name: partition\n", `f.yaml:6:7: faults.steps[0].nodes: is missing: say where, as in [client1]`},
		{
			"a step after the load", sound + "faults:\n  steps:\n    - {name: partition, nodes: [client1], start: 15s, length: 1s}\n",
			`f.yaml:6:50: faults.steps[0].start: 15s is not within the load, which lasts 15s`,
		},
		{"a step without length", sound + "faults:\n  steps:\n    - {name: partition, nodes: [client1]}\n", `f.yaml:6:7: faults.steps[0].length: 0s is not possible: it must be more than 0 and at most a week`},
		{"an argument that is a list", sound + "  files: [1]\n", `f.yaml:4:10: workload.files: a list stands here: want a single value`},
		{"an argument without a value", sound + "  files:\n", `f.yaml:4:10: workload.files: nothing stands here: want a single value`},
		{"an alias", "name: &n mine\nworkload: {name: *n}\n", `f.yaml:1:7: name: an anchor, an alias or a merge, which scenarios do not have, stands here: want a single value`},
		{"an unknown workload", "name: mine\nworkload:\n  name: mass-delet\n", `f.yaml:3:9: workload.name: unknown workload "mass-delet": did you mean "mass-delete"?`},
		{"one mount", sound + "mounts: [/a]\n", `f.yaml:4:1: mounts: /a alone shows no consistency: name at least two directories that are mounts of one file system`},
		{"a mount twice", sound + "mounts: [/a, /b, /a/]\n", `f.yaml:4:18: mounts[2]: /a stands there twice: each client needs a mount of its own`},
		{"a mount from somewhere", sound + "mounts: [/a, b]\n", `f.yaml:4:14: mounts[1]: "b" is no absolute path`},
		{"servers besides mounts", sound + "mounts: [/a, /b]\nservers: 1\n", `f.yaml:5:10: servers: 1 is not possible: the file system in the mounts has its own`},
		{"other clients than mounts", sound + "clients: 3\nmounts: [/a, /b]\n", `f.yaml:4:10: clients: 3 is not possible: each of the 2 mounts is a client`},
		{"a claim without mounts", sound + "consistency: session\n", `f.yaml:4:14: consistency: session cannot be chosen: it is what a file system claims that is not ours, and there are no mounts of one`},
		{"a claim of nothing", sound + "mounts: [/a, /b]\nconsistency: strong\n", `f.yaml:5:14: consistency: no consistency level: "strong": use close-to-open, session, or eventual=TIME as in eventual=10s`},
		{"an unknown argument", sound + "  filse: 5\n", `f.yaml:4:3: workload.filse: unknown parameter of mass-delete "filse": did you mean "files"?`},
		{"an unknown fault", sound + "faults:\n  must:\n    - partition\n    - kil-venus\n", `f.yaml:7:7: faults.must[1]: unknown fault "kil-venus": did you mean "kill-venus"?`},
		{
			"a step that waits for an unknown operation", sound + "faults:\n  steps:\n    - {name: kill-venus, nodes: [client1], length: 1s, when: {operation: remvoe, count: 3}}\n",
			`f.yaml:6:74: faults.steps[0].when.operation: unknown operation "remvoe": did you mean "remove"?`,
		},
		{
			"a step that waits for nothing", sound + "faults:\n  steps:\n    - {name: kill-venus, nodes: [client1], length: 1s, when: {count: 3}}\n",
			`f.yaml:6:56: faults.steps[0].when.operation: is missing: say what is to be counted, as in remove, or name a failpoint`,
		},
		{
			"a step that waits for an unknown failpoint", sound + "faults:\n  steps:\n    - {name: kill-venus, nodes: [client1], length: 1s, when: {failpoint: commiting, node: client1}}\n",
			`f.yaml:6:74: faults.steps[0].when.failpoint: unknown failpoint "commiting": did you mean "committing"?`,
		},
		{
			"a step that waits for anybody's failpoint", sound + "faults:\n  steps:\n    - {name: kill-venus, nodes: [client1], length: 1s, when: {failpoint: sent}}\n",
			`f.yaml:6:56: faults.steps[0].when.node: is missing: say whose daemon is to come to the failpoint, as in server1`,
		},
		{
			"a step that waits for both", sound + "faults:\n  steps:\n    - {name: kill-venus, nodes: [client1], length: 1s, when: {failpoint: sent, operation: remove, node: client1}}\n",
			`f.yaml:6:74: faults.steps[0].when.failpoint: does not go with an operation: wait for one of both`,
		},
		{
			"a step that waits for no operation", sound + "faults:\n  steps:\n    - {name: kill-venus, nodes: [client1], length: 1s, when: {operation: remove, count: 0}}\n",
			`f.yaml:6:89: faults.steps[0].when.count: 0 is not possible: it must be from 1 to 1000000000`,
		},
		{
			"an unknown parameter of a fault", sound + "faults:\n  steps:\n    - {name: kill-codasrv, nodes: [server1], length: 1s, args: {hwo: x}}\n",
			`f.yaml:6:65: faults.steps[0].args.hwo: unknown parameter of kill-codasrv "hwo": did you mean "how"?`,
		},
		{
			"a parameter of a fault that has none", sound + "faults:\n  steps:\n    - {name: kill-venus, nodes: [client1], length: 1s, args: {how: x}}\n",
			`f.yaml:6:63: faults.steps[0].args.how: unknown parameter of kill-venus "how": there is none`,
		},
		{
			"an unknown fault in a step", sound + "faults:\n  steps:\n    - {name: kil-venus, nodes: [client1], length: 1s}\n",
			`f.yaml:6:14: faults.steps[0].name: unknown fault "kil-venus": did you mean "kill-venus"?`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := scenario.Parse("f.yaml", []byte(test.text), names)
			require.EqualError(t, err, test.want)
			require.NotContains(t, err.Error(), "\n")
			var problem *scenario.Error
			require.ErrorAs(t, err, &problem)
		})
	}
}

func TestNamesAreOnlyLookedUpWhenTheyAreKnown(t *testing.T) {
	_, err := scenario.Parse("f.yaml", []byte("name: mine\nworkload: {name: other, what: ever}\nfaults: {must: [any]}\n"))
	require.NoError(t, err)
}

func TestSet(t *testing.T) {
	base, err := scenario.Parse("", []byte("name: mine\nworkload: {name: mass-delete, files: 900}\nfaults: {must: [partition]}\nconstants: {venus: {ping: 2s}}\n"))
	require.NoError(t, err)
	tests := []struct {
		setting string
		check   func(*scenario.Scenario)
	}{
		{"clients=7", func(s *scenario.Scenario) { s.Clients = 7 }},
		{"load=1m", func(s *scenario.Scenario) { s.Load = time.Minute }},
		{"limits.hang=2s", func(s *scenario.Scenario) { s.Limits.Hang = 2 * time.Second }},
		{"constants.venus.ping=3s", func(s *scenario.Scenario) { s.Constants = scenario.Constants{"venus": {"ping": "3s"}} }},
		{"constants.codasrv.lease=1s", func(s *scenario.Scenario) {
			s.Constants = scenario.Constants{"venus": {"ping": "2s"}, "codasrv": {"lease": "1s"}}
		}},
		{"workload.files=5", func(s *scenario.Scenario) { s.Workload.Args = map[string]string{"files": "5"} }},
		{"workload.rate=50", func(s *scenario.Scenario) { s.Workload.Args = map[string]string{"files": "900", "rate": "50"} }},
		{"workload.name=other", func(s *scenario.Scenario) { s.Workload = scenario.Workload{Name: "other"} }},
		{"workload.pattern=a=b", func(s *scenario.Scenario) {
			s.Workload.Args = map[string]string{"files": "900", "pattern": "a=b"}
		}},
		{"faults.must=[kill-venus, partition]", func(s *scenario.Scenario) { s.Faults.Must = []string{"kill-venus", "partition"} }},
		{"faults.must=kill-venus, partition", func(s *scenario.Scenario) { s.Faults.Must = []string{"kill-venus", "partition"} }},
		{"faults.must=kill-venus", func(s *scenario.Scenario) { s.Faults.Must = []string{"kill-venus"} }},
		{"faults.must=", func(s *scenario.Scenario) { s.Faults.Must = nil }},
		{"faults.must=[]", func(s *scenario.Scenario) { s.Faults.Must = nil }},
	}
	for _, test := range tests {
		t.Run(test.setting, func(t *testing.T) {
			want, got := base, base
			test.check(&want)
			require.NoError(t, got.Set(test.setting))
			require.Equal(t, want, got)
		})
	}
	for setting, want := range map[string]string{
		"clients":          "write it as FIELD=VALUE",
		"=3":               "write it as FIELD=VALUE",
		"cleints=3":        `setting cleints=3: cleints: unknown field "cleints": did you mean "clients"?`,
		"load=14":          `setting load=14: load: "14" is no length of time`,
		"faults.must=[a":   `setting faults.must=[a: `,
		"load=1s\nname: x": "write it as FIELD=VALUE",
	} {
		got := base
		require.ErrorContains(t, got.Set("workload.rate=50", setting), want)
		require.Equal(t, base, got, "a setting that fails changes nothing")
	}
}

func TestLibrary(t *testing.T) {
	all, err := scenario.Library()
	require.NoError(t, err)
	var found []string
	for _, sc := range all {
		found = append(found, sc.Name)
		loaded, err := scenario.Load(sc.Name)
		require.NoError(t, err)
		require.Equal(t, sc, loaded, "the file of a scenario has its name")
		require.NotEmpty(t, sc.Doc)
		require.LessOrEqual(t, len(strings.Split(sc.Doc, "\n")[0]), 100, "the first line of %s is a summary", sc.Name)
	}
	require.Equal(t, []string{
		"append-log", "bulk-overwrite", "concurrent-readers", "conflicting-edits", "coordinator-crash", "create-storm", "deep-tree", "deploy",
		"hard-links", "hoard-and-travel", "large-files", "many-volumes", "mass-delete", "mixed", "mmap", "register", "rename-storm", "replica-loss",
		"rolling-restart", "shared-directory", "skewed-readers", "split-brain", "trace", "web-hosting-2007",
	}, found)
}

func TestMassDeleteHasWhatTheIncidentHad(t *testing.T) {
	sc, err := scenario.Load("mass-delete")
	require.NoError(t, err)
	require.Equal(t, 3, sc.Clients)
	require.Equal(t, 1, sc.Servers)
	require.Subset(t, sc.Faults.Must, []string{"partition", "kill-venus", "kill-codasrv"})
}

func TestLoad(t *testing.T) {
	_, err := scenario.Load("mass-delte")
	require.EqualError(t, err, `unknown scenario "mass-delte": did you mean "mass-delete"?`)
	require.ErrorIs(t, err, scenario.ErrUnknown)
	_, err = scenario.Load("nowhere/mine.yaml")
	require.ErrorContains(t, err, "reading the scenario: open nowhere/mine.yaml: no such file or directory")
	_, err = scenario.Load("mass-delete", scenario.Names{Profiles: []string{"modern"}})
	require.ErrorContains(t, err, "library/mass-delete.yaml:11:9: workload.name: unknown workload")
}
