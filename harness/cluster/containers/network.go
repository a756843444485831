package containers

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	testcontainers "github.com/testcontainers/testcontainers-go"
)

// Networks get addresses from the range for tests of network devices (RFC 2544), eight each: the engine's own pool has room for some thirty
// networks, and with addresses known beforehand all nodes can be started at once.
const (
	firstSubnet = 198<<24 | 18<<16
	subnets     = 1 << 14
	prefixBits  = 29
)

// The addresses in a network, after its first.
const (
	proxyOffset = 2
	nodeOffset  = 3
)

// attempts to find a subnet that no other network has.
const attempts = 20

// inhibit is the option of the engine's bridges that keeps the host from having an address in a network.
const inhibit = "com.docker.network.bridge.inhibit_ipv4"

// subnet is a network's addresses.
type subnet struct {
	name   string
	prefix netip.Prefix
}

func (s subnet) address(offset int) netip.Addr {
	address := s.prefix.Addr()
	for range offset {
		address = address.Next()
	}
	return address
}

// freeSubnet is one of the range that this machine has no address in: the engine looks at its own networks only. Which is of no consequence for a
// run.
func freeSubnet() netip.Prefix {
	own, _ := net.InterfaceAddrs() // without them, the engine will tell
	candidate := randomSubnet()
	for range attempts {
		if !slices.ContainsFunc(own, func(one net.Addr) bool { return overlaps(one, candidate) }) {
			break
		}
		candidate = randomSubnet()
	}
	return candidate
}

func overlaps(address net.Addr, subnet netip.Prefix) bool {
	prefix, err := netip.ParsePrefix(address.String())
	return err == nil && prefix.Overlaps(subnet)
}

func randomSubnet() netip.Prefix {
	number := uint32(firstSubnet) + uint32(rand.IntN(subnets))<<(32-prefixBits)
	address := netip.AddrFrom4([4]byte{byte(number >> 24), byte(number >> 16), byte(number >> 8), byte(number)})
	return netip.PrefixFrom(address, prefixBits)
}

// createNetwork makes a network with addresses of its own. An internal one has no way out.
func (e *engine) createNetwork(ctx context.Context, name string, internal bool, labels map[string]string) (subnet, error) {
	options := client.NetworkCreateOptions{Driver: testcontainers.Bridge, Internal: internal, Labels: labels}
	if internal {
		options.Options = map[string]string{inhibit: "true"}
	}
	var errs []error
	for range attempts {
		made := subnet{name: name, prefix: freeSubnet()}
		options.IPAM = &network.IPAM{Config: []network.IPAMConfig{{Subnet: made.prefix}}}
		_, err := e.api.NetworkCreate(ctx, name, options)
		if err == nil {
			return made, nil
		}
		errs = append(errs, err)
		if !strings.Contains(err.Error(), "overlap") { // the engine has no kind for it
			break
		}
	}
	return subnet{}, fmt.Errorf("making the network %s: %w", name, errors.Join(errs...))
}

// endpoint is a fixed address in a network.
func endpoint(address netip.Addr) *network.EndpointSettings {
	return &network.EndpointSettings{IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: address}}
}
