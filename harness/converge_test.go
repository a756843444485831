package harness

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness/history"
)

func TestEachObservationNamesTheEvidenceOfItsNode(t *testing.T) {
	all := []history.Observation{{Node: "client1"}, {Node: "client11"}, {Node: "server1"}}
	giveFiles(all, []string{"nodes/client1/diverged/venus.log", "nodes/client1/diverged/venus.stacks", "nodes/client11/diverged/venus.log"})
	require.Equal(t, []string{"nodes/client1/diverged/venus.log", "nodes/client1/diverged/venus.stacks"}, all[0].Files)
	require.Equal(t, []string{"nodes/client11/diverged/venus.log"}, all[1].Files)
	require.Empty(t, all[2].Files)
}
