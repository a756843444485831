package shrink_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/harness/scenario"
	"github.com/codastress/codastress/harness/shrink"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var parameters = map[string][]shrink.Parameter{"some": {{Name: "pages", Default: "2700"}, {Name: "pattern", Default: "x"}}}

// large draws a scenario with fixed faults, each with a length that tells it apart.
func large(t *rapid.T) scenario.Scenario {
	sc := scenario.Scenario{
		Name: "large", Profile: scenario.DefaultProfile, Clients: rapid.IntRange(1, 6).Draw(t, "clients"), Servers: 1, TimeScale: 1, Load: time.Minute,
		Workload: scenario.Workload{Name: "some"},
		Faults:   scenario.Faults{Must: []string{"kill", "reset"}, Mix: map[string]int{"kill": 1}, Gap: time.Second},
		Limits:   history.Limits{Hang: time.Second, Converge: time.Second},
	}
	for i := range rapid.IntRange(0, 9).Draw(t, "faults") {
		sc.Faults.Steps = append(sc.Faults.Steps, scenario.Step{Name: fmt.Sprint("fault", i), Nodes: []string{"client1"}, Start: time.Duration(i+1) * time.Second, Length: time.Second})
	}
	return sc
}

// needs says what a bug needs to show itself.
type needs struct {
	faults []string
	pages  int
	client int
}

func (n needs) met(sc scenario.Scenario) bool {
	pages := 2700
	if text, set := sc.Workload.Args["pages"]; set {
		pages, _ = strconv.Atoi(text)
	}
	for _, name := range n.faults {
		if !slices.ContainsFunc(sc.Faults.Steps, func(s scenario.Step) bool { return s.Name == name }) {
			return false
		}
	}
	return pages >= n.pages && sc.Clients >= n.client
}

// Whatever a bug needs is found out, and nothing else is left.
func TestNothingIsLeftThatIsNotNeeded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sc := large(t)
		bug := needs{pages: rapid.IntRange(0, 2700).Draw(t, "pages"), client: rapid.IntRange(1, sc.Clients).Draw(t, "needed clients")}
		for _, step := range sc.Faults.Steps {
			if rapid.Bool().Draw(t, "needed "+step.Name) {
				bug.faults = append(bug.faults, step.Name)
			}
		}
		trials := 0
		got, err := shrink.Search{Parameters: parameters, Try: func(_ context.Context, sc scenario.Scenario) (bool, error) {
			trials++
			return bug.met(sc), nil
		}}.Shrink(context.Background(), sc)
		require.NoError(t, err)
		require.True(t, bug.met(got), "what was found fails")
		require.Len(t, got.Faults.Steps, len(bug.faults))
		require.Empty(t, got.Faults.Must)
		require.Empty(t, got.Faults.Mix)
		require.Equal(t, bug.client, got.Clients)
		pages, err := strconv.Atoi(got.Workload.Args["pages"])
		if err == nil {
			require.LessOrEqual(t, pages, max(bug.pages, bug.pages*4/3+1))
		}
		require.Less(t, got.Load, 15*time.Second)
		require.Less(t, trials, 400)
	})
}

// Of several workloads those are left out that are not needed, and the others made smaller.
func TestWorkloadsAreLeftOut(t *testing.T) {
	sc, err := scenario.Parse("", []byte("{name: a, load: 40s, constants: {venus: {ping: 2s}}, workloads: [{name: other}, {name: some, start: 10s, length: 20s}, {name: some, clients: [client1]}]}"))
	require.NoError(t, err)
	got, err := shrink.Search{Parameters: parameters, Try: func(_ context.Context, sc scenario.Scenario) (bool, error) {
		return slices.ContainsFunc(sc.Workloads, func(w scenario.Workload) bool { return w.Name == "some" && w.Clients == nil && w.Length >= time.Second }), nil
	}}.Shrink(t.Context(), sc)
	require.NoError(t, err)
	require.Len(t, got.Workloads, 1)
	left := got.Workloads[0]
	require.Equal(t, "some", left.Name)
	require.Less(t, left.Length, 2*time.Second)
	require.Zero(t, left.Start)
	require.Equal(t, "0", left.Args["pages"])
	require.Less(t, got.Load, 5*time.Second)
	require.Equal(t, "2s", got.Constants["venus"]["ping"], "what is set stays")
	require.Equal(t, 20*time.Second, sc.Workloads[1].Length, "the scenario itself stays as it was")
	require.Nil(t, sc.Workloads[1].Args)
}

// A bug that shows itself by no rule leads to something that failed when it was tried.
func TestWhatIsFoundFailed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sc := large(t)
		text, err := sc.Marshal()
		require.NoError(t, err)
		failed := map[string]bool{string(text): true}
		got, err := shrink.Search{Parameters: parameters, Try: func(_ context.Context, sc scenario.Scenario) (bool, error) {
			text, err := sc.Marshal()
			fails := rapid.Bool().Draw(t, "fails")
			failed[string(text)] = fails
			return fails, err
		}}.Shrink(context.Background(), sc)
		require.NoError(t, err)
		text, err = got.Marshal()
		require.NoError(t, err)
		require.True(t, failed[string(text)])
	})
}

func TestShrinkEnds(t *testing.T) {
	sc, err := scenario.Parse("", []byte("{name: a, clients: 3, workload: {name: some}}"))
	require.NoError(t, err)
	broken := errors.New("no disk")
	_, err = shrink.Search{Try: func(context.Context, scenario.Scenario) (bool, error) { return false, broken }}.Shrink(t.Context(), sc)
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, "1 client")

	ctx, cancel := context.WithCancel(t.Context())
	var told []shrink.Step
	got, err := shrink.Search{
		Try:  func(ctx context.Context, _ scenario.Scenario) (bool, error) { return true, nil },
		Tell: func(s shrink.Step) { told = append(told, s); cancel() },
	}.Shrink(ctx, sc)
	require.NoError(t, err)
	require.Equal(t, []shrink.Step{{What: "1 client", Fails: true}}, told)
	require.Equal(t, 1, got.Clients, "what was found before the end counts")
}
