package cluster

import (
	"context"
	"fmt"
	"time"
)

// Limits are how much of its machine a node may use. The zero value is all of it.
type Limits struct {
	CPUs   float64 // processors; 0 is without bound
	Memory int64   // bytes, the pages of its files included; 0 is without bound
}

// Usage is what a node uses of its machine, and where its limits were felt since it was started.
type Usage struct {
	Limits    Limits
	Throttled uint64        // periods of the scheduler at whose end it wanted more of the processors than it may have
	Waited    time.Duration // for the next period, all threads together
	Total     int64         // bytes of memory
	Memory    int64         // of them, those that it cannot give back, as it can pages of files
	Read      uint64        // pages that it touched and that had to be read from a disk first
}

// Limiter is what an Instance has besides whose node can be held to less than its machine: a container.
type Limiter interface {
	// SetLimits returns when the limits are in force.
	SetLimits(ctx context.Context, limits Limits) error
	Usage(ctx context.Context) (Usage, error)
}

// SetLimits holds the whole node, its agent included, to less than its machine, or gives all of that back. Only containers can: elsewhere it is an error.
func (n *Node) SetLimits(ctx context.Context, limits Limits) error {
	limiter, err := n.limiter()
	if err != nil {
		return err
	}
	return n.doing(limiter.SetLimits(ctx, limits), "limiting %s")
}

// Usage says what the node uses, where it can be limited.
func (n *Node) Usage(ctx context.Context) (Usage, error) {
	limiter, err := n.limiter()
	if err != nil {
		return Usage{}, err
	}
	usage, err := limiter.Usage(ctx)
	return usage, n.doing(err, "asking what %s uses")
}

func (n *Node) limiter() (Limiter, error) {
	limiter, ok := n.instance.(Limiter)
	if !ok {
		return nil, fmt.Errorf("%s cannot be held to less than its machine: only a container can", n.Name())
	}
	return limiter, nil
}
