package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness"
	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/cluster/simulation/bubble"
	"github.com/codastress/codastress/harness/history"
	"github.com/codastress/codastress/harness/scenario"
)

// BenchmarkSimulation simulates and judges whole runs: mass-delete at full size, and at a tenth of it.
func BenchmarkSimulation(b *testing.B) {
	for _, size := range []struct {
		name     string
		settings []string
	}{
		{"full", nil},
		{"tenth", []string{"workload.pages=270", "workload.delete=90", "workload.directories=3", "workload.large=1"}},
	} {
		b.Run(size.name, func(b *testing.B) {
			sc, err := scenario.Load("mass-delete", names(catalog()))
			require.NoError(b, err)
			require.NoError(b, sc.Set(size.settings...))
			var virtual time.Duration
			seed := uint64(0)
			for b.Loop() {
				seed++
				dir := filepath.Join(b.TempDir(), "run")
				require.NoError(b, bubble.Run(func(ctx context.Context) {
					began := time.Now()
					err = harness.Run(ctx, harness.Request{
						Scenario: sc, Seed: seed, Dir: dir, Runtime: simulated(seed), Mount: cluster.MountDirect, Log: slog.New(slog.DiscardHandler), Progress: silent{},
					}, catalog())
					virtual += time.Since(began)
				}))
				require.NoError(b, err)
				result, err := judgeStored(dir)
				require.NoError(b, err)
				require.Equal(b, history.Pass, history.Overall(result.Verdicts))
			}
			b.ReportMetric(virtual.Seconds()/b.Elapsed().Seconds(), "simulated/wall")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "seeds/s")
		})
	}
}
