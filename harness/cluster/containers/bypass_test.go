package containers

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/codastress/codastress/harness/cluster"
	"github.com/codastress/codastress/harness/cluster/clustertest"
)

// testNoBypass tries everything that anybody listens on from inside of every node. It must find the node's own daemons, the links that begin at it,
// and nothing else.
func testNoBypass(t *testing.T, c *cluster.Cluster) {
	e, err := connect(t.Context())
	require.NoError(t, err)
	defer e.close()
	addresses := addressesOf(t, e, c.RunID())
	host := hostAddresses(t)
	elsewhere := listenEverywhere(t)
	var attempts errgroup.Group
	try := func(from *cluster.Node, to string, address netip.Addr, port int, want bool) {
		attempts.Go(func() error {
			connected, err := clustertest.Connects(t.Context(), from, withPort(address.String(), port))
			if err == nil && connected != want {
				err = fmt.Errorf("from %s to port %d of %s at %s: connected is %v", from.Name(), port, to, address, connected)
			}
			return err
		})
	}
	for _, from := range c.SystemNodes() {
		require.Len(t, addresses[from.Name()], 1, "%s is in one network", from.Name())
		own := addresses[from.Name()][0]
		side := own.Prev()
		for _, to := range c.Nodes() {
			for _, address := range addresses[to.Name()] {
				for _, port := range portsOf(c, to) {
					_, err := c.Link(from.Name(), "server1")
					begins := address == side && port == cluster.LinkPort(0) && err == nil
					try(from, to.Name(), address, port, begins || to == from)
				}
			}
		}
		for _, address := range append(host, side.Prev()) { // the last is where a gateway would be
			try(from, "the host", address, elsewhere, false)
		}
	}
	require.NoError(t, attempts.Wait())
	for _, from := range c.Clients() {
		require.NoError(t, from.Reach(t.Context(), "server1"), "the way through the proxy")
	}
}

// addressesOf are all addresses of a run's containers.
func addressesOf(t *testing.T, e *engine, runID string) map[string][]netip.Addr {
	t.Helper()
	list, err := e.api.ContainerList(t.Context(), client.ContainerListOptions{Filters: make(client.Filters).Add("label", runLabel+"="+runID)})
	require.NoError(t, err)
	addresses := map[string][]netip.Addr{}
	for _, one := range list.Items {
		inspected, err := e.api.ContainerInspect(t.Context(), one.ID, client.ContainerInspectOptions{})
		require.NoError(t, err)
		name := inspected.Container.Config.Hostname
		for _, network := range inspected.Container.NetworkSettings.Networks {
			addresses[name] = append(addresses[name], network.IPAddress)
		}
	}
	require.Len(t, addresses, 4)
	require.Len(t, addresses[cluster.ProxyName], 4)
	return addresses
}

// portsOf are the ports that a node listens on.
func portsOf(c *cluster.Cluster, node *cluster.Node) []int {
	ports := []int{cluster.AgentPort}
	switch node.Role() {
	case cluster.RoleServer:
		ports = append(ports, cluster.CodasrvPort)
	case cluster.RoleClient:
		ports = append(ports, cluster.WebPort)
	case cluster.RoleProxy:
		ports = append(ports, cluster.LinkPort(0))
		for number := range c.SystemNodes() {
			ports = append(ports, cluster.RelayPort(number+1))
		}
	}
	return ports
}

func hostAddresses(t *testing.T) []netip.Addr {
	t.Helper()
	all, err := net.InterfaceAddrs()
	require.NoError(t, err)
	var addresses []netip.Addr
	for _, one := range all {
		prefix, err := netip.ParsePrefix(one.String())
		require.NoError(t, err)
		if address := prefix.Addr(); address.Is4() && !address.IsLoopback() {
			addresses = append(addresses, address)
		}
	}
	return addresses
}

// listenEverywhere makes this machine listen on one port of all its addresses.
func listenEverywhere(t *testing.T) int {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "0.0.0.0:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().(*net.TCPAddr).Port
}
