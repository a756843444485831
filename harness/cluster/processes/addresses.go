package processes

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"

	"github.com/codastress/codastress/harness/cluster"
)

// The whole of 127.0.0.0/8 is this machine. A run has 127.x.y.0/24 for itself: .1 holds the reservation, the nodes' own addresses are from .2 on, and
// those of the proxy on their sides from .130 on.
const (
	firstHost = 2
	firstSide = 130
)

// attempts to find addresses that no other run has. There are more than 60,000 to choose from.
const attempts = 50

// addresses are a run's on the loopback interface.
type addresses struct {
	network string // the first three numbers
	guard   net.Listener
}

// reserve finds addresses that no other run has, and holds them while this process lives.
func reserve() (*addresses, error) {
	var errs []error
	for range attempts {
		// Which addresses is of no consequence for a run, so that this is not drawn from its seed. 127.0 is everyone's.
		network := fmt.Sprintf("127.%d.%d", 1+rand.IntN(254), rand.IntN(256))
		guard, err := net.Listen("tcp", fmt.Sprintf("%s.1:%d", network, cluster.AgentPort))
		if err == nil {
			return &addresses{network: network, guard: guard}, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("finding loopback addresses that nobody uses: %w", errors.Join(errs...))
}

func (a *addresses) host(node int) string { return fmt.Sprintf("%s.%d", a.network, firstHost+node) }

func (a *addresses) side(node int) string { return fmt.Sprintf("%s.%d", a.network, firstSide+node) }

// release lets another run have the addresses. It may be called again.
func (a *addresses) release() { _ = a.guard.Close() }
