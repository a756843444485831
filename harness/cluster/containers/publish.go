package containers

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"time"

	"github.com/moby/moby/client"
)

// publication says on which address of the engine's machine ports are published, and where the harness may find them.
type publication struct {
	on    netip.Addr // the zero Addr is every address
	hosts []string   // to try
}

// hostOverride is the library's variable for where published ports are.
const hostOverride = "TESTCONTAINERS_HOST_OVERRIDE"

// publication chooses the narrowest address that the harness can reach. Loopback is tried first even in a container, where the library takes the
// bridge's gateway for the host: a harness in a container may share the engine's network. An engine on another machine has to publish on every
// address; what is published wants the harness's certificate.
func (e *engine) publication(ctx context.Context) (publication, error) {
	loopback := publication{on: netip.AddrFrom4([4]byte{127, 0, 0, 1}), hosts: []string{"127.0.0.1"}}
	if host := os.Getenv(hostOverride); host != "" {
		if isLoopback(host) {
			return publication{on: loopback.on, hosts: []string{host}}, nil
		}
		return publication{hosts: []string{host}}, nil
	}
	engineURL, err := url.Parse(e.api.DaemonHost())
	if err != nil {
		return publication{}, fmt.Errorf("understanding the engine's address %s: %w", e.api.DaemonHost(), err)
	}
	if engineURL.Scheme != "unix" {
		if isLoopback(engineURL.Hostname()) {
			return loopback, nil
		}
		host, err := e.provider.DaemonHost(ctx)
		return publication{hosts: []string{host}}, err
	}
	gateway, ours, err := e.gateway(ctx)
	if _, missing := os.Stat("/.dockerenv"); missing != nil || err != nil || ours || !gateway.IsValid() {
		return loopback, nil //nolint:nilerr // an engine without a bridge is no reason to look elsewhere
	}
	return publication{on: gateway, hosts: []string{gateway.String(), "127.0.0.1"}}, nil
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// gateway is the address of the engine's machine on its default bridge, and whether that is this machine.
func (e *engine) gateway(ctx context.Context) (netip.Addr, bool, error) {
	result, err := e.api.NetworkInspect(ctx, "bridge", client.NetworkInspectOptions{})
	if err != nil {
		return netip.Addr{}, false, fmt.Errorf("looking at the engine's bridge: %w", err)
	}
	var gateway netip.Addr
	for _, config := range result.Network.IPAM.Config {
		if config.Gateway.Is4() {
			gateway = config.Gateway
		}
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return gateway, false, fmt.Errorf("looking at the machine's addresses: %w", err)
	}
	for _, one := range own {
		if prefix, err := netip.ParsePrefix(one.String()); err == nil && prefix.Addr() == gateway {
			return gateway, true, nil
		}
	}
	return gateway, false, nil
}

// The rhythm of looking for a published port.
const (
	dialTime  = time.Second
	dialPause = 20 * time.Millisecond
)

// findHost returns the first host on which a published port accepts.
func (p publication) findHost(ctx context.Context, port string) (string, error) {
	dialer := net.Dialer{Timeout: dialTime}
	for {
		var last error
		for _, host := range p.hosts {
			connection, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
			if err == nil {
				return host, connection.Close()
			}
			last = err
		}
		select {
		case <-time.After(dialPause):
		case <-ctx.Done():
			return "", fmt.Errorf("finding the published port %s at %v: %w; the last attempt: %w (%s says where it is)", port, p.hosts, ctx.Err(), last, hostOverride)
		}
	}
}
