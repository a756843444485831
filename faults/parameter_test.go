package faults

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// settings are what a fault makes of a step, for those that have parameters.
func settings(t *testing.T, fault Fault, args map[string]string) any {
	t.Helper()
	step := history.Step{Seed: 3, Args: args}
	var made any
	var err error
	switch of := fault.(type) {
	case Sever:
		step.Nodes = []string{"client1", "server1", "client2"}
		var injection *Injection
		if injection, err = of.Prepare(On(newFakeCluster(threeClients)), step); err == nil {
			made = severed(injection)
		}
	case Latency:
		made, err = of.shape(step)
	case Bandwidth:
		made, err = of.shape(step)
	case Slicing:
		made, err = of.shape(step)
	case SlowClose:
		made, err = of.shape(step)
	case Corruption:
		made, err = of.shape(step)
	case FlipBit:
		made, err = of.share(step)
	case Quota:
		var bytes, objects int
		bytes, objects, err = of.bounds(step)
		made = []int{bytes, objects}
	case Squeeze:
		made, err = of.limits(step, cluster.Usage{Memory: 80 << 20})
	case Disk:
		made, err = of.state(step)
	}
	require.NoError(t, err)
	return made
}

// TestParametersAreObeyed says something else than the seed would draw, and looks whether that becomes of the step. Every parameter is in the table.
func TestParametersAreObeyed(t *testing.T) {
	said := map[string]bool{}
	failing := cluster.DiskState{Seed: 3, Count: 1}
	for _, one := range []struct {
		fault Fault
		args  map[string]string
		want  any
	}{
		{
			Sever{},
			map[string]string{"from": "client1,client2", "direction": "up"},
			[]string{"client1 > server1", "client2 > server1"},
		},
		{Latency{}, map[string]string{"latency": "3s", "jitter": "0s"}, cluster.LinkShape{Latency: 3 * time.Second, Seed: 3}},
		{Bandwidth{}, map[string]string{"rate": "77"}, cluster.LinkShape{Bandwidth: 77}},
		{Slicing{}, map[string]string{"piece": "7", "pause": "3ms"}, cluster.LinkShape{Piece: 7, Pause: 3 * time.Millisecond}},
		{SlowClose{}, map[string]string{"delay": "4s"}, cluster.LinkShape{Linger: 4 * time.Second}},
		{Corruption{}, map[string]string{"every": "100"}, cluster.LinkShape{Flip: 100, Seed: 3}},
		{FlipBit{cluster.Codasrv}, map[string]string{"share": "1"}, 1.0},
		{Quota{}, map[string]string{"bytes": "0", "objects": "7"}, []int{0, 7}},
		{Squeeze{CPU, cluster.Venus}, map[string]string{"cpus": "1.5"}, cluster.Limits{CPUs: 1.5}},
		{Squeeze{Memory, cluster.Venus}, map[string]string{"spare": "7"}, cluster.Limits{Memory: 87 << 20}},
		{Disk{Slow, cluster.Venus}, map[string]string{"slowest": "2s"}, cluster.DiskState{Slowest: 2 * time.Second, Seed: 3}},
		{
			Disk{Failing, cluster.Venus},
			map[string]string{"share": "0.75", "operation": "rename", "error": "ENOSPC"},
			cluster.DiskState{Failing: 0.75, Operation: "rename", Error: "ENOSPC", Seed: 3},
		},
		{Disk{Failing, cluster.Codasrv}, map[string]string{"call": "12"}, with(failing, 12, 1)},
		{Disk{Failing, cluster.Codasrv}, map[string]string{"call": "12", "count": "3"}, with(failing, 12, 3)},
	} {
		require.NoError(t, CheckArguments(one.fault, one.args))
		require.Equal(t, one.want, settings(t, one.fault, one.args))
		require.NotEqual(t, settings(t, one.fault, nil), settings(t, one.fault, one.args))
		for name := range one.args {
			said[one.fault.Name()+" "+name] = true
		}
	}
	for _, fault := range All() {
		for _, parameter := range Parameters(fault) {
			twin := strings.Replace(fault.Name(), cluster.Codasrv, cluster.Venus, 1)
			other := strings.Replace(fault.Name(), cluster.Venus, cluster.Codasrv, 1)
			require.True(t, said[twin+" "+parameter.Name] || said[other+" "+parameter.Name], "%s of %s", parameter.Name, fault.Name())
		}
	}
}

func with(state cluster.DiskState, call, count int) cluster.DiskState {
	state.Call, state.Count = call, count
	return state
}

func TestArgumentsThatCannotBeMeant(t *testing.T) {
	for _, one := range []struct {
		fault Fault
		args  map[string]string
		want  string
	}{
		{Reset{}, map[string]string{"mode": "hard"}, `reset has no parameters, and so no "mode"`},
		{Sever{}, map[string]string{"direction": "out"}, `direction of sever is one of both, up, down, not "out"`},
		{Latency{}, map[string]string{"latncy": "1s"}, `latency has no parameter "latncy": it has latency, jitter`},
		{Latency{}, map[string]string{"latency": "1"}, `latency of latency is a duration from 1ms to 1m0s, not "1"`},
		{Latency{}, map[string]string{"jitter": "-1s"}, "jitter of latency"},
		{Bandwidth{}, map[string]string{"rate": "0"}, `rate of bandwidth is a whole number from 1 to 1073741824, not "0"`},
		{Slicing{}, map[string]string{"piece": "0"}, `piece of slicing is a whole number from 1 to 65536, not "0"`},
		{SlowClose{}, map[string]string{"delay": "1m"}, "delay of slow-close is a duration from 1ms to 5s"},
		{Corruption{}, map[string]string{"every": "often"}, "every of corruption is a whole number"},
		{Squeeze{CPU, cluster.Venus}, map[string]string{"cpus": "0"}, "cpus of squeeze-cpu-venus is a number above 0.01 and at most 1024"},
		{Disk{Failing, cluster.Venus}, map[string]string{"share": "0"}, "share of failing-disk-venus is a number above 0 and at most 1"},
		{Disk{Failing, cluster.Venus}, map[string]string{"share": "NaN"}, "share of failing-disk-venus"},
		{Disk{Failing, cluster.Venus}, map[string]string{"share": "1", "call": "1"}, "share of failing-disk-venus does not go with call"},
		{Disk{Failing, cluster.Venus}, map[string]string{"count": "2"}, "count of failing-disk-venus is of nothing without call"},
		{Disk{Failing, cluster.Venus}, map[string]string{"operation": "fsync"}, "operation of failing-disk-venus is one of read, write, sync"},
		{Disk{Failing, cluster.Venus}, map[string]string{"error": "EROFS"}, "error of failing-disk-venus is one of EIO, ENOSPC"},
		{Disk{Full, cluster.Venus}, map[string]string{"share": "1"}, "full-disk-venus has no parameters"},
	} {
		require.ErrorContains(t, CheckArguments(one.fault, one.args), one.want)
	}
}

// TestPrepareRefusesArguments does so for plans that no scenario has been checked for.
func TestPrepareRefusesArguments(t *testing.T) {
	for _, fault := range All() {
		if len(Parameters(fault)) == 0 {
			continue
		}
		args := map[string]string{Parameters(fault)[0].Name: "nonsense"}
		step := history.Step{Nodes: fault.Targets(threeClients)[0], Args: args}
		_, err := fault.Prepare(On(newFakeCluster(threeClients)), step)
		require.ErrorContains(t, err, "preparing "+fault.Name())
		require.ErrorContains(t, err, `"nonsense"`)
	}
}
