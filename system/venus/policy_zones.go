package venus

import (
	"context"
	"time"

	"github.com/codastress/codastress/system/coda"
)

// zones decides for how long a change has to wait while the modify log or the cache is nearly full.
type zones interface {
	// wait returns when a change may begin, or an error where its process has given up.
	wait(ctx context.Context, c *call) error
}

// boundless are the zones of today: there are none. What has no room is refused, at the bound itself.
type boundless struct{}

func (boundless) wait(context.Context, *call) error { return nil }

// zoned are the zones of Coda. In the yellow one each change waits for a moment before it begins; in the red one until there is room, however long that
// takes, unless the volume is unreachable: then waiting would not make any. Who waits has a worker.
type zoned struct {
	v    *Venus
	life context.Context // of venus
}

type zone int

const (
	green zone = iota
	yellow
	red
)

func (z *zoned) wait(ctx context.Context, c *call) error {
	for {
		zone, reachable := z.now()
		if zone == green || zone == red && !reachable {
			return nil
		}
		what := "a moment, since the modify log or the cache is filling up"
		if zone == red {
			what = "room in the modify log and the cache"
		}
		if err := waitUnbounded(ctx, z.life, c, time.After(z.v.cfg.Timing.Zone), what); err != nil || zone == yellow {
			return err
		}
	}
}

// now says how full the log and the cache are. As many records as there are workers are kept free, since each may be about to log one.
func (z *zoned) now() (now zone, reachable bool) {
	v := z.v
	v.mu.Lock()
	defer v.mu.Unlock()
	limits := v.cfg.Limits
	free, dirty := limits.LogRecords-v.log.count, v.log.dirty()
	switch {
	case free <= limits.Workers, dirty > limits.CacheBytes/16*15:
		now = red
	case free <= limits.LogRecords/8, dirty > limits.CacheBytes/4*3:
		now = yellow
	}
	return now, v.group.state == linkUp
}

// dirty counts the bytes of the contents that are still to be sent.
func (l *modifyLog) dirty() (bytes uint64) {
	for r := l.head; r != nil; r = r.next {
		if op, ok := r.Operation.(coda.Store); ok {
			bytes += op.Length
		}
	}
	return bytes
}
