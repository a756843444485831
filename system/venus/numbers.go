package venus

import (
	"context"
	"time"

	"github.com/codastress/codastress/system/coda"
	"github.com/codastress/codastress/system/wire"
	"github.com/codastress/codastress/system/wire/vicepb"
)

const (
	grantSize = 1 << 16 // numbers asked for at once
	grantLow  = 1 << 14 // ask for more when fewer are left
)

// take draws the next granted number. moved reports that Limit has moved and must be stored.
func (g *grants) take() (n uint64, moved, ok bool) {
	if len(g.Ranges) == 0 {
		return 0, false, false
	}
	r := &g.Ranges[0]
	n = r.First
	r.First++
	if n >= g.Limit {
		g.Limit, moved = n+grantBlock, true
	}
	if r.First == r.End {
		g.Ranges, g.Limit, moved = g.Ranges[1:], 0, true
	}
	return n, moved, true
}

// skip leaves out the numbers that may have been used before a restart.
func (g *grants) skip() {
	if len(g.Ranges) == 0 {
		return
	}
	r := &g.Ranges[0]
	r.First = max(r.First, g.Limit)
	g.Limit = 0
	if r.First >= r.End {
		g.Ranges = g.Ranges[1:]
	}
}

// left is how many numbers are left.
func (g *grants) left() (n uint64) {
	for _, r := range g.Ranges {
		n += r.End - r.First
	}
	return n
}

// newFid draws the fid of a new object in a volume; ok is false when no granted number is left.
func (v *Venus) newFid(t *tx, volume uint32, kind coda.ObjectKind) (f coda.Fid, ok bool) {
	n, moved, ok := v.grants.take()
	if !ok {
		return coda.Fid{}, false
	}
	if moved {
		t.meta(metaGrants, v.grants)
	}
	if v.grants.left() < grantLow {
		wake(v.wakeGrant)
	}
	return coda.NewFid(volume, n, kind), true
}

// keepGrants keeps a reserve of vnode numbers, so that objects can be made while no server is reachable.
func (v *Venus) keepGrants(ctx context.Context) {
	for {
		v.mu.Lock()
		volume, low, changed := v.volume.ID, v.grants.left() < grantLow, v.group.changed
		up := v.group.state == linkUp
		v.mu.Unlock()
		if low && up && volume != 0 {
			if err := v.askGrant(ctx, volume); err != nil {
				v.logger.Warn("ask for vnode numbers", "error", err)
				if !pause(ctx, v.cfg.Timing.Retry) {
					return
				}
			}
			continue
		}
		select {
		case <-v.wakeGrant:
		case <-changed:
		case <-ctx.Done():
			return
		}
		if ctx.Err() != nil {
			return
		}
	}
}

func (v *Venus) askGrant(ctx context.Context, volume uint32) error {
	ctx, cancel := context.WithTimeout(ctx, v.cfg.Timing.Idle)
	defer cancel()
	reply, err := v.preferred().vice.AllocateVnodes(ctx, &vicepb.AllocateVnodesRequest{Volume: volume, Count: grantSize})
	if err != nil {
		return wire.FromError("allocate vnodes", err)
	}
	if reply.First <= coda.RootNumber || reply.Count == 0 {
		return coda.Errorf("allocate vnodes", coda.Invalid, "the server granted %d numbers from %d", reply.Count, reply.First)
	}
	t := v.store.begin()
	v.mu.Lock()
	v.grants.Ranges = append(v.grants.Ranges, grant{First: reply.First, End: reply.First + uint64(reply.Count)})
	t.meta(metaGrants, v.grants)
	t.enqueue()
	close(v.granted)
	v.granted = make(chan struct{})
	v.mu.Unlock()
	return t.wait()
}

// pause waits, and reports whether the context has not ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
