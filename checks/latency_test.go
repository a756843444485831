package checks

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestLatenciesAreNeverTooLittleAndNearlyRight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Int64Range(-1, 1<<62), 1, 300).Draw(t, "lengths")
		part := rapid.Float64Range(0.01, 1).Draw(t, "part")
		var l latencies
		for _, d := range all {
			l.add(time.Duration(d))
		}
		slices.Sort(all)
		longer := int(float64(len(all)) * (1 - part))
		exact := max(0, all[len(all)-1-longer])
		got := int64(l.quantile(part))
		require.GreaterOrEqual(t, got, exact)
		require.LessOrEqual(t, float64(got), float64(exact)*33/32+1)
	})
	require.Zero(t, new(latencies).quantile(0.5))
}
