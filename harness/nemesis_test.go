package harness

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/harness/scenario"
)

// slowHarm is a fault that takes its time.
type slowHarm struct {
	record           history.Fault
	injecting, proof time.Duration // before it is there, and before that was seen
	healing          time.Duration
}

func (s *slowHarm) Inject(context.Context) error {
	s.record.Injecting = history.Now()
	time.Sleep(s.injecting)
	s.record.Injected = history.Now()
	time.Sleep(s.proof)
	s.record.Proven = history.Now()
	return nil
}

func (s *slowHarm) Recover(context.Context) error {
	s.record.Recovering = history.Now()
	time.Sleep(s.healing)
	s.record.Recovered = history.Now()
	return nil
}

func (s *slowHarm) Record() history.Fault { return s.record }

// quiet is told what a run does, and keeps it to itself.
type quiet struct{}

func (quiet) Phase(string)                 {}
func (quiet) Chunk([]byte)                 {}
func (quiet) FaultInjecting(history.Step)  {}
func (quiet) FaultRecovered(history.Fault) {}
func (quiet) Stall(history.Stall)          {}

// harmed carries out the faults of a plan, and gives their records by step. The times are those since the start.
func harmed(t *testing.T, faults scenario.Faults, like slowHarm, plan ...history.Step) map[int]history.Fault {
	t.Helper()
	for i := range plan {
		plan[i].Number, plan[i].Phase, plan[i].Name = i+1, phaseFault, "slow"
	}
	dir := t.TempDir()
	writer, err := history.NewWriter(dir)
	require.NoError(t, err)
	require.NoError(t, history.WriteMeta(dir, history.Meta{}))
	require.NoError(t, history.WritePlan(dir, plan))
	r := &running{
		scenario: scenario.Scenario{Faults: faults}, plan: plan, log: slog.New(slog.DiscardHandler), progress: quiet{}, writer: writer,
		catalog: Catalog{Faults: []Fault{{Name: "slow", Prepare: func(_ *cluster.Cluster, step history.Step) (Injection, error) {
			one := like
			one.record = history.Fault{Step: step.Number, Nodes: step.Nodes}
			return &one, nil
		}}}},
	}
	start := history.Now()
	require.NoError(t, r.nemesis(t.Context(), time.Now(), nil))
	require.NoError(t, writer.Close())
	run, err := history.ReadRun(dir)
	require.NoError(t, err)
	records := map[int]history.Fault{}
	for _, record := range run.Faults {
		for _, moment := range []*history.Time{&record.Injecting, &record.Injected, &record.Proven, &record.Recovering, &record.Recovered} {
			*moment -= start
		}
		records[record.Step] = record
	}
	require.Len(t, records, len(plan))
	return records
}

func seconds(n float64) history.Time { return history.Time(n * float64(time.Second)) }

// TestAGapIsKeptThoughHealingTakesLong plans faults a gap apart, of which each takes three seconds to heal: the next one at one of its nodes comes a gap
// after that, and one at other nodes at its time.
func TestAGapIsKeptThoughHealingTakesLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		records := harmed(t, scenario.Faults{Least: time.Second, Gap: 2 * time.Second}, slowHarm{healing: 3 * time.Second},
			history.Step{Nodes: []string{"client1", "server1"}, Start: 0, Length: 2 * time.Second},
			history.Step{Nodes: []string{"server1"}, Start: 4 * time.Second, Length: 2 * time.Second},
			history.Step{Nodes: []string{"client2"}, Start: 4 * time.Second, Length: 2 * time.Second},
			history.Step{Nodes: []string{"server1"}, Start: 20 * time.Second, Length: 2 * time.Second},
		)
		require.Equal(t, seconds(5), records[1].Recovered)
		require.Equal(t, seconds(7), records[2].Injecting, "the gap, from the healing")
		require.Equal(t, seconds(4), records[3].Injecting, "it shares no node")
		require.Equal(t, seconds(20), records[4].Injecting, "its time came later")
	})
}

// TestFixedStepsKeepThePlannedDistance has steps that follow each other sooner than the gap, as a scenario that places them itself can say.
func TestFixedStepsKeepThePlannedDistance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		records := harmed(t, scenario.Faults{Least: time.Second, Gap: time.Minute}, slowHarm{healing: 3 * time.Second},
			history.Step{Nodes: []string{"server1"}, Start: 0, Length: 2 * time.Second},
			history.Step{Nodes: []string{"server1"}, Start: 2500 * time.Millisecond, Length: 2 * time.Second},
			history.Step{Nodes: []string{"server1"}, Start: 3 * time.Second, Length: 2 * time.Second},
		)
		require.Equal(t, seconds(5.5), records[2].Injecting)
		require.Equal(t, seconds(6), records[3].Injecting, "it is planned to overlap with the second, and a second after the first")
	})
}

// TestAFaultIsThereForALeastTime has an injection that takes longer than the fault was to last: it is there for the least time all the same, since it was
// injected. What was seen of it does not prolong it.
func TestAFaultIsThereForALeastTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		faults := scenario.Faults{Least: 4 * time.Second}
		long := history.Step{Nodes: []string{"server1"}, Length: 5 * time.Second}
		require.Equal(t, seconds(6+4), harmed(t, faults, slowHarm{injecting: 6 * time.Second, proof: time.Second}, long)[1].Recovering)
		require.Equal(t, seconds(5), harmed(t, faults, slowHarm{injecting: time.Second, proof: 2 * time.Second}, long)[1].Recovering)
		require.Equal(t, seconds(7), harmed(t, faults, slowHarm{injecting: time.Second, proof: 6 * time.Second}, long)[1].Recovering)
		short := history.Step{Nodes: []string{"server1"}, Length: 2 * time.Second}
		require.Equal(t, seconds(6+2), harmed(t, faults, slowHarm{injecting: 6 * time.Second}, short)[1].Recovering, "a step that is to be shorter is")
	})
}
