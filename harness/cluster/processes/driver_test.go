package processes

import (
	"testing"

	"github.com/codastress/codastress/harness/cluster/clustertest"
)

func TestConformance(t *testing.T) { clustertest.TestDriver(t, New(), nil) }
