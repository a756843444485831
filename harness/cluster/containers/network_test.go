package containers

import (
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSubnetsAreOfTheRangeForTests(t *testing.T) {
	whole := netip.MustParsePrefix("198.18.0.0/15")
	for range 1000 {
		some := randomSubnet()
		require.Equal(t, prefixBits, some.Bits())
		require.Equal(t, some.Masked(), some)
		require.True(t, whole.Contains(some.Addr()), "%s", some)
	}
	some := subnet{prefix: netip.MustParsePrefix("198.19.255.248/29")}
	require.Equal(t, "198.19.255.250", some.address(proxyOffset).String())
	require.Equal(t, "198.19.255.251", some.address(nodeOffset).String())
}

func TestSubnetsKeepAwayFromTheMachine(t *testing.T) {
	_, own, err := net.ParseCIDR("198.18.4.0/24")
	require.NoError(t, err)
	require.True(t, overlaps(own, netip.MustParsePrefix("198.18.4.8/29")))
	require.False(t, overlaps(own, netip.MustParsePrefix("198.18.5.0/29")))
}

func TestWherePortsArePublished(t *testing.T) {
	needsEngine(t)
	e, err := connect(t.Context())
	require.NoError(t, err)
	defer e.close()
	t.Setenv(hostOverride, "")
	chosen, err := e.publication(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, chosen.hosts)
	if chosen.on.IsValid() {
		require.True(t, chosen.on.IsLoopback() || chosen.on.IsPrivate(), "%s", chosen.on)
	}
	for host, loopback := range map[string]bool{"localhost": true, "127.0.0.1": true, "engine.example": false, "192.0.2.1": false} {
		t.Setenv(hostOverride, host)
		chosen, err = e.publication(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{host}, chosen.hosts)
		require.Equal(t, loopback, chosen.on.IsValid() && chosen.on.IsLoopback(), host)
	}
}

func TestMachinesAreToldApartByWhereTheLockIs(t *testing.T) {
	one, other := t.TempDir(), "/proc"
	require.Equal(t, machineOf(one+"/run1/lock"), machineOf(one+"/run2/lock"))
	require.NotEqual(t, machineOf(one+"/run/lock"), machineOf(other+"/run/lock"))
}

func TestNamesOfArchitectures(t *testing.T) {
	require.Equal(t, "amd64", architecture("x86_64"))
	require.Equal(t, "arm64", architecture("aarch64"))
	require.Equal(t, "riscv64", architecture("riscv64"))
}
