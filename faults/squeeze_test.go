package faults_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/faults"
	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/history"
)

// squeeze holds the server of a cluster of containers to little of a processor and of memory, one after the other. Its daemon is a stub, which needs next to
// nothing of either, so it is looked whether the engine has set what it was told, and taken it back.
func squeeze(t *testing.T, c *cluster.Cluster) {
	server, err := c.Node("server1")
	require.NoError(t, err)
	limits := func() cluster.Limits {
		usage, err := server.Usage(t.Context())
		require.NoError(t, err)
		require.Positive(t, usage.Memory)
		require.GreaterOrEqual(t, usage.Total, usage.Memory)
		return usage.Limits
	}
	for _, one := range []struct {
		fault faults.Squeeze
		args  map[string]string
	}{
		{faults.Squeeze{Resource: faults.CPU, Daemon: cluster.Codasrv}, map[string]string{"cpus": "0.02"}},
		{faults.Squeeze{Resource: faults.Memory, Daemon: cluster.Codasrv}, map[string]string{"spare": "4"}},
	} {
		injection, err := one.fault.Prepare(faults.On(c), history.Step{Nodes: []string{"server1"}, Args: one.args})
		require.NoError(t, err)
		require.NoError(t, injection.Inject(t.Context()))
		set := limits()
		if one.fault.Resource == faults.CPU {
			require.Equal(t, cluster.Limits{CPUs: 0.02}, set)
			proving, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			proof, err := injection.Prove(proving)
			require.NoError(t, err)
			require.Contains(t, proof, "server1 wanted more than its 0.02 of a processor")
		} else {
			require.Zero(t, set.CPUs)
			require.Greater(t, set.Memory, int64(4<<20))
		}
		require.NoError(t, injection.Recover(t.Context()))
		require.Zero(t, limits())
		_, err = injection.ProveRecovered(t.Context())
		require.NoError(t, err)
	}
}
