package containers

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/cluster/clustertest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), // idle connections to the engine
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
	)
}

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
