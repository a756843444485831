package cluster

import (
	"context"
	"fmt"
)

// Order is what a person on a node has its daemon do.
type Order string

// The orders.
const (
	OrderDisconnect Order = "disconnect" // act as if no server could be reached
	OrderReconnect  Order = "reconnect"  // act no longer so
	OrderHoard      Order = "hoard"      // have everything at hand, and fetch what is missing; it says of how many objects that is so
	OrderForget     Order = "forget"     // do no longer so
	OrderHoarded    Order = "hoarded"    // say whether everything is to be at hand: 1 or 0

	OrderLockVolumes   Order = "lock-volumes"   // refuse what clients change in any volume; it says how many are locked
	OrderUnlockVolumes Order = "unlock-volumes" // refuse it no longer; it says the same
	OrderLocked        Order = "locked"         // say how many volumes are locked

	OrderUnboundVolumes Order = "unbound-volumes" // give volumes the quotas back that BoundVolumes has taken; it says how many have not got them
	OrderBound          Order = "bound"           // say how many volumes have not got them; a client, of how many volumes it knows a quota
	OrderOverQuota      Order = "over-quota"      // say how many volumes hold as much as they may, or more
	OrderRefused        Order = "refused"         // say how many changes the client has refused, since their volumes have no room
)

// The orders about the token of the user who works on a client.
const (
	OrderMakeUser Order = "make-user" // have the user, with a password
	OrderExpire   Order = "expire"    // have a token as long as nothing waits to be sent for its user, and none from then on
	OrderWaiting  Order = "waiting"   // say how many changes wait, if it is for a token
	OrderLogIn    Order = "log-in"    // have a token again
	OrderOwed     Order = "owed"      // say how many changes there are that only such a token can send
	OrderLogOut   Order = "log-out"   // have none, as before
)

// boundVolumes is the form of the order to bound volumes.
const boundVolumes = "bound-volumes %d %d"

// BoundVolumes has all volumes hold no more than so many percent of the bytes and of the objects that each holds now, 0 for no bound. It says how many have
// another quota than before.
func BoundVolumes(bytes, objects int) Order { return Order(fmt.Sprintf(boundVolumes, bytes, objects)) }

// Bounds is what BoundVolumes was asked for, if that is the order.
func (o Order) Bounds() (bytes, objects int, ok bool) {
	_, err := fmt.Sscanf(string(o), boundVolumes, &bytes, &objects)
	return bytes, objects, err == nil
}

// Ordered is what an Agent has besides whose daemon takes orders: that of a client or server of ours.
type Ordered interface {
	// Order returns when the daemon has done what it was told, and gives the number that it says, where it says one.
	Order(ctx context.Context, order string) (said int, err error)
}

// Order has the node's daemon do something, and returns when it has, with the number that it says, where it says one.
func (n *Node) Order(ctx context.Context, order Order) (said int, err error) {
	ordered, ok := n.agent.(Ordered)
	if !ok {
		return 0, fmt.Errorf("nobody on %s takes orders", n.Name())
	}
	said, err = ordered.Order(ctx, string(order))
	return said, n.doing(err, "having the daemon %s on %s", order)
}
