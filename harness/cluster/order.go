package cluster

import (
	"context"
	"fmt"
)

// Order is what a person on a client has its daemon do.
type Order string

// The orders.
const (
	OrderDisconnect Order = "disconnect" // act as if no server could be reached
	OrderReconnect  Order = "reconnect"  // act no longer so
)

// Ordered is what an Agent has besides whose daemon takes orders: that of a client of ours.
type Ordered interface {
	// Order returns when the daemon has done what it was told.
	Order(ctx context.Context, order string) error
}

// Order has the client's daemon do something, and returns when it has.
func (n *Node) Order(ctx context.Context, order Order) error {
	ordered, ok := n.agent.(Ordered)
	if !ok {
		return fmt.Errorf("nobody on %s takes orders", n.Name())
	}
	return n.doing(ordered.Order(ctx, string(order)), "having venus %s on %s", order)
}
