package containers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/codastress/codastress/harness/cluster"
)

var _ cluster.Limiter = (*instance)(nil)

// period is that of the scheduler, in microseconds, in which a container has its share.
const period = 100_000

// allMemory is a limit that no machine reaches: the engine does not take one away.
const allMemory = 1 << 50

// SetLimits implements cluster.Limiter. Memory is limited without anything to swap to.
func (i *instance) SetLimits(ctx context.Context, limits cluster.Limits) error {
	resources := &container.Resources{CPUPeriod: period, CPUQuota: -1, Memory: allMemory, MemorySwap: allMemory}
	if limits.CPUs > 0 {
		resources.CPUQuota = int64(limits.CPUs * period)
	}
	if limits.Memory > 0 {
		resources.Memory, resources.MemorySwap = limits.Memory, limits.Memory
	}
	if _, err := i.site.engine.api.ContainerUpdate(ctx, i.id, client.ContainerUpdateOptions{Resources: resources}); err != nil {
		return fmt.Errorf("limiting the container of %s: %w", i.node.Name, err)
	}
	return nil
}

// Usage implements cluster.Limiter.
func (i *instance) Usage(ctx context.Context) (usage cluster.Usage, err error) {
	told, err := i.site.engine.api.ContainerInspect(ctx, i.id, client.ContainerInspectOptions{})
	if err != nil {
		return usage, fmt.Errorf("asking for the limits of the container of %s: %w", i.node.Name, err)
	}
	if host := told.Container.HostConfig; host != nil {
		usage.Limits = cluster.Limits{CPUs: float64(max(host.CPUQuota, 0)) / period, Memory: host.Memory % allMemory}
	}
	result, err := i.site.engine.api.ContainerStats(ctx, i.id, client.ContainerStatsOptions{})
	if err != nil {
		return usage, fmt.Errorf("asking what the container of %s uses: %w", i.node.Name, err)
	}
	var stats container.StatsResponse
	if err := errors.Join(json.NewDecoder(result.Body).Decode(&stats), result.Body.Close()); err != nil {
		return usage, fmt.Errorf("reading what the container of %s uses: %w", i.node.Name, err)
	}
	throttling, memory := stats.CPUStats.ThrottlingData, stats.MemoryStats
	usage.Throttled, usage.Waited = throttling.ThrottledPeriods, time.Duration(throttling.ThrottledTime)
	usage.Total, usage.Read = int64(memory.Usage), memory.Stats["pgmajfault"]
	usage.Memory = int64(memory.Stats["rss"] + memory.Stats["anon"]) // as versions 1 and 2 of control groups call it
	return usage, nil
}
