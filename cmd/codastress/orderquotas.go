package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/vice"
)

// quotasBefore are the quotas that volumes of a server had before it was ordered to bound them.
type quotasBefore struct {
	mu sync.Mutex
	by map[string]vice.Quota // by the name of the volume
}

// order bounds volumes, or ends that, and gives the number of volumes of which that is true then what the order is about.
func (q *quotasBefore) order(ctx context.Context, server volumeKeeper, volumes []keptVolume, order cluster.Order) (count int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	bytes, objects, bounds := order.Bounds()
	switch {
	case bounds:
		return q.bound(ctx, server, volumes, bytes, objects)
	case order == cluster.OrderUnboundVolumes:
		return 0, q.unbound(ctx, server)
	case order == cluster.OrderBound:
		for _, volume := range volumes {
			if before, was := q.by[volume.name]; was {
				count += oneIf(volume.quota != before)
			}
		}
	case order == cluster.OrderOverQuota:
		for _, volume := range volumes {
			full := volume.quota.Bytes > 0 && volume.used.Bytes >= volume.quota.Bytes || volume.quota.Objects > 0 && volume.used.Objects >= volume.quota.Objects
			count += oneIf(full)
		}
	default:
		err = fmt.Errorf("no order %q", order)
	}
	return count, err
}

func (q *quotasBefore) bound(ctx context.Context, server volumeKeeper, volumes []keptVolume, bytes, objects int) (count int, err error) {
	q.by = map[string]vice.Quota{}
	share := func(percent int, used, before uint64) uint64 {
		if percent == 0 {
			return before
		}
		return max(used*uint64(percent)/100, 1) // 0 would be no bound
	}
	for _, volume := range volumes {
		q.by[volume.name] = volume.quota
		quota := vice.Quota{Bytes: share(bytes, volume.used.Bytes, volume.quota.Bytes), Objects: share(objects, volume.used.Objects, volume.quota.Objects)}
		err = errors.Join(err, persist(ctx, func() error { return server.bound(ctx, volume.name, quota) }))
		count += oneIf(quota != volume.quota)
	}
	return count, err
}

// unbound gives volumes their quotas back, but for those that are gone.
func (q *quotasBefore) unbound(ctx context.Context, server volumeKeeper) (err error) {
	for _, volume := range slices.Sorted(maps.Keys(q.by)) {
		undone := persist(ctx, func() error { return server.bound(ctx, volume, q.by[volume]) })
		if !errors.Is(undone, coda.NotFound) {
			err = errors.Join(err, undone)
		}
	}
	return err
}
