package main

import (
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkSimulation simulates and judges whole runs, one after the other, each in a process as `codastress simulate` starts them, with the program
// that `make build` builds: mass-delete at full size, at a tenth of it, and for a day in which little happens.
func BenchmarkSimulation(b *testing.B) {
	executable, err := program()
	require.NoError(b, err)
	for _, size := range []struct {
		name     string
		settings []string
	}{
		{"full", nil},
		{"tenth", []string{"workload.pages=270", "workload.delete=90", "workload.rate=3", "workload.directories=3", "workload.large=1"}},
		{"waiting", []string{
			"load=24h", "workload.rate=1", "workload.pages=30", "workload.delete=10", "workload.directories=3", "workload.large=0", "faults.mix={}",
		}},
	} {
		b.Run(size.name, func(b *testing.B) {
			args := []string{"simulate", "mass-delete", "--jobs", "1", "--seeds", "1.." + strconv.Itoa(b.N), "--dir", b.TempDir()}
			for _, setting := range size.settings {
				args = append(args, "--set", setting)
			}
			cmd := exec.CommandContext(b.Context(), executable, args...)
			said, err := cmd.Output()
			require.NoError(b, err, "%s", said)
			reportCosts(b, said, cmd.ProcessState.SysUsage().(*syscall.Rusage))
		})
	}
}

// reportCosts reports what b.N seeds took, all processes together.
func reportCosts(b *testing.B, said []byte, usage *syscall.Rusage) {
	b.Helper()
	times := regexp.MustCompile(`(\d+) times as fast as the clock`).FindSubmatch(said)
	require.NotNil(b, times, "%s", said)
	faster, err := strconv.ParseFloat(string(times[1]), 64)
	require.NoError(b, err)
	processor := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	b.ReportMetric(faster, "simulated/wall")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "seeds/s")
	b.ReportMetric(processor.Seconds()/float64(b.N), "processor-s/seed")
	b.ReportMetric(float64(usage.Maxrss>>10), "MB")
}
