package faults

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codastress/codastress/harness/cluster"
)

func TestFaultsSayWhatTheyExcuse(t *testing.T) {
	for want, fault := range map[string]Fault{
		"what has to wait for the link between client1 and server1, when it hits client1 server1": Partition{Up: true, Down: true},
		"what has to wait for the daemon of client1, when it hits client1":                        Kill{Daemon: cluster.Venus},
		"nothing: every promise is held to as without it":                                         Disk{Slow, cluster.Venus},
	} {
		require.Equal(t, want, Excuses(fault))
	}
	for _, fault := range All() {
		require.NotEmpty(t, Excuses(fault), fault.Name())
	}
	require.NotEmpty(t, Excuses(Hook{Fault: "mine", Mounts: []string{"/a", "/b"}}))
}
