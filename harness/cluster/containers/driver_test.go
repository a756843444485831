package containers

import (
	"testing"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/cluster/clustertest"
)

func TestConformance(t *testing.T) {
	needsEngine(t)
	clustertest.TestDriver(t, New(), map[string]func(*testing.T, *cluster.Cluster){
		"there is no way around the proxy": testNoBypass,
	})
}

func needsEngine(t *testing.T) {
	t.Helper()
	if err := New().Available(t.Context()); err != nil {
		t.Skipf("needs a container engine: %v", err)
	}
}
