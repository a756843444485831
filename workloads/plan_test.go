package workloads

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

func request(seed uint64, clients ...string) PlanRequest {
	return PlanRequest{Clients: clients, Seed: seed, Load: 14 * time.Second}
}

func TestTheSameSeedGivesTheSamePlan(t *testing.T) {
	for _, workload := range All() {
		t.Run(workload.Name(), func(t *testing.T) {
			steps, err := workload.Plan(request(42, "client1", "client2", "client3"))
			require.NoError(t, err)
			got, err := json.MarshalIndent(steps, "", "  ")
			require.NoError(t, err)
			path := filepath.Join("testdata", "plan", workload.Name()+".json")
			if *update {
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
				require.NoError(t, os.WriteFile(path, append(got, '\n'), 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got)+"\n", "run the test with -update if the plans are meant to be different now")
		})
	}
}

func TestTheBurstIsWithinTheLoadAndTheSite(t *testing.T) {
	starts := map[time.Duration]bool{}
	for seed := range uint64(100) {
		steps, err := MassDelete{}.Plan(request(seed, "client1", "client2", "client3"))
		require.NoError(t, err)
		burst := steps[len(steps)-1]
		starts[burst.Start] = true
		require.Equal(t, taskDelete, burst.Task)
		require.Equal(t, []string{"client3"}, burst.Nodes)
		require.GreaterOrEqual(t, burst.Start, 1400*time.Millisecond)
		require.LessOrEqual(t, burst.Start, 7*time.Second)
		require.Equal(t, 14*time.Second, burst.Start+burst.Length)
		args := arguments{step: burst.Args}
		first, count := args.number("first"), args.number("count")
		require.NoError(t, args.err)
		require.Equal(t, 900, count)
		require.LessOrEqual(t, first+count, 2700)
	}
	require.Greater(t, len(starts), 90)
}

func TestPlansForOneClient(t *testing.T) {
	for _, workload := range All() {
		steps, err := workload.Plan(request(1, "only"))
		require.NoError(t, err)
		for _, step := range steps {
			require.Equal(t, []string{"only"}, step.Nodes)
			require.NotEqual(t, taskReadSite, step.Task)
		}
	}
}

func TestPlanRefusesWhatCannotBe(t *testing.T) {
	tests := []struct {
		name    string
		request PlanRequest
		problem string
	}{
		{"no clients", request(1), "workload mass-delete: it needs at least one client"},
		{"no load", PlanRequest{Clients: []string{"a"}}, "a load of 0s is too short"},
		{"an unknown parameter", with("pagse", "3"), `there is no parameter "pagse": there are at, delete, directories, edits, edits_at, large, looks, pages, rate, size`},
		{"no number", with("rate", "fast"), `parameter rate: "fast" is not a whole number from 1 to 1000`},
		{"too small", with("pages", "0"), `parameter pages: "0" is not a whole number from 1 to 200000`},
		{"too large", with("size", "1048577"), `parameter size: "1048577" is not a whole number from 512 to 1048576`},
		{"more to delete than there is", with("pages", "899"), "parameter delete: 900 is not a number from 1 to the number of pages, 899"},
		{"a deletion after the load", with("at", "14s"), "parameter at: 14s is not within the load, which lasts 14s"},
		{"more directories than pages", with("directories", "2701"), "parameter directories: 2701 is not a number from 1 to the number of pages, 2700"},
		{"more large pages than pages", with("pages", "7", "directories", "1"), "parameter large: 8 is not a number from 0 to the number of pages, 7"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := MassDelete{}.Plan(test.request)
			require.ErrorContains(t, err, test.problem)
		})
	}
	_, err := ConcurrentReaders{}.Plan(with("think", "2h"))
	require.ErrorContains(t, err, `parameter think: "2h" is not a duration from 0s to 1m0s`)
}

// with is a request with some arguments.
func with(args ...string) PlanRequest {
	r := request(1, "client1")
	r.Args = map[string]string{}
	for i := 0; i < len(args); i += 2 {
		r.Args[args[i]] = args[i+1]
	}
	return r
}

func TestDefaultsOfParametersAreAllowed(t *testing.T) {
	for _, workload := range All() {
		r := request(1, "client1")
		r.Args = map[string]string{}
		for _, parameter := range workload.Parameters() {
			r.Args[parameter.Name] = parameter.Default
			require.NotEmpty(t, parameter.Doc)
		}
		explicit, err := workload.Plan(r)
		require.NoError(t, err)
		implicit, err := workload.Plan(request(1, "client1"))
		require.NoError(t, err)
		require.Equal(t, implicit, explicit)
	}
}

func TestASiteHasRealisticPages(t *testing.T) {
	values, err := siteParameters().resolve(nil)
	require.NoError(t, err)
	s, err := newSite(values, 7)
	require.NoError(t, err)
	names, directories, large, below, total := map[string]bool{}, map[string]int{}, 0, 0, 0
	for i := range s.pages {
		names[s.page(i)] = true
		directories[filepath.Dir(s.page(i))]++
		length := s.length(i)
		total += length
		if length == largeSize {
			large++
		} else if length < s.size {
			below++
		}
	}
	require.Len(t, names, 2700)
	require.Len(t, directories, 27)
	for _, pages := range directories {
		require.Equal(t, 100, pages)
	}
	require.Equal(t, 8, large)
	require.InDelta(t, 1350, below, 100, "half of the pages are below the median")
	require.InDelta(t, 14<<10, (total-large*largeSize)/s.pages, 2<<10)

	again := arguments{step: s.args(nil)}
	require.Equal(t, s, siteOf(&again))
	require.NoError(t, again.err)
	other, err := newSite(values, 8)
	require.NoError(t, err)
	require.NotEqual(t, s.root, other.root)
}

func TestABrokenPlanIsRefused(t *testing.T) {
	steps, err := MassDelete{}.Plan(request(1, "client1"))
	require.NoError(t, err)
	for _, step := range steps {
		for name := range step.Args {
			if name == "root" {
				continue
			}
			broken := step
			broken.Args = map[string]string{}
			for other, value := range step.Args {
				if other != name {
					broken.Args[other] = value
				}
			}
			_, err := MassDelete{}.Do(t.Context(), broken, Environment{Node: "client1"})
			require.ErrorContains(t, err, "argument "+name, step.Task)
		}
	}
	_, err = MassDelete{}.Do(t.Context(), history.Step{Number: 3, Name: "mass-delete", Task: "dance"}, Environment{})
	require.ErrorContains(t, err, `step 3: workload mass-delete has no task "dance": it has `+strings.Join([]string{taskDelete, taskFetchPages}, ", "))
}
